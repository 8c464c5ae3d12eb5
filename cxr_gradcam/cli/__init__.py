"""The command line."""

from cxr_gradcam.cli.commands import main

__all__ = ["main"]
