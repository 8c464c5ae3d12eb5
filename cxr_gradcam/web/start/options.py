"""The options of `app.py`."""

from __future__ import annotations

import argparse
import os
from importlib.util import find_spec

from cxr_gradcam.extras import require


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command line or a Space's variables.

    Args:
        parser: the parser; the option `mcp` is added: whether to offer MCP tools too.
    """
    parser.add_argument(
        "--mcp",
        action="store_true",
        default=os.environ.get("GRADIO_MCP_SERVER", "").lower() == "true" and _has_mcp(),
        help="serve the endpoints as MCP tools too, under /gradio_api/mcp "
        "(or GRADIO_MCP_SERVER=true)",
    )


def check_options(options: argparse.Namespace) -> None:
    """Raise an error for options that cannot be used.

    Raises:
        ValueError: a package that an option needs is not installed.
    """
    if options.mcp:
        require("mcp", "--mcp")


def _has_mcp() -> bool:
    return find_spec("mcp") is not None
