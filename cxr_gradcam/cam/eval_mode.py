"""A model held in eval mode while it is asked, and left as it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from weakref import WeakKeyDictionary

from torch import nn

_evaluating_lock = Lock()
_evaluated: WeakKeyDictionary[nn.Module, tuple[int, list[nn.Module]]] = WeakKeyDictionary()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Hold a model in eval mode; afterwards the mode of every module is as it was.

    Several threads may hold one model: the last to leave restores it.
    """
    with _evaluating_lock:
        holders, training = _evaluated.get(model, (0, []))
        if not holders:
            training = [module for module in model.modules() if module.training]
            _set_training(training, False)
        _evaluated[model] = holders + 1, training
    try:
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
