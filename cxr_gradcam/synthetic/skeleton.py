"""Ribs, spine and shoulder girdle of the synthetic chest."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from cxr_gradcam.synthetic.organs import SIDES, lung_edge
from cxr_gradcam.synthetic.projection import (
    MU_CORTEX,
    MU_SOFT,
    MU_SPONGIOSA,
    Canvas,
    Image,
    Tubes,
    as_image,
    smooth_curve,
    smooth_step,
    superellipse,
)

RIB_PAIRS = 10


def draw_ribs(canvas: Canvas, rng: Generator) -> Image:
    """Return the optical path of ten pairs of ribs; back and front arcs are layers that add up."""
    back, front = Tubes(canvas), Tubes(canvas)
    for side in SIDES:
        for number in range(1, RIB_PAIRS + 1):
            origin = -14.3 + 2.25 * number + rng.normal(0, 0.12)
            fall = (10.5 - 9 / number) * rng.uniform(0.92, 1.06)
            _rib(back, front, (side, number), origin, fall)
    return canvas.blur(as_image(back.bone() + 0.8 * front.bone()), 0.06)


def _rib(back: Tubes, front: Tubes, which: tuple[int, int], origin: float, fall: float) -> None:
    """Add one rib: a tilted half-ellipse around the lung, in plane view an arc out and back."""
    side, number = which
    reach = float(lung_edge(origin + fall / 2)) + 0.35
    end = math.radians(140 - 11 * max(0, number - 7))  # the lowest ribs end at the flank
    turn = np.linspace(math.asin(min(1.7 / reach, 0.9)), end, 25)
    path = np.column_stack((side * reach * np.sin(turn), origin + fall * (1 - np.cos(turn)) / 2))
    in_plane = np.hypot(reach * np.cos(turn), fall / 2 * np.sin(turn))
    along_beam = 0.65 * reach * np.sin(turn)
    half_depth = 0.5 * np.minimum(np.hypot(in_plane, along_beam) / in_plane, 2)
    half_height = (0.5 + 0.02 * number) * (1 - 0.35 * np.sin(turn) ** 6)
    half_depth[-3:] *= (0.85, 0.5, 0.2)  # bone continues as cartilage
    flank = int(np.searchsorted(turn, np.pi / 2))
    back.add(path[: flank + 1], half_height[: flank + 1], half_depth[: flank + 1])
    front.add(path[flank:], 1.1 * half_height[flank:], half_depth[flank:])


def draw_spine(canvas: Canvas, rng: Generator) -> Image:
    """Return the optical path of vertebral bodies, end plates, pedicles and processes."""
    pitch = 2.25 + 0.016 * canvas.y
    phase = np.mod((canvas.y + rng.uniform(0, 2)) / pitch, 1)
    half_width = 1.55 + 0.02 * canvas.y - 0.18 * np.sin(np.pi * phase)
    body = smooth_step(phase, 0.05, 0.16) * (1 - smooth_step(phase, 0.84, 0.95))
    plates = np.exp(-(((phase - 0.13) / 0.04) ** 2)) + np.exp(-(((phase - 0.87) / 0.04) ** 2))
    section = superellipse(canvas.x / half_width, 5)
    bodies = 3.0 * body * section * (MU_SPONGIOSA - MU_SOFT)
    bodies = bodies + 0.35 * plates * section * (MU_CORTEX - MU_SOFT)
    return canvas.blur(as_image(bodies), 0.08) + _arches(canvas, phase, pitch)


def _arches(canvas: Canvas, phase: Image, pitch: Image) -> Image:
    """Return the optical path of pedicles, spinous and transverse processes."""
    tubes = Tubes(canvas)
    tops = np.flatnonzero(np.diff(phase[:, 0]) < 0)
    for row in tops:
        y, height = float(canvas.y[row, 0]), float(pitch[row, 0])
        tubes.add([(0, y + 0.75 * height), (0.05, y + 1.15 * height)], 0.22, 0.6)
        for side in SIDES:
            tubes.add([(side, y + 0.3 * height), (side, y + 0.45 * height)], 0.3, 0.4)
            tubes.add([(1.2 * side, y + 0.4 * height), (2.9 * side, y + 0.3 * height)], 0.35, 0.3)
    return canvas.blur(tubes.bone(), 0.07)


def draw_shoulder_girdle(canvas: Canvas, rng: Generator) -> Image:
    """Return the optical path of clavicles, shoulder blades and the heads of the humeri."""
    tubes, blades = Tubes(canvas), Tubes(canvas)
    for side in SIDES:
        lift, out = rng.uniform(-0.7, 0.7), rng.uniform(-0.8, 0.6)
        collar = smooth_curve([(1.7, -10.4), (6, -11.4), (11, -12.4 + lift), (15.5, -12.0 + lift)])
        tubes.add(collar * (side, 1), np.linspace(0.9, 0.6, len(collar)), 0.85)
        border = smooth_curve([(15.3, -8.5), (14.4 + out, -5), (13.6 + out, -1), (12.8 + out, 2.2)])
        blades.add(border * (side, 1), np.linspace(0.8, 0.4, len(border)), 0.45)
        spine = smooth_curve([(16.5, -11), (13, -10.2), (9.8 + out, -8.4)])
        blades.add(spine * (side, 1), np.linspace(0.8, 0.35, len(spine)), 0.35)
        shaft = smooth_curve([(17.4, -10), (19, -8), (21.5, -3), (25, 5)])
        tubes.add(shaft * (side, 1), np.linspace(1.9, 1.2, len(shaft)), 0.9)
    return canvas.blur(tubes.bone() + blades.bone(), 0.09)
