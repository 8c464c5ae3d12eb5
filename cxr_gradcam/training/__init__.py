"""Training, and parameters fitted to validation images afterwards.

Names are imported when they are used, because a recipe needs no scipy or scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cxr_gradcam.extras import require

if TYPE_CHECKING:
    from cxr_gradcam.training.calibration import calibrate
    from cxr_gradcam.training.recipe import Recipe
    from cxr_gradcam.training.trainer import train

_HOMES = {"Recipe": "recipe", "calibrate": "calibration", "train": "trainer"}

__all__ = ["Recipe", "calibrate", "train"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class or a function
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name != "Recipe":
        require("train", "Training")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
