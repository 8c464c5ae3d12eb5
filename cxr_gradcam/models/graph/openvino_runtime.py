"""Import OpenVINO without its usage reports; only this module imports it.

`import openvino` also imports its conversion tools. Where the package openvino_telemetry is
installed, these look up an analytics server, send an event to it and write an identifier into the
user's home. If that package is missing they do none of this, so it is hidden during the import.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["openvino", "opset"]


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Make a package appear not installed, unless it has been imported before."""
    modules: dict[str, Any] = sys.modules
    is_hidden = modules.setdefault(package, None) is None
    try:
        yield
    finally:
        if is_hidden:
            del modules[package]


with _hidden("openvino_telemetry"):
    import openvino
    from openvino import opset13 as opset
