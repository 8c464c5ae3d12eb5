"""torchvision without torch's compiler, which it imports for one function that nobody here calls.

The compiler takes nine tenths of the time that torchvision's import takes, and 140 MB. It is
imported as ever where something needs it, `torch.compile` for instance.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

_COMPILER = ("torch._dynamo", "torch._dynamo.utils")


class _Later(ModuleType):
    """Stands in for a module of the compiler until one of its names is needed."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the module has
        is_package = self.__name__ == _COMPILER[0]
        if name.startswith("__") and not (name == "__path__" and is_package):
            raise AttributeError(name)  # inspect looks at every module
        _end()
        return getattr(importlib.import_module(self.__name__), name)


def import_torchvision() -> None:
    """Import torchvision, unless it or the compiler is there already."""
    if "torchvision" in sys.modules or _COMPILER[0] in sys.modules:
        return
    sys.modules |= {name: _Later(name) for name in _COMPILER}
    vars(sys.modules[_COMPILER[1]])["is_compile_supported"] = _is_compile_supported
    try:
        importlib.import_module("torchvision")
    finally:
        _end()


def _end() -> None:
    for name in _COMPILER:
        if isinstance(sys.modules.get(name), _Later):
            del sys.modules[name]


def _is_compile_supported(device_type: str) -> Any:  # noqa: ANN401 - as torch's own
    return importlib.import_module(_COMPILER[1]).is_compile_supported(device_type)
