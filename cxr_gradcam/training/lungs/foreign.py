"""Pictures without lungs to outline: turned and rearranged radiographs, and drawings."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cxr_gradcam.anatomy.network import SIDE
from cxr_gradcam.synthetic.non_chest import lateral_chest, limb, smooth_noise, text_page

Grey = NDArray[np.float32]


def foreign(picture: Grey, rng: Generator) -> Grey:
    """Turn a frontal radiograph into a picture that is none, or draw such a picture.

    Args:
        picture: (SIDE, SIDE) in [0, 1].
        rng: random generator.

    Returns:
        (SIDE, SIDE) in [0, 1].
    """
    lot = rng.random()
    if lot < 0.35:
        return np.ascontiguousarray(picture[::-1, :: int(rng.choice((1, -1)))])
    if lot < 0.5:
        return np.ascontiguousarray(np.rot90(picture, int(rng.choice((1, 3)))))
    if lot < 0.6:
        return 1 - picture
    if lot < 0.68:
        return _torn(picture, rng)
    if lot < 0.9:
        return slice_drawing(rng)
    draw = (limb, lateral_chest, smooth_noise, text_page)[rng.integers(4)]
    return np.asarray(cv2.resize(draw(rng), (SIDE, SIDE), interpolation=cv2.INTER_AREA))


def _torn(picture: Grey, rng: Generator) -> Grey:
    """Swap the quarters of a picture."""
    half = SIDE // 2
    quarters = [picture[y : y + half, x : x + half] for y in (0, half) for x in (0, half)]
    a, b, c, d = (quarters[index] for index in [*(rng.permutation(3) + 1).tolist(), 0])
    return np.vstack([np.hstack([a, b]), np.hstack([c, d])])


def slice_drawing(rng: Generator) -> Grey:
    """Return ellipses in an ellipse, like organs in a slice of CT or MR, or a part of it."""
    picture = np.zeros((SIDE, SIDE), np.float32)
    middle, axes = rng.normal(SIDE / 2, 8, 2), rng.uniform((0.32, 0.26), (0.55, 0.5)) * SIDE
    if rng.random() < 0.4:
        axes = axes[::-1]
    body, rim = rng.uniform(0.25, 0.8), rng.uniform(0, 1)
    _ellipse(picture, middle, axes, 0, rim)
    _ellipse(picture, middle, axes * rng.uniform(0.82, 0.97), 0, body)
    for _ in range(rng.integers(2, 14)):
        where = middle + rng.uniform(-0.7, 0.7, 2) * axes
        size = axes * rng.uniform(0.06, 0.45, 2)
        _ellipse(picture, where, size, rng.uniform(0, 180), rng.uniform(0, 1))
    texture = rng.standard_normal((SIDE, SIDE), np.float32) * np.float32(rng.uniform(0, 0.12))
    blur = rng.uniform(0.4, 2)
    picture = np.asarray(cv2.GaussianBlur(picture + texture * (picture > 0), (0, 0), blur))
    if rng.random() < 0.4:
        y, x = rng.integers(0, SIDE // 3, 2)
        part = picture[y : y + 2 * SIDE // 3, x : x + 2 * SIDE // 3]
        picture = np.asarray(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR))
    return np.asarray(np.clip(picture, 0, 1), np.float32)


def _ellipse(
    picture: Grey, middle: NDArray[np.float64], axes: NDArray[np.float64], turn: float, grey: float
) -> None:
    whole = tuple(int(value) for value in np.rint(middle)), tuple(int(value) for value in axes)
    cv2.ellipse(picture, *whole, turn, 0, 360, float(grey), cv2.FILLED, cv2.LINE_AA)
