"""Import torchvision and Gradio without the parts that take long and are not needed.

torchvision imports torch's compiler for one function, which takes nine tenths of the time and
140 MB. The compiler is imported when something needs it, for instance `torch.compile`. Gradio
writes the type stubs of its package again at each import, which takes half of the time.
"""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_COMPILER = ("torch._dynamo", "torch._dynamo.utils")
_STUBS = ("gradio.component_meta", "create_or_modify_pyi")


class _Later(ModuleType):
    """A placeholder for a module of the compiler until one of its names is needed."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of the module
        is_package = self.__name__ == _COMPILER[0]
        if name.startswith("__") and not (name == "__path__" and is_package):
            raise AttributeError(name)  # inspect reads this name of every module
        _end()
        return getattr(importlib.import_module(self.__name__), name)


def import_torchvision() -> None:
    """Import torchvision, unless it or the compiler is already imported."""
    if "torchvision" in sys.modules or _COMPILER[0] in sys.modules:
        return
    sys.modules |= {name: _Later(name) for name in _COMPILER}
    vars(sys.modules[_COMPILER[1]])["is_compile_supported"] = _is_compile_supported
    try:
        importlib.import_module("torchvision")
    finally:
        _end()


def leave_stubs_alone() -> None:
    """Make Gradio write no stubs when it is imported."""
    if not any(isinstance(finder, _StubsLeftAlone) for finder in sys.meta_path):
        sys.meta_path.insert(0, _StubsLeftAlone())


@contextmanager
def without_collection() -> Iterator[None]:
    """Pause garbage collection, since imported objects stay; this saves a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _StubsLeftAlone(MetaPathFinder):
    """Find the module with which Gradio makes its components, and make it write no stubs."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == _STUBS[0] else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_without_stubs(module: ModuleType) -> None:
            execute(module)
            setattr(module, _STUBS[1], lambda *_: None)

        setattr(spec.loader, "exec_module", execute_without_stubs)  # noqa: B010
        return spec


def _end() -> None:
    for name in _COMPILER:
        if isinstance(sys.modules.get(name), _Later):
            del sys.modules[name]


def _is_compile_supported(device_type: str) -> Any:  # noqa: ANN401 - as torch's own
    return importlib.import_module(_COMPILER[1]).is_compile_supported(device_type)
