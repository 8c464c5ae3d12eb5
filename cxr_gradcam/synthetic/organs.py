"""Trunk, diaphragm, heart, airways and bowel gas of the synthetic chest."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from cxr_gradcam.synthetic.projection import (
    Canvas,
    Image,
    Tubes,
    as_image,
    ellipsoid,
    smooth_curve,
    smooth_step,
    smooth_union,
    superellipse,
)

SIDES = (-1, 1)  # the patient's right is left in the picture
LUNG_TOP_CM = -12.8


def draw_body(canvas: Canvas, rng: Generator) -> Image:
    """Return the path length in trunk, neck, shoulders and arms."""
    waist = rng.uniform(-1, 1) * smooth_step(canvas.y, 2, 18)
    half_width = 8 + 9 * smooth_step(canvas.y, -18, -6) + waist
    half_depth = 8 + 3 * smooth_step(canvas.y, -16, -4)
    trunk = 2 * half_depth * superellipse(canvas.x / half_width, 2.4)
    neck = 13 * superellipse(canvas.x / (5 + 3 * smooth_step(canvas.y, -18, -12.5)), 2.2)
    neck = neck * (1 - smooth_step(canvas.y, -15, -8))
    arms = Tubes(canvas)
    for side in SIDES:
        lift = rng.uniform(-0.8, 0.8)
        path = smooth_curve([(5, -11), (13, -10.2), (20, -7.5 + lift), (27, 3)])
        width = np.linspace(4.2, 6.2, len(path))
        arms.add(path * (side, 1), width, 1.15 * width)
    return canvas.blur(smooth_union(trunk, neck, arms.chord()), 0.3)


def draw_breasts(canvas: Canvas, rng: Generator) -> Image:
    """Return the path length in breasts before the lower lungs, 0 in about half of the patients."""
    depth = max(0.0, rng.uniform(-2.2, 2.2))
    x, y, width = rng.uniform(7.8, 9.2), rng.uniform(3, 6), rng.uniform(5, 6.5)
    both = smooth_union(*(ellipsoid(canvas, (s * x, y), (width, 5.5, depth / 2)) for s in SIDES))
    return canvas.blur(both, 0.3)


def lung_edge(y: ArrayLike) -> Image:
    """Return the distance of the lung's lateral edge from the midline."""
    t = np.clip((as_image(y) - LUNG_TOP_CM) / 25, 0, 1)
    return as_image(4.3 + 9.5 * superellipse(1 - t, 1.95))


def draw_pleural_cavities(canvas: Canvas) -> Image:
    """Return the depth of both pleural cavities, from the lateral edge to near the midline."""
    t = np.clip((canvas.y - LUNG_TOP_CM) / 24, 0, 1)
    depth = 17.5 * superellipse(1 - t, 2.1)
    medial = 0.05 + 3.7 * superellipse(1 - np.clip(t * 1.8, 0, 1), 2)
    lateral = np.maximum(lung_edge(canvas.y) - 4.3, 0.05)
    out = np.abs(canvas.x) - 4.3
    return as_image(depth * superellipse(out / np.where(out > 0, lateral, medial), 2.3))


def draw_diaphragm(canvas: Canvas, rng: Generator) -> Image:
    """Return the part of the cavities that the diaphragm fills; its right dome is higher."""
    inflation = rng.uniform(-1.3, 1.3)
    right, left = (top + inflation + rng.uniform(-0.5, 0.5) for top in (6.9, 7.9))
    top = left + (right - left) * smooth_step(-canvas.x, -3, 3)
    out = np.abs(canvas.x) - 5.5
    drop = canvas.y - top - np.where(out > 0, rng.uniform(0.05, 0.075), 0.02) * out**2
    return as_image(2 * np.sqrt(np.maximum(drop, 0) / 0.045))


def displaced(lung: Image, organs: Image) -> Image:
    """Return the path length of lung beside organs along a ray, smoothed to avoid rims."""
    left = lung - organs
    return as_image((left + np.hypot(left, 0.35 * np.minimum(lung, organs))) / 2)


def draw_heart(canvas: Canvas, rng: Generator) -> Image:
    """Return the path length in heart and great vessels, which replace lung."""
    size, shift = rng.uniform(0.88, 1.12), rng.uniform(-0.5, 0.5)
    knob = rng.uniform(1.4, 2.0)
    ventricles = (7.2 * size, 4.7 * size, 5.2)
    great = Tubes(canvas)
    great.add(smooth_curve([(2.4, -5.5), (2.5, 0), (1.6, 6), (0.6, 14)]), 1.3, 2.2)
    great.add([(-1.7, -12), (-1.8, -6), (-2.1, 2)], (1.1, 1.2, 1.6), 3.0)
    great.add([(1.5, -12), (1.7, -6)], 1.2, 2.5)
    chords = smooth_union(
        ellipsoid(canvas, (2.3 + shift, 5.5), ventricles, rng.uniform(36, 50)),
        ellipsoid(canvas, (1.6 + shift, 7.6), (5.4 * size, 3.6, 5.0)),
        ellipsoid(canvas, (-1.1 + shift, 4.8), (3.5 * size, 6.2 * size, 4.5)),
        ellipsoid(canvas, (1.6 + shift, -1.4), (3.0, 3.6, 3.6), 20),
        ellipsoid(canvas, (2.0 + shift / 2, -5.6), (knob, knob, 3.2)),
        great.chord(),
    )
    return canvas.blur(chords, 0.1)


def draw_airways(canvas: Canvas, rng: Generator) -> Image:
    """Return the path length in the air of the trachea and the main bronchi."""
    tubes, bend = Tubes(canvas), rng.uniform(-0.5, 0.3)
    carina = (bend - 0.2, -4.2)
    tubes.add(smooth_curve([(0.1, -24), (0, -14), (bend, -8), carina]), 0.85)
    tubes.add([carina, (-1.6, -2.6), (-3.0, -0.8)], (0.7, 0.65, 0.4))
    tubes.add([carina, (2.0, -2.6), (3.8, -1.6)], (0.65, 0.55, 0.35))
    return canvas.blur(tubes.chord(), 0.08)


def draw_bowel_gas(canvas: Canvas, rng: Generator) -> Image:
    """Return the path length in the stomach's air bubble, which some have, and the colon's gas."""
    depth, tilt = max(0.0, rng.uniform(-2, 1.8)), rng.uniform(-25, 25)
    centre = (rng.uniform(5, 7.5), rng.uniform(12, 13.5))
    bubble = ellipsoid(canvas, centre, (rng.uniform(1.8, 3.2), rng.uniform(1.2, 1.9), depth), tilt)
    blotches = smooth_step(canvas.noise(rng, 1.6), 0.5, 2.5) * smooth_step(canvas.y, 13, 19)
    return canvas.blur(as_image(bubble + 2 * blotches * (np.abs(canvas.x) < 13)), 0.35)
