"""Synthetic frontal chest radiographs with known lungs and a known opacity.

The anatomy (ellipsoids, tubes and stacked superellipses) is drawn upright in the patient's own
centimetres (x towards the patient's left, the right of the picture; y downwards; z along the beam),
then put into its pose and exposed. The display settings are computed without the opacity, so that a
pair with the same seed differs only there.

No patient's image is used. Suitable for demonstrations, training and localisation tests, not for
diagnosis.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cxr_gradcam.synthetic.lung_contents import draw_opacity, draw_vessels
from cxr_gradcam.synthetic.organs import (
    SIDES,
    displaced,
    draw_airways,
    draw_body,
    draw_bowel_gas,
    draw_breasts,
    draw_diaphragm,
    draw_heart,
    draw_pleural_cavities,
)
from cxr_gradcam.synthetic.projection import (
    FIELD_CM,
    MU_LUNG,
    MU_SOFT,
    Canvas,
    Image,
    as_image,
    expose,
    smooth_step,
    smooth_union,
)
from cxr_gradcam.synthetic.skeleton import draw_ribs, draw_shoulder_girdle, draw_spine

MASK_FRACTION = 0.5  # of the opacity's own greatest optical path
LEAST_LUNG_CM = 2.0  # of a pleural cavity along the beam, from which on a pixel counts as lung
MOST_ORGAN_CM = 2.0  # of heart, great vessels or diaphragm in front of or behind the lung


@dataclass(frozen=True)
class Phantom:
    """A drawn radiograph, with masks of its lungs and its opacity.

    Attributes:
        pixels: float32 (size, size) in [0, 1], high = dense, as displayed.
        lesion_mask: bool (size, size), the pixels where the opacity's optical path exceeds half
            of its maximum; all False without an opacity.
        right_lung: bool (size, size), the patient's right lung, at the left of the picture: the
            pleural cavity where neither heart, great vessels nor diaphragm hide it. The same with
            and without the opacity.
        left_lung: bool (size, size), the patient's left lung.
    """

    pixels: NDArray[np.float32]
    lesion_mask: NDArray[np.bool_]
    right_lung: NDArray[np.bool_]
    left_lung: NDArray[np.bool_]

    @property
    def has_opacity(self) -> bool:
        """Whether an opacity was drawn."""
        return bool(self.lesion_mask.any())


def draw_phantom(seed: int, *, size: int = 512, opacity: bool = False) -> Phantom:
    """Draw the chest that belongs to a seed, with or without a pneumonia-like opacity.

    Args:
        seed: Random seed of the anatomy, the opacity and the noise; 0 or more.
        size: Side of the picture in pixels, 64 to 2048; the anatomy does not depend on it.
        opacity: Whether to fill part of a lung; everything outside it stays the same.

    Returns:
        The radiograph and the opacity's mask, both (size, size).

    Raises:
        ValueError: If size is out of range or seed negative.

    Example:
        >>> ill = draw_phantom(0, size=64, opacity=True)
        >>> ill.pixels.shape, ill.has_opacity
        ((64, 64), True)
    """
    if not 64 <= size <= 2048:
        raise ValueError(f"size is {size} pixels; ask for a side of 64 to 2048 pixels")
    anatomy, lesion, pose, exposure = np.random.default_rng(seed).spawn(4)
    canvas = Canvas(FIELD_CM / size)
    lung, visible, healthy = _chest(canvas, anatomy)
    maps = _pose_maps(canvas, pose, size)
    healthy = _posed(healthy, maps)
    added = np.zeros_like(healthy)
    if opacity:
        added = _posed(draw_opacity(canvas, lesion, lung), maps)
    mask = added > MASK_FRACTION * added.max()
    right, left = (_posed(visible * (side * canvas.x > 0), maps) > 0.5 for side in SIDES)
    return Phantom(expose(healthy, added, FIELD_CM / size, exposure), mask, right, left)


def _chest(canvas: Canvas, rng: Generator) -> tuple[Image, Image, Image]:
    """Return the path length in the lungs (cm), their visible area, and the chest's optical path.

    The visible area is 1, elsewhere 0.
    """
    body, breasts = draw_body(canvas, rng), draw_breasts(canvas, rng)
    organs = smooth_union(draw_diaphragm(canvas, rng), draw_heart(canvas, rng))
    cavities = np.minimum(draw_pleural_cavities(canvas), 0.86 * body)
    lung = displaced(cavities, organs)
    visible = as_image((cavities > LEAST_LUNG_CM) & (organs < MOST_ORGAN_CM))
    texture = 1 + 0.06 * canvas.noise(rng, 1.2) + 0.08 * canvas.noise(rng, 0.3)
    vessels = draw_vessels(canvas, rng)
    filling = MU_LUNG * texture * lung + MU_SOFT * vessels * smooth_step(lung, 0.5, 5)
    air = draw_airways(canvas, rng) + draw_bowel_gas(canvas, rng)
    tissue = np.maximum(body * (1 + 0.012 * canvas.noise(rng, 2.5)) - lung - air, 0) + breasts
    bone = draw_ribs(canvas, rng) + draw_spine(canvas, rng) + draw_shoulder_girdle(canvas, rng)
    return lung, visible, as_image(MU_SOFT * tissue + filling + bone)


def _pose_maps(canvas: Canvas, rng: Generator, size: int) -> tuple[Image, Image]:
    """Return each pixel's position on the upright canvas after scaling, turn, shift and bending."""
    centres = (np.arange(size) - (size - 1) / 2) * canvas.step
    turn = np.radians(rng.normal(0, 1.2))
    scale = rng.uniform(0.93, 1.07, 2)
    shift = rng.uniform(-0.9, 0.9, 2)
    x, y = centres[None, :] / scale[0], centres[:, None] / scale[1]
    bends = [
        cv2.resize(rng.normal(0, 0.28, (7, 7)), (size, size), interpolation=cv2.INTER_CUBIC)
        for _ in range(2)
    ]
    column = x * np.cos(turn) - y * np.sin(turn) + shift[0] + bends[0]
    row = x * np.sin(turn) + y * np.cos(turn) + shift[1] + bends[1]
    middle = (canvas.n - 1) / 2
    return as_image(column / canvas.step + middle), as_image(row / canvas.step + middle)


def _posed(upright: Image, maps: tuple[Image, Image]) -> Image:
    return as_image(cv2.remap(upright, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
