"""explain: what a model sees on a radiograph, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.cam.gradient_methods import Fusion
from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.calibration import Calibration, Verdict
from cxr_gradcam.models.ood import OODDetector
from cxr_gradcam.models.resnet50 import ResNet50FineTuned


class Question(TypedDict, total=False):
    """What can be asked of a radiograph; `Examination.explain` says what each means."""

    class_name: str | None
    method: str
    contrast_with: str | None
    against: bool
    layers: Sequence[str] | None
    fusion: Fusion
    progress: Progress | None


@dataclass(frozen=True, eq=False)
class Explanation:
    """The model's answer to one radiograph, and where the score of one class comes from.

    Attributes:
        probabilities: {class name: calibrated probability}, in the order of the model's classes;
            sum 1 unless several classes can be true at once.
        class_name: the explained class.
        heatmap: float32 (H, W) on the radiograph's own grid, in [0, 1].
        peak: the map's maximum before normalisation; 0 where nothing was found, and the map is
            empty. In units of the score for a gradient method at one layer, of the activations for
            EigenCAM and Score-CAM, a share of full agreement for several layers.
        method: how the map was made, a name of `METHODS`.
        layers: where in the network it was made.
        contrast_with: the class that the explained one is set against, or None.
        against: whether the map shows what speaks against the class.
        finding: the class of the model's operating point, or None.
        verdict: "likely", "uncertain" or "unlikely", of the finding; None without one.
        unfamiliarity: how far the image is from those of the training, as a share of the bound:
            above 1 it does not look like them, and the probabilities mean little; None where the
            model has no gate.
    """

    probabilities: dict[str, float]
    class_name: str
    heatmap: NDArray[np.float32]
    peak: float
    method: str
    layers: tuple[str, ...]
    contrast_with: str | None = None
    against: bool = False
    finding: str | None = None
    verdict: Verdict | None = None
    ood_score: float | None = None

    @property
    def is_familiar(self) -> bool | None:
        """Whether the image looks like those of the training; None where nobody knows."""
        return None if self.ood_score is None else self.ood_score <= 1

    @property
    def predicted_class(self) -> str:
        """The most probable class."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def is_empty(self) -> bool:
        """Whether nothing in the image answers the question: there is no map to show."""
        return self.peak == 0

    @property
    def question(self) -> str:
        """What the map shows, in words."""
        direction = "against" if self.against else "for"
        other = "" if self.contrast_with is None else f" rather than {self.contrast_with}"
        return f"{direction} {self.class_name}{other}"


