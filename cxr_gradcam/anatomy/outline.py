"""Outlines of both lungs in a chest radiograph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxr_gradcam.anatomy.network import SIDE, LungNetwork, fused, network_input
from cxr_gradcam.anatomy.plausibility import picture_features, shape_problem
from cxr_gradcam.bundled import assets
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.checkpoint import CheckpointError, load_checkpoint
from cxr_gradcam.models.ood import OODDetector

Mask = NDArray[np.bool_]
Grey = NDArray[np.float32]
Side = Literal["right", "left"]

ARCHITECTURE = "lungs"
"""The architecture in the header of the network's weights."""

_LEAST_PART = 0.2
LEAST_PROBABILITY = 0.3
"""Least probability of lung; low, since the network is uncertain at dense opacities."""
CLOSED = 12
"""Radius of a disc in pixels: narrower notches in a lung are assumed to be opacities, and
filled."""
_DARK = 0.06


@dataclass(frozen=True, eq=False)
class Lungs:
    """Both lungs of a radiograph.

    Attributes:
        size: (H, W) of the radiograph in pixels.
        shares: float32 (2, 128, 128) on the radiograph resized to a square: the probability that a
            place belongs to the lung at the left, and to the lung at the right of the picture.
        body: bool (128, 128) on the same square, False where the beam met nothing.
        score: how far the picture and its lungs are from those of chest radiographs, as a fraction
            of the limit: above 1 the lungs are not plausible.
        problem: what is not plausible, in words; None if all is plausible.
        right_side: the side of the picture at which the patient's right is: "left" in the usual
            view.
        side_is_stated: whether the file states `right_side`.
    """

    size: tuple[int, int]
    shares: Grey
    body: Mask
    score: float
    problem: str | None = None
    right_side: Side = "left"
    side_is_stated: bool = False

    @property
    def right(self) -> Mask:
        """The patient's right lung, bool (H, W) on the radiograph's own pixels."""
        return self._full(0 if self.right_side == "left" else 1)

    @property
    def left(self) -> Mask:
        """The patient's left lung, bool (H, W) on the radiograph's own pixels."""
        return self._full(1 if self.right_side == "left" else 0)

    @property
    def masks(self) -> tuple[Mask, Mask]:
        """The lungs at the left and at the right of the picture, bool (128, 128) each."""
        return self.shares[0] > 0.5, self.shares[1] > 0.5

    @property
    def outlines(self) -> list[NDArray[np.float64]]:
        """The edges of both lungs: closed lines (N, 2) of x and y as fractions of the sides."""
        return [line for share in self.shares for line in _outlines(share)]

    @property
    def is_plausible(self) -> bool:
        """Whether there are two lungs whose sizes and places are those of a chest radiograph."""
        return self.problem is None

    def _full(self, index: int) -> Mask:
        height, width = self.size
        shares = cv2.resize(self.shares[index], (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(shares > 0.5)


class LungOutliner:
    """The network that outlines the lungs, with its weights.

    Args:
        network: a trained network; its mode and weights are not changed.
        detector: detector of implausible lungs; None to accept every pair of lungs.
    """

    def __init__(self, network: LungNetwork, detector: OODDetector | None = None) -> None:
        self._network, self._detector = fused(network), detector

    @torch.inference_mode()
    def outline(self, pixels: Grey, size: tuple[int, int], right_side: Side | None = None) -> Lungs:
        """Outline the lungs of a radiograph.

        Args:
            pixels: grey values (h, w) in [0, 1], high = dense: the whole radiograph at any size and
                aspect ratio.
            size: (H, W) of the radiograph itself, in pixels.
            right_side: the side of the picture at which the patient's right is; None if the file
                does not state it.

        Returns:
            The lungs; empty if none was found.
        """
        square = network_input(pixels)
        logits, features = self._look(square)
        score, problem = shape_problem(features, self._detector, size[1] / size[0])
        shares = lung_shares(logits, LEAST_PROBABILITY, CLOSED)
        return Lungs(
            size,
            shares,
            body_mask(square[0, 0].numpy(), shares),
            score,
            problem,
            right_side or "left",
            right_side is not None,
        )

    @torch.inference_mode()
    def features(self, pixels: Grey) -> NDArray[np.float32]:
        """Return what the detector judges of a picture (`picture_features`).

        Args:
            pixels: as for `outline`.
        """
        return self._look(network_input(pixels))[1]

    def _look(self, square: Tensor) -> tuple[Tensor, NDArray[np.float32]]:
        """Return the network's logits (1, 2, 128, 128), and the features."""
        levels = self._network.encode(square)
        logits = self._network.decode(levels)
        return logits, picture_features(lung_shares(logits), levels[-1])


@dataclass(frozen=True, eq=False)
class Outlining:
    """The lungs of a radiograph, outlined at the first access.

    Attributes:
        pixels: grey values (h, w) in [0, 1], high = dense: the whole radiograph at any size.
        size: (H, W) of the radiograph itself, in pixels.
        right_side: the side of the picture at which the patient's right is; None if the file does
            not state it.
    """

    pixels: Grey
    size: tuple[int, int]
    right_side: Side | None = None

    @cached_property
    def lungs(self) -> Lungs:
        """Both lungs, outlined by the bundled network."""
        return bundled_outliner().outline(self.pixels, self.size, self.right_side)


def outline_lungs(radiograph: Radiograph) -> Lungs:
    """Outline both lungs of a radiograph with the bundled network.

    Dense opacities are included in the lung, as far as its outline can be inferred.

    Args:
        radiograph: a frontal chest radiograph.

    Returns:
        The lungs, and whether they are plausible; in pictures other than frontal chest radiographs
        they mostly are not.

    Raises:
        CheckpointError: the weights are missing or damaged.

    Example:
        >>> from cxr_gradcam.synthetic.chest import draw_phantom
        >>> lungs = outline_lungs(Radiograph(draw_phantom(1, size=128).pixels))
        >>> bool(lungs.right.any()), lungs.problem
        (True, None)
    """
    size = radiograph.pixels.shape[0], radiograph.pixels.shape[1]
    return Outlining(radiograph.pixels, size, radiograph.right_side).lungs


@cache
def bundled_outliner() -> LungOutliner:
    """Return the bundled network, loaded once."""
    return load_outliner(assets() / "lungs.safetensors")


def load_outliner(path: Path) -> LungOutliner:
    """Load a network that `train-lungs` wrote.

    Args:
        path: the .safetensors file.

    Raises:
        CheckpointError: there is no such file, or it holds another network.
    """
    checkpoint = load_checkpoint(path)
    if checkpoint.architecture != ARCHITECTURE:
        raise CheckpointError(
            f"{path} holds a network of the kind {checkpoint.architecture!r}, not the one that "
            "outlines lungs: give a file that the command train-lungs wrote"
        )
    network = LungNetwork()
    try:
        network.load_state_dict(dict(checkpoint.state_dict))
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} does not fit the network of the lungs ({error}): give a file that the command "
            "train-lungs wrote"
        ) from None
    return LungOutliner(network, checkpoint.ood_detector)


