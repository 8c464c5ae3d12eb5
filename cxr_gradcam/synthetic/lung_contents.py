"""The contents of the synthetic chest's lungs: vessels, and consolidated lung."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from cxr_gradcam.synthetic.organs import SIDES, lung_edge
from cxr_gradcam.synthetic.projection import (
    MU_LUNG,
    MU_SOFT,
    Canvas,
    Image,
    Tubes,
    as_image,
    ellipsoid,
    smooth_step,
    smooth_union,
)

HILUM = (3.4, -1.6)


def draw_vessels(canvas: Canvas, rng: Generator) -> Image:
    """Return the path length in pulmonary arteries and veins: two trees in each lung."""
    chords = []
    for _ in range(2):
        tree = Tubes(canvas)
        for side in SIDES:
            for angle in np.linspace(-75, 92, 6) + rng.uniform(-12, 12, 6):
                start = (HILUM[0] * side, HILUM[1] + angle / 50 + rng.normal(0, 0.4))
                add_branch(tree, rng, start, angle, rng.uniform(0.42, 0.75), side)
        chords.append(tree.chord())
    return canvas.blur(chords[0] + chords[1], 0.05)


def add_branch(
    tree: Tubes,
    rng: Generator,
    start: tuple[float, float],
    degrees: float,
    radius: float,
    side: int,
) -> None:
    """Add one vessel; it tapers, bends and splits by Murray's law (r^3 = r1^3 + r2^3)."""
    length, bend, share, spread = rng.uniform((2.0, -14, 0.35, 22), (4.2, 14, 0.75, 50)).tolist()
    path = [start]
    for turn in (0.0, bend):
        angle, step = math.radians(degrees + turn), length * radius**0.45 / 2
        path.append(
            (path[-1][0] + side * step * math.cos(angle), path[-1][1] + step * math.sin(angle))
        )
    tree.add(path, (radius, 0.9 * radius, 0.8 * radius))
    for fraction, turn in ((share, spread * share), (1 - share, -spread * (1 - share))):
        child = 0.8 * radius * fraction ** (1 / 3)
        if child > 0.085 and abs(path[-1][0]) < 15:
            add_branch(tree, rng, path[-1], degrees + bend + turn, child, side)


def draw_opacity(canvas: Canvas, rng: Generator, lung: Image) -> Image:
    """Return the optical path that consolidation adds: one focus, a basal one, or one a side."""
    kind = rng.choice(("focal", "basal", "both sides"), p=(0.6, 0.22, 0.18))
    first = int(rng.choice(SIDES))
    foci = _focus(canvas, rng, first, basal=kind == "basal")
    if kind == "both sides":
        foci = smooth_union(foci, _focus(canvas, rng, -first, basal=False))
    patches = 1 + 0.2 * canvas.noise(rng, 1.5) + 0.1 * canvas.noise(rng, 0.6)
    filled = foci * np.clip(patches, 0.3, 1.7)
    filled = 0.9 * lung * (1 - np.exp(-filled / np.maximum(lung, 0.1)))
    return canvas.blur(as_image((MU_SOFT - MU_LUNG) * filled), 0.12)


def _focus(canvas: Canvas, rng: Generator, side: int, *, basal: bool) -> Image:
    """Return a soft-edged clump of lobules in one lung, except for open bronchi in it."""
    radius, depth = rng.uniform((1.9, 4.5), (3.7, 11)).tolist()
    y = rng.uniform(3.5, 6) if basal else rng.uniform(-8, 5.5)
    near_heart = 5 + 3 * float(smooth_step(y, -2, 5)) * (side > 0)
    x = side * rng.uniform(near_heart, float(lung_edge(y)) - 2.5)
    spread = 0.5 * radius * np.array((1.3, 0.7) if basal else (1, 1))
    lobules = []
    for offset in rng.normal(0, spread, (6, 2)):
        width, height = radius * rng.uniform(0.5, 1.0, 2)
        centre = (x + offset[0], y + offset[1])
        lobules.append(ellipsoid(canvas, centre, (width, height, 0.5), rng.uniform(0, 180)))
    clump = canvas.blur(smooth_union(*lobules), 0.3 * radius)
    bronchi = Tubes(canvas)
    for angle in rng.uniform(-60, 60, 2):
        add_branch(bronchi, rng, (x - side * radius, y), angle, 0.2, side)
    open_air = np.minimum(bronchi.chord(), 0.4)
    return as_image(clump / clump.max() * depth * (1 - open_air))
