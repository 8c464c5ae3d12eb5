"""Hold a model in eval mode, and uncompiled, while it is used; restore its state afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from weakref import WeakKeyDictionary

import torch
from torch import nn

_evaluating_lock = Lock()
_evaluated: WeakKeyDictionary[nn.Module, tuple[int, list[nn.Module]]] = WeakKeyDictionary()


_eager_lock = Lock()
_eager_holders = 0
_eager = ExitStack()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Hold a model in eval mode; restore the mode of every module afterwards.

    Several threads may hold one model: the last to leave restores it. Parts that `torch.compile`
    made run uncompiled: compiled code gives neither layers' outputs nor their gradients.

    Args:
        model: the model.
    """
    with _evaluating_lock:
        holders, training = _evaluated.get(model, (0, []))
        if not holders:
            training = [module for module in model.modules() if module.training]
            _set_training(training, False)
        _evaluated[model] = holders + 1, training
    try:
        with _uncompiled(model):
            yield
    finally:
        with _evaluating_lock:
            holders, training = _evaluated.pop(model)
            if holders > 1:
                _evaluated[model] = holders - 1, training
            else:
                _set_training(training, True)


def _set_training(modules: Iterable[nn.Module], mode: bool) -> None:
    for module in modules:
        module.training = mode


@contextmanager
def _uncompiled(model: nn.Module) -> Iterator[None]:
    """Run compiled parts of a model without their compiled code, if it has any."""
    global _eager_holders
    if not any(_is_compiled(module) for module in model.modules()):
        yield
        return
    with _eager_lock:
        if not _eager_holders:
            _eager.enter_context(torch.compiler.set_stance("force_eager"))
        _eager_holders += 1
    try:
        yield
    finally:
        with _eager_lock:
            _eager_holders -= 1
            if not _eager_holders:
                _eager.close()


def _is_compiled(module: nn.Module) -> bool:
    return hasattr(module, "_orig_mod") or module._compiled_call_impl is not None
