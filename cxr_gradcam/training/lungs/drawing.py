"""Augmentation and drawn abnormalities for training the outlines of the lungs.

Opacities and white lungs are drawn over healthy lungs, whose labels do not change. So the network
learns to include opaque areas in the outline.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cxr_gradcam.anatomy.network import SIDE
from cxr_gradcam.data.lung_pairs import AT_LEFT, AT_RIGHT

Grey = NDArray[np.float32]
Labels = NDArray[np.uint8]

_KINDS = ("none", "foci", "lower zones", "whole lung", "everywhere")
_SHARES = (0.35, 0.3, 0.15, 0.1, 0.1)


def moved(picture: Grey, labels: Labels, rng: Generator) -> tuple[Grey, Labels]:
    """Mirror, turn, scale, shift and warp a picture, to imitate other bodies such as children's.

    Args:
        picture: (H, W) in [0, 1].
        labels: (H, W).
        rng: random generator.

    Returns:
        Both at the network's size.
    """
    if rng.random() < 0.5:
        picture, labels = picture[:, ::-1], _SWAPPED[labels[:, ::-1]]
    column, row = _places(picture.shape, rng)
    grey = cv2.remap(np.ascontiguousarray(picture), column, row, cv2.INTER_LINEAR)
    marks = cv2.remap(np.ascontiguousarray(labels), column, row, cv2.INTER_NEAREST)
    return np.asarray(grey, np.float32), np.asarray(marks, np.uint8)


_SWAPPED = np.array([0, AT_RIGHT, AT_LEFT], np.uint8)


def _places(shape: tuple[int, ...], rng: Generator) -> tuple[Grey, Grey]:
    """Return for every pixel of the result its column and row (SIDE, SIDE) in the picture."""
    turn, zoom = np.radians(rng.normal(0, 7)), np.exp(rng.normal(0.0, 0.15))
    stretch = zoom * np.exp(rng.normal(0, 0.12, 2))
    shift, taper = rng.normal(0, 0.12, 2), rng.normal(0, 0.08)
    lattice = np.linspace(-1, 1, SIDE, dtype=np.float32)
    u, v = lattice[None, :] * (1 + taper * lattice[:, None]), lattice[:, None]
    bends = (
        cv2.resize(rng.normal(0, 0.025, (5, 5)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        for _ in range(2)
    )
    x = (u * np.cos(turn) - v * np.sin(turn)) * stretch[0] + shift[0] + next(bends)
    y = (u * np.sin(turn) + v * np.cos(turn)) * stretch[1] + shift[1] + next(bends)
    height, width = shape
    column, row = (x + 1) * (width - 1) / 2, (y + 1) * (height - 1) / 2
    return column.astype(np.float32), row.astype(np.float32)


def whitened(picture: Grey, labels: Labels, rng: Generator) -> Grey:
    """Draw foci, effusions or white lungs over a radiograph, or nothing.

    Args:
        picture: (SIDE, SIDE) in [0, 1].
        labels: (SIDE, SIDE).
        rng: random generator.

    Returns:
        (SIDE, SIDE) in [0, 1].
    """
    kind = str(rng.choice(_KINDS, p=_SHARES))
    sides = [side for side in (AT_LEFT, AT_RIGHT) if (labels == side).sum() > SIDE]
    if kind == "none" or not sides:
        return picture
    if kind in ("lower zones", "whole lung") and rng.random() < 0.7:
        sides = [int(rng.choice(sides))]
    lungs = np.isin(labels, sides).astype(np.uint8)
    soft = _within(lungs, rng) * _strength(kind, lungs, rng) * (0.85 + 0.15 * _clouds(rng, 20))
    white = _soft_tissue(picture, labels) * rng.uniform(0.85, 1.1)
    return np.asarray(np.clip(picture + soft * np.maximum(white - picture, 0), 0, 1), np.float32)


def _strength(kind: str, lungs: Labels, rng: Generator) -> Grey:
    """Return how white each place becomes (SIDE, SIDE): 0 is unchanged, 1 is soft tissue."""
    if kind == "foci":
        return _foci(lungs, rng)
    if kind == "lower zones":
        return _effusion(lungs, rng)
    if kind == "whole lung":
        return np.full(lungs.shape, rng.uniform(0.5, 1), np.float32)
    return np.float32(rng.uniform(0.2, 0.7)) * _clouds(rng, 9)


def _foci(lungs: Labels, rng: Generator) -> Grey:
    """Return the strength of one to four foci at each place, in [0, 1]."""
    places = np.argwhere(lungs)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    strongest = np.zeros(lungs.shape, np.float32)
    for row, column in rng.choice(places, int(rng.integers(1, 5))):
        height, width = rng.uniform(4, 28, 2)
        distance = ((x - column) / width) ** 2 + ((y - row) / height) ** 2
        focus = rng.uniform(0.3, 1) / (1 + distance ** int(rng.integers(1, 4)))
        strongest = np.maximum(strongest, focus)
    return strongest * (0.6 + 0.4 * _clouds(rng, 14))


def _effusion(lungs: Labels, rng: Generator) -> Grey:
    """Return how white the lungs are below a fluid level that rises towards the sides."""
    rows, columns = np.nonzero(lungs)
    level = rows.max() - rng.uniform(0.12, 0.75) * np.ptp(rows)
    out = np.abs(np.arange(SIDE) - (SIDE - 1) / 2) / SIDE
    climb = rng.uniform(0, 0.6) * (out - out[columns].min()) * SIDE
    depth = np.arange(SIDE)[:, None] - level + climb[None, :]
    white = rng.uniform(0.6, 1) / (1 + np.exp(-depth / rng.uniform(1, 5)))
    return np.asarray(white, np.float32)


def _within(lungs: Labels, rng: Generator) -> Grey:
    """Return 1 in the lungs and a margin around them, falling smoothly to 0 without an edge."""
    wider = int(rng.integers(1, 5))
    grown = cv2.dilate(lungs.astype(np.float32), np.ones((2 * wider + 1,) * 2, np.uint8))
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), rng.uniform(0.8, 0.6 * wider + 0.6)))


def _soft_tissue(picture: Grey, labels: Labels) -> Grey:
    """Return the grey values of soft tissue extrapolated into the lungs."""
    weight = np.asarray(np.where(labels > 0, 0, picture) + 1e-3, np.float32)
    # Computed at a small size, since it has no detail.
    small = cv2.resize(
        np.dstack([weight * picture, weight]), (32, 32), interpolation=cv2.INTER_AREA
    )
    spread = np.asarray(cv2.GaussianBlur(small, (0, 0), 3), np.float32)
    return np.asarray(cv2.resize(spread[..., 0] / spread[..., 1], (SIDE, SIDE)), np.float32)


def _clouds(rng: Generator, nodes: int) -> Grey:
    """Return smooth random values in [0, 1] with structures about 1 / nodes of the side wide."""
    values = rng.random((nodes, nodes), np.float32)
    hills = cv2.resize(values, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(hills, 0, 1), np.float32)


def exposed(picture: Grey, rng: Generator) -> Grey:
    """Vary tone curve, evenness, sharpness, collimation and noise; draw lines, tubes and markers.

    Args:
        picture: (SIDE, SIDE) in [0, 1].
        rng: random generator.

    Returns:
        (SIDE, SIDE) in [0, 1].
    """
    toned = picture ** np.exp(rng.normal(0, 0.35))
    if rng.random() < 0.5:
        toned = 1 - (1 - toned) ** np.exp(rng.normal(0, 0.35))
    blurred = cv2.GaussianBlur(toned, (0, 0), rng.uniform(0.5, 4))
    toned = toned + rng.uniform(-0.4, 0.6) * (toned - blurred)
    toned = toned * (1 + rng.normal(0, 0.1) * np.linspace(-1, 1, SIDE)[None, :])
    toned = np.ascontiguousarray(toned, np.float32)
    for _ in range(rng.integers(0, 4) if rng.random() < 0.4 else 0):
        _draw_device(toned, rng)
    _collimate(toned, rng)
    noise = rng.standard_normal(toned.shape, np.float32) * np.float32(rng.uniform(0, 0.03))
    return np.asarray(np.clip(toned + noise, 0, 1), np.float32)


def _draw_device(picture: Grey, rng: Generator) -> None:
    """Draw a cable, a tube or a marker."""
    grey = float(rng.uniform(0.6, 1))
    if rng.random() < 0.3:
        x, y, w, h = rng.integers((0, 0, 4, 4), (SIDE, SIDE, 18, 12)).tolist()
        picture[y : y + h, x : x + w] = grey
        return
    path = rng.integers(-10, SIDE + 10, (4, 2))
    t = np.linspace(0, 1, 20)[:, None]
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    curve = sum(weight * point for weight, point in zip(weights, path, strict=True))
    line = np.zeros_like(picture)
    points = np.round(np.asarray(curve)).astype(np.int32)[:, None]
    cv2.polylines(line, [points], isClosed=False, color=1.0, lineType=cv2.LINE_AA)
    picture += line * rng.uniform(0.2, 0.8) * (grey - picture)


def _collimate(picture: Grey, rng: Generator) -> None:
    """Make a margin black or white on some sides."""
    if rng.random() < 0.3:
        left, right, top, bottom = np.maximum(rng.normal(0, 0.05 * SIDE, 4), 0).astype(int)
        inside = np.zeros(picture.shape, bool)
        inside[top : SIDE - bottom, left : SIDE - right] = True
        picture[~inside] = 0 if rng.random() < 0.8 else 1