def lung_shares(logits: Tensor, least: float = 0.5, closed: int = 0) -> Grey:
    """Return each lung: its largest part, and others that are nearly as large, filled.

    Args:
        logits: (1, 2, 128, 128) of the network.
        least: the probability from which on a pixel is lung.
        closed: radius in pixels of the disc by which notches are closed.

    Returns:
        float32 (2, 128, 128), above 0.5 in the lung.
    """
    shares = torch.sigmoid(logits[0]).numpy()
    nearer = shares.argmax(axis=0)
    found = [(shares[side] > least) & (nearer == side) for side in (0, 1)]
    lungs = [_without_notches(_filled(each), closed) for each in found]
    lungs[1] &= ~lungs[0]
    return np.stack([_sure(share, lung) for share, lung in zip(shares, lungs, strict=True)])


def _outlines(share: Grey) -> list[NDArray[np.float64]]:
    """Return the edges of a lung, with a resolution of a quarter of the network's pixels."""
    side = 4 * SIDE
    fine = cv2.resize(share, (side, side), interpolation=cv2.INTER_LINEAR) > 0.5
    lines, _ = cv2.findContours(fine.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_TC89_L1)
    return [(line[:, 0] + 0.5) / side for line in lines if len(line) > 2]


def _filled(found: Mask) -> Mask:
    """Return the large parts of a lung without holes."""
    outlines, _ = cv2.findContours(found.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    areas = [cv2.contourArea(outline) for outline in outlines]
    parts = [
        outline
        for outline, area in zip(outlines, areas, strict=True)
        if area > 0 and area >= _LEAST_PART * max(areas)
    ]
    filled = np.zeros((SIDE, SIDE), np.uint8)
    cv2.drawContours(filled, parts, -1, 1, cv2.FILLED)
    return np.asarray(filled > 0)


def _without_notches(lung: Mask, radius: int) -> Mask:
    if not radius:
        return lung
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    wider = np.pad(lung.astype(np.uint8), radius)  # else the edge would count as lung
    closed = cv2.morphologyEx(wider, cv2.MORPH_CLOSE, disc)
    return np.asarray(closed[radius:-radius, radius:-radius] > 0)


def _sure(share: Grey, lung: Mask) -> Grey:
    """Return a lung's probabilities, above 0.5 within it and below elsewhere."""
    inside, outside = np.maximum(share, np.float32(0.51)), np.minimum(share, np.float32(0.49))
    return np.where(lung, inside, outside).astype(np.float32)


def body_mask(square: Grey, shares: Grey) -> Mask:
    """Return the body: all except dark areas that touch the picture's edge."""
    dark = (square < _DARK) & (shares.max(axis=0) < 0.5)
    _, parts = cv2.connectedComponents(dark.astype(np.uint8))
    edge = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    return np.asarray(~(np.isin(parts, np.unique(edge)) & dark))
