"""The command line: one module per command, imported when the command is used."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from cxr_gradcam.cli.options import FAILED, complain, keep_fonts_out_of_home
from cxr_gradcam.extras import missing_extra

COMMANDS = {
    "explain": "classify radiographs and save their maps",
    "convert": "write anybody's weights as a file that says what they are",
    "export": "write prediction and maps as one file for programs without torch",
    "train": "train a model on folders of radiographs",
    "train-lungs": "train the network that outlines the lungs",
    "calibrate": "fit probabilities, verdicts and the out-of-distribution detector",
    "evaluate": "measure a model on folders of radiographs",
    "node": "explain what an archive sends, and send the results back",
    "model-card": "write the bundled weights' card",
    "demo": "show what the package does, on an example",
}
"""Each command is a module of the same name with `add_arguments(parser)` and `run(options)`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the words after the program's name; None for those of the process.

    Returns:
        The exit status: 0; 1 if some of several files failed; 2 if the command failed.
    """
    keep_fonts_out_of_home()
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        options = _parser(words[:1]).parse_args(words)
        return int(options.run(options))
    except ModuleNotFoundError as error:
        known = missing_extra(error)
        if known is None:
            raise
        complain(str(known))
    except (ValueError, OSError) as error:
        complain(str(error))
    return FAILED


def _parser(named: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser; only the named command is imported and adds its options."""
    parser = argparse.ArgumentParser(prog="python -m cxr_gradcam", description="Command line.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        if name in named:
            module = import_module(f"{__name__}.{name.replace('-', '_')}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser
