"""Steadiness: how far a map and an answer move when a radiograph is changed a little.

Sixteen changes do not matter to a reader: shifts, turns, brightness, contrast, noise, size.
Repeatability of maps is one of the tests of Arun et al. (Radiology: Artificial Intelligence 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.cam.maps import fuse
from cxr_gradcam.explanation.explanation import HALF
from cxr_gradcam.explanation.mapping import raw_maps, resolved
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.classifier import Classifier

SHIFT = 0.02
"""How far a radiograph is shifted, as a share of its sides."""
TURN = 2.0
"""How far a radiograph is turned, in degrees."""
EXPOSURE = 0.1
"""The added brightness, and the relative change of contrast."""
NOISE = 0.02
"""Standard deviation of the noise on grey values in [0, 1]."""
SIZES = (0.5, 0.75)
"""The factors by which a radiograph is shrunk before it is enlarged again."""

Word = Literal["steady", "wavering", "unsteady"]
STEADY = (0.2, 0.03)
"""Limits of a steady answer: the first for 1 - overlap of the map's regions, the second for the
change of the probability; see docs/trust.md."""
UNSTEADY = (0.35, 0.06)
"""Limits above which an answer is unsteady, for 1 - overlap or the change of the probability."""

Grey = NDArray[np.float32]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SmallChange:
    """A changed radiograph.

    Attributes:
        name: the change, in words.
        pixels: float32 (H, W) in [0, 1].
        matrix: (3, 3), maps positions (x, y, 1) in the unchanged radiograph, as fractions of its
            width and height, to positions in the changed one.
    """

    name: str
    pixels: Grey
    matrix: Matrix


@dataclass(frozen=True, eq=False)
class Steadiness:
    """How far answer and map of one radiograph move under N small changes.

    Attributes:
        wandering: mean distance between the hottest places with and without a change, as a fraction
            of the picture's side.
        overlap: mean intersection over union of the regions above half of the maximum.
        probability_change: mean absolute change of the class's probability.
        map_changes: (N,), 1 - SSIM of the maps with and without a change.
        probability_changes: (N,), absolute change of the class's probability.
        mean_map: float32 (h, w) in [0, 1], the mean of the maps after undoing shifts and turns.
    """

    wandering: float
    overlap: float
    probability_change: float
    map_changes: NDArray[np.float64]
    probability_changes: NDArray[np.float64]
    mean_map: Grey

    @property
    def word(self) -> Word:
        """The steadiness of answer and map together, in a word; see `STEADY` and `UNSTEADY`."""
        measures = (1 - self.overlap, self.probability_change)
        if all(moved <= most for moved, most in zip(measures, STEADY, strict=True)):
            return "steady"
        if any(moved > most for moved, most in zip(measures, UNSTEADY, strict=True)):
            return "unsteady"
        return "wavering"

    def as_json(self) -> dict[str, Any]:
        """Return word and measures in JSON types."""
        names = ("word", "wandering", "overlap", "probability_change")
        return {name: getattr(self, name) for name in names}


def small_changes(pixels: Grey) -> list[SmallChange]:
    """Change a radiograph in sixteen ways that do not matter to a reader.

    Args:
        pixels: float32 (H, W) in [0, 1].

    Returns:
        The sixteen changed radiographs, the same ones at every call.
    """
    moved = [(SHIFT, 0.0, 0.0), (-SHIFT, 0.0, 0.0), (0.0, SHIFT, 0.0), (0.0, -SHIFT, 0.0)]
    moved += [(0.0, 0.0, TURN), (0.0, 0.0, -TURN)]
    moved += [(SHIFT / 2, SHIFT / 2, TURN / 2), (-SHIFT / 2, -SHIFT / 2, -TURN / 2)]
    rng = np.random.default_rng(0)
    exposed = {
        **{f"brightness {step:+.0%}": pixels + step for step in (EXPOSURE, -EXPOSURE)},
        **{
            f"contrast {step:+.0%}": (pixels - 0.5) * (1 + step) + 0.5
            for step in (EXPOSURE, -EXPOSURE)
        },
        **{
            f"noise {number}": pixels + NOISE * rng.standard_normal(pixels.shape)
            for number in (1, 2)
        },
        **{f"shrunk to {size:.0%}": _resized(pixels, size) for size in SIZES},
    }
    unmoved = [
        SmallChange(name, changed.clip(0, 1).astype(np.float32), np.eye(3))
        for name, changed in exposed.items()
    ]
    return [*(_moved(pixels, *each) for each in moved), *unmoved]


def measure_steadiness(
    model: Classifier, forward_pass: ForwardPass, question: Question
) -> Steadiness:
    """Measure how far a map and an answer move under `small_changes`.

    The sixteen changed radiographs run through the network as one batch, at the size of its input.

    Args:
        model: the classifier that recorded the pass.
        forward_pass: recorded forward pass of one radiograph.
        question: the question; its layers must be recorded.

    Returns:
        The steadiness. Maps are compared in the size of the network's input.

    Raises:
        ValueError: the model has no such class or detail, or the layer was not recorded.
    """
    [asked] = resolved(question, model, forward_pass)
    return ChangedPasses.of(model, forward_pass, asked.layers).steadiness(asked)


@dataclass(frozen=True, eq=False)
class ChangedPasses:
    """The forward passes of a radiograph and of its sixteen small changes, for any question.

    Attributes:
        model: the classifier that recorded the passes.
        unchanged: the pass of the radiograph.
        changes: the changes.
        changed: the pass of the changed radiographs, as one batch.
    """

    model: Classifier
    unchanged: ForwardPass
    changes: list[SmallChange]
    changed: ForwardPass

    @classmethod
    def of(
        cls, model: Classifier, forward_pass: ForwardPass, layers: Sequence[str] | None
    ) -> ChangedPasses:
        """Run the network on the changed radiographs.

        Args:
            model: the classifier that recorded the pass.
            forward_pass: recorded forward pass of one radiograph.
            layers: the layers that can be mapped.
        """
        changes = small_changes(model.preprocessing.picture(forward_pass.x)[..., 0])
        x = torch.cat([model.prepare(Radiograph(each.pixels)) for each in changes])
        return cls(model, forward_pass, changes, model.record(x, layers))

    def steadiness(self, question: Question) -> Steadiness:
        """Compare answers and maps; the question's layers must be recorded."""
        [asked] = resolved(question, self.model, self.unchanged)
        heatmap, *_ = _maps(self.model, self.unchanged, asked)
        moved = _maps(self.model, self.changed, asked)
        back = [
            _brought_back(each, change.matrix)
            for each, change in zip(moved, self.changes, strict=True)
        ]
        before, after = (
            _probabilities(self.model, each, asked) for each in (self.unchanged, self.changed)
        )
        said = np.abs(after - before)
        return Steadiness(
            float(np.mean([_distance(heatmap, each) for each in back])),
            float(np.mean([overlap(heatmap, each) for each in back])),
            float(said.mean()),
            np.array([1 - similarity(heatmap, each) for each in back]),
            said,
            np.asarray(np.mean(back, axis=0), np.float32),
        )


