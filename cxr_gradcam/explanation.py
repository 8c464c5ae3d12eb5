"""explain: what the model sees on a radiograph, and where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cxr_gradcam.cam import upsample
from cxr_gradcam.radiograph import Radiograph
from cxr_gradcam.resnet50 import ResNet50FineTuned, evaluating

METHODS = ("gradcam",)


@dataclass(frozen=True, eq=False)
class Explanation:
    """The model's answer to one radiograph, and where the score of one class comes from.

    Attributes:
        probabilities: {class name: probability}, sum 1, in the order of the model's classes.
        class_name: the explained class.
        heatmap: float32 (H, W) on the radiograph's own grid, in [0, 1].
        peak: the map's maximum before normalisation, in units of the class score; 0 where
            nothing speaks for the class, and the map is empty.
        method: how the map was made, a name of `METHODS`.
    """

    probabilities: dict[str, float]
    class_name: str
    heatmap: NDArray[np.float32]
    peak: float
    method: str

    @property
    def predicted_class(self) -> str:
        """The most probable class."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def is_empty(self) -> bool:
        """Whether nothing in the image speaks for the class: there is no map to show."""
        return self.peak == 0


def explain(
    model: ResNet50FineTuned,
    radiograph: Radiograph,
    class_name: str | None = None,
    method: str = "gradcam",
) -> Explanation:
    """Classify a radiograph and map where the score of a class comes from.

    The prediction is made in eval mode; the mode of every module is then as before.

    Args:
        model: with Grad-CAM enabled.
        radiograph: the picture.
        class_name: the class to explain; None for the predicted one.
        method: a name of `METHODS`.

    Returns:
        The explanation, its map on the radiograph's grid.

    Raises:
        ValueError: no such class or method.
        RuntimeError: Grad-CAM is not enabled.
    """
    if method not in METHODS:
        raise ValueError(f"no method {method!r}: choose from {', '.join(METHODS)}")
    class_idx = None if class_name is None else find_class(model.class_names, class_name)
    device = next(model.parameters()).device
    with evaluating(model), torch.no_grad():
        logits, maps = model.gradcam(model.preprocessing.prepare(radiograph).to(device), class_idx)
        heatmaps, peaks = upsample(maps, radiograph.pixels.shape)
    probabilities = logits[0].float().softmax(dim=0).tolist()
    named = dict(zip(model.class_names, probabilities, strict=True))
    explained = int(logits[0].argmax()) if class_idx is None else class_idx
    return Explanation(
        probabilities=named,
        class_name=model.class_names[explained],
        heatmap=heatmaps[0].cpu().numpy(),
        peak=float(peaks[0]),
        method=method,
    )


def find_class(class_names: tuple[str, ...], class_name: str) -> int:
    """Give the index of a class by its name, in any case.

    Raises:
        ValueError: no class has this name.
    """
    for index, name in enumerate(class_names):
        if name.casefold() == class_name.casefold():
            return index
    raise ValueError(f"no class {class_name!r}: the model knows {', '.join(class_names)}")