@dataclass(frozen=True, eq=False)
class Examination:
    """A radiograph that a model has looked at once; every question after that is cheap.

    Attributes:
        radiograph: the picture.
        class_names: the model's classes.
        seen: what the network saw of it.
        multi_label: whether several classes can be true at once.
        calibration: makes probabilities and a verdict of the logits.
        gate: tells whether the radiograph looks like those of the training.
    """

    radiograph: Radiograph
    class_names: tuple[str, ...]
    forward_pass: ForwardPass
    multi_label: bool = False
    calibration: Calibration = field(default_factory=Calibration)
    ood_detector: OODDetector | None = None

    @property
    def probabilities(self) -> dict[str, float]:
        """{class name: calibrated probability}."""
        shares = self.calibration.probabilities(self.forward_pass.logits[0], self.multi_label)
        return dict(zip(self.class_names, shares.tolist(), strict=True))

    @property
    def verdict(self) -> Verdict | None:
        """What the finding's probability means; None without an operating point."""
        point = self.calibration.operating_point
        return None if point is None else point.verdict(self.probabilities[point.class_name])

    @property
    def ood_score(self) -> float | None:
        """How far the image is from those of the training, as a share of the bound."""
        if self.ood_detector is None or self.forward_pass.features is None:
            return None
        return (
            float(self.ood_detector.score(self.forward_pass.features)[0])
            / self.ood_detector.threshold
        )

    def explain(
        self,
        class_name: str | None = None,
        method: str = "gradcam",
        *,
        contrast_with: str | None = None,
        against: bool = False,
        layers: Sequence[str] | None = None,
        fusion: Fusion = "mean",
        progress: Progress | None = None,
    ) -> Explanation:
        """Map where the score of a class comes from.

        Args:
            class_name: the class to explain; None for the predicted one.
            method: a name of `METHODS`.
            contrast_with: explain the class rather than this one.
            against: explain what speaks against the class.
            layers: names among those looked at; None for all.
            fusion: how several layers' maps become one, "mean" or "max".
            progress: called while Score-CAM and Ablation-CAM are at work.

        Returns:
            The explanation, its map on the radiograph's grid.

        Raises:
            ValueError: no such class, method or layer.
        """
        names = self.class_names
        predicted = int(self.forward_pass.logits[0].argmax())
        explained = predicted if class_name is None else find_class(names, class_name)
        contrast = None if contrast_with is None else find_class(names, contrast_with)
        asked = self.forward_pass.layers if layers is None else layers
        asked = (asked,) if isinstance(asked, str) else tuple(asked)
        with torch.no_grad():
            heatmaps, peaks = self.forward_pass.maps(
                explained,
                method,
                layers=asked,
                contrast_idx=contrast,
                against=against,
                fusion=fusion,
                size=self.radiograph.pixels.shape,
                progress=progress,
            )
        point = self.calibration.operating_point
        return Explanation(
            probabilities=self.probabilities,
            class_name=names[explained],
            heatmap=heatmaps[0].cpu().numpy(),
            peak=float(peaks[0]),
            method=method,
            layers=asked,
            contrast_with=None if contrast is None else names[contrast],
            against=against,
            finding=None if point is None else point.class_name,
            verdict=self.verdict,
            ood_score=self.ood_score,
        )


def examine(
    model: CAM | nn.Module,
    radiograph: Radiograph,
    layers: Sequence[str] | None = None,
) -> Examination:
    """Let a model look at a radiograph once.

    The model is run in eval mode; the mode of every module is then as before.

    Args:
        model: a `ResNet50FineTuned` with Grad-CAM enabled, a `CAM`, or any torch classifier, of
            which a `CAM` is then made.
        radiograph: the picture.
        layers: the layers that maps can be taken at; None for the model's target layers.

    Returns:
        The examination, to be asked by `explain`.

    Raises:
        ValueError: no such layer, or no target layer can be guessed.
        RuntimeError: Grad-CAM is not enabled.
    """
    known = model if isinstance(model, ResNet50FineTuned | CAM) else CAM(model)
    network = known.model if isinstance(known, CAM) else known
    x = known.preprocessing.prepare(radiograph).to(next(network.parameters()))
    return Examination(
        radiograph,
        known.class_names,
        known.record(x, layers),
        known.multi_label,
        getattr(network, "calibration", Calibration()),
        getattr(network, "ood_detector", None),
    )


def explain(
    model: CAM | nn.Module,
    radiograph: Radiograph,
    class_name: str | None = None,
    method: str = "gradcam",
    *,
    contrast_with: str | None = None,
    against: bool = False,
    layers: Sequence[str] | None = None,
    fusion: Fusion = "mean",
    progress: Progress | None = None,
) -> Explanation:
    """Classify a radiograph and map where the score of a class comes from.

    The model is run in eval mode; the mode of every module is then as before.

    Args:
        model: as in `examine`, which see for several questions about one radiograph.
        radiograph: the picture.
        class_name: the class to explain; None for the predicted one.
        method: a name of `METHODS`.
        contrast_with: explain the class rather than this one.
        against: explain what speaks against the class.
        layers: the target layers by dotted name; None for the model's own.
        fusion: how several layers' maps become one, "mean" or "max".
        progress: called while Score-CAM and Ablation-CAM are at work.

    Returns:
        The explanation, its map on the radiograph's grid.

    Raises:
        ValueError: no such class, method or layer.
        RuntimeError: Grad-CAM is not enabled.
    """
    return examine(model, radiograph, layers).explain(
        class_name,
        method,
        contrast_with=contrast_with,
        against=against,
        fusion=fusion,
        progress=progress,
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