def _maps(model: Classifier, forward_pass: ForwardPass, asked: Question) -> Grey:
    """Return the maps (N, h, w) of N radiographs in the size of the network's input."""
    maps = raw_maps([asked] * len(forward_pass.x), model, forward_pass, None)
    grid = forward_pass.x.shape[-2], forward_pass.x.shape[-1]
    return np.asarray(fuse(maps, grid, asked.fusion)[0].float().cpu())


def _probabilities(
    model: Classifier, forward_pass: ForwardPass, asked: Question
) -> NDArray[np.float64]:
    """Return the explained class's calibrated probability of each radiograph."""
    index = model.class_names.index(str(asked.class_name))
    shares = model.calibration.probabilities(forward_pass.logits, model.multi_label)
    return np.asarray(shares[:, index].double().cpu())


def overlap(one: Grey, other: Grey) -> float:
    """Return the intersection over union of the regions above half of each map's maximum (H, W)."""
    regions = [each > HALF * each.max() if each.max() > 0 else each > 1 for each in (one, other)]
    union = np.logical_or(*regions).sum()
    return float(np.logical_and(*regions).sum() / union) if union else 1.0


def similarity(one: Grey, other: Grey) -> float:
    """Return the structural similarity of two maps (Wang et al., IEEE TIP 2004, equation 13).

    Args:
        one: float32 (H, W) in [0, 1].
        other: float32 (H, W) in [0, 1].

    Returns:
        The mean over all places, at most 1, with the paper's Gaussian window of 11 pixels.
    """

    def blurred(values: Grey) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(values.astype(np.float64), (11, 11), 1.5))

    mean_one, mean_other = blurred(one), blurred(other)
    spread_one = blurred(one * one) - mean_one**2
    spread_other = blurred(other * other) - mean_other**2
    shared = blurred(one * other) - mean_one * mean_other
    first, second = 0.01**2, 0.03**2
    numerator = (2 * mean_one * mean_other + first) * (2 * shared + second)
    denominator = (mean_one**2 + mean_other**2 + first) * (spread_one + spread_other + second)
    return float((numerator / denominator).mean())


def _moved(pixels: Grey, right: float, down: float, degrees: float) -> SmallChange:
    height, width = pixels.shape
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    turn[:, 2] += (right * width, down * height)
    changed = cv2.warpAffine(pixels, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    to_shares = _to_shares(height, width)
    matrix = to_shares @ np.vstack([turn, (0, 0, 1)]) @ np.linalg.inv(to_shares)
    name = f"moved by {right:+.0%}, {down:+.0%} and turned by {degrees:+g} degrees"
    return SmallChange(name, np.asarray(changed, np.float32), matrix)


def _resized(pixels: Grey, factor: float) -> Grey:
    height, width = pixels.shape
    small = (max(1, round(width * factor)), max(1, round(height * factor)))
    shrunk = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR))


def _to_shares(height: int, width: int) -> Matrix:
    """Return the matrix from pixel indices to fractions of the picture's width and height."""
    return np.array([[1 / width, 0, 0.5 / width], [0, 1 / height, 0.5 / height], [0, 0, 1]])


def _brought_back(heatmap: Grey, matrix: Matrix) -> Grey:
    """Undo shift and turn in the map (h, w) of a changed radiograph."""
    height, width = heatmap.shape
    to_shares = _to_shares(height, width)
    forward = np.linalg.inv(to_shares) @ matrix @ to_shares
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(
        heatmap, forward[:2], (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.float32)


def _distance(one: Grey, other: Grey) -> float:
    """Return the distance of the hottest places of two maps (H, W), as a fraction of the side."""
    places = [np.unravel_index(int(each.argmax()), each.shape) for each in (one, other)]
    steps = [(a - b) / side for a, b, side in zip(*places, one.shape, strict=True)]
    return float(np.hypot(*steps))
