"""The options of `app.py`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from importlib.util import find_spec


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line asks, or a Space's variables.

    Args:
        arguments: of the command line; None for those of this process.

    Returns:
        `mcp`, whether the page is offered as MCP tools too.

    Raises:
        SystemExit: an option that is none, or what it needs is not installed.
    """
    parser = argparse.ArgumentParser(description="Start the viewer in the browser.")
    parser.add_argument(
        "--mcp",
        action="store_true",
        default=os.environ.get("GRADIO_MCP_SERVER", "").lower() == "true",
        help="serve the endpoints as MCP tools too, under /gradio_api/mcp "
        "(or GRADIO_MCP_SERVER=true)",
    )
    options = parser.parse_args(arguments)
    if options.mcp and find_spec("mcp") is None:
        parser.error("--mcp needs the package mcp: pip install 'cxr-gradcam[mcp]'")
    return options
