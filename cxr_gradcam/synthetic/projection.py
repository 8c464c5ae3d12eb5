"""Projection radiography: path lengths on a canvas, their attenuation, and the exposed picture.

Bodies of soft tissue, lung and bone are projected along parallel rays: per pixel the path lengths
give the Beer-Lambert exponent, to which quantum noise, detector blur and the tone curve of a
processed radiograph are applied. Lengths are centimetres.
"""

from __future__ import annotations

import math
from itertools import pairwise

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

Image = NDArray[np.float32]

# Mass attenuation at 60 keV times density, 1/cm (NIST, Hubbell & Seltzer, NISTIR 5632, table 4;
# densities of ICRU-44: soft tissue 1.06, inflated lung 0.26, cortical bone 1.92 g/cm3).
MU_SOFT = 0.2048 * 1.06
MU_LUNG = 0.2053 * 0.26
MU_CORTEX = 0.3148 * 1.92
MU_SPONGIOSA = 0.30  # trabecular bone with its marrow

FIELD_CM = 35.0  # side of the picture at the patient
CANVAS_CM = 41.0  # side of the upright drawing: room to turn, shift and scale it
PHOTONS_PER_CM2 = 3.0e7  # at the patient's entrance, per unit of dose
DETECTOR_BLUR_CM = 0.035
DETAIL_CM = 0.25  # scale of the edges that the processing enhances
LATITUDE_CM = 4.0  # scale of the brightness differences that the processing reduces


def as_image(values: ArrayLike) -> Image:
    """Return values as float32."""
    return np.asarray(values, dtype=np.float32)


def smooth_step(values: ArrayLike, low: float, high: float) -> Image:
    """Return a smooth step (cubic, flat at both ends) from 0 at `low` to 1 at `high`.

    Example:
        >>> smooth_step([0.0, 2.0, 4.0], 1, 3).tolist()
        [0.0, 0.5, 1.0]
    """
    t = np.clip((as_image(values) - low) / (high - low), 0, 1)
    return as_image(t * t * (3 - 2 * t))


def smooth_union(*chords: Image) -> Image:
    """Return the 4-norm of path lengths: a maximum that leaves no crease where organs merge."""
    total = np.square(np.square(chords[0]))
    for chord in chords[1:]:
        total = total + np.square(np.square(chord))
    return as_image(np.sqrt(np.sqrt(total)))


def superellipse(u: ArrayLike, n: float) -> Image:
    """Return the height of the superellipse |u|^n + h^n = 1 at u, and 0 outside it."""
    return as_image(np.maximum(1 - np.abs(u) ** n, 0) ** (1 / n))


def smooth_curve(points: ArrayLike, count: int = 14) -> NDArray[np.float64]:
    """Return `count` points of the polynomial of lowest degree through a few points (N, 2)."""
    nodes = np.asarray(points, np.float64)
    degree = len(nodes) - 1
    coefficients = np.polyfit(np.linspace(0, 1, len(nodes)), nodes, degree)
    return np.vander(np.linspace(0, 1, count), degree + 1) @ coefficients


class Canvas:
    """The upright drawing's pixel centres in centimetres, its middle at (0, 0)."""

    def __init__(self, step: float) -> None:
        self.step = step
        self.n = round(CANVAS_CM / step)
        centres = ((np.arange(self.n) - (self.n - 1) / 2) * step).astype(np.float32)
        self.x, self.y = centres[None, :], centres[:, None]

    def zeros(self) -> Image:
        """Return an empty drawing."""
        return np.zeros((self.n, self.n), np.float32)

    def window(self, low: float, high: float, margin: float) -> slice:
        """Return the indices of the centres from low - margin to high + margin."""
        first = (low - margin) / self.step + (self.n - 1) / 2
        last = (high + margin) / self.step + (self.n - 1) / 2
        return slice(max(0, int(first)), max(0, int(last) + 2))

    def noise(self, rng: Generator, grain_cm: float) -> Image:
        """Return a smooth random field of unit variance at its nodes, which lie grain_cm apart."""
        nodes = rng.standard_normal((round(CANVAS_CM / grain_cm),) * 2, dtype=np.float32)
        return as_image(cv2.resize(nodes, (self.n, self.n), interpolation=cv2.INTER_CUBIC))

    def blur(self, image: Image, sigma_cm: float) -> Image:
        """Return an image after a Gaussian blur."""
        return as_image(cv2.GaussianBlur(image, (0, 0), sigma_cm / self.step))


def ellipsoid(
    canvas: Canvas,
    centre: tuple[float, float],
    semi_axes: tuple[float, float, float],
    degrees: float = 0.0,
) -> Image:
    """Return the chord of an ellipsoid, semi-axes along x, y and the beam, turned by degrees."""
    rows, columns = (canvas.window(c, c, max(semi_axes[:2])) for c in (centre[1], centre[0]))
    x, y = canvas.x[:, columns] - centre[0], canvas.y[rows] - centre[1]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    u, v = (x * cos + y * sin) / semi_axes[0], (y * cos - x * sin) / semi_axes[1]
    chord = canvas.zeros()
    chord[rows, columns] = 2 * semi_axes[2] * np.sqrt(np.maximum(1 - u * u - v * v, 0))
    return chord


class Tubes:
    """Bars of elliptical section along polylines, seen along the beam.

    Per pixel it keeps the nearest axis (distance over radius, squared) and the half-depth there,
    so that the joints of a polyline leave no seam; bars of one object do not add up.
    """

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._distance, self._depth = canvas.zeros() + 1, canvas.zeros()

    def add(self, points: ArrayLike, radius: ArrayLike, depth: ArrayLike | None = None) -> None:
        """Add a polyline with a radius and a half-depth (default: the radius) at each point."""
        nodes = np.empty((len(np.asarray(points)), 4))
        nodes[:, :2], nodes[:, 2] = points, radius
        drawn = np.maximum(nodes[:, 2], 0.7 * self._canvas.step)
        depths = nodes[:, 2] if depth is None else np.asarray(depth)
        nodes[:, 3] = depths * nodes[:, 2] / drawn  # a thin tube is widened, with the same mass
        nodes[:, 2] = drawn
        for start, end in pairwise(nodes.tolist()):
            self._add_segment(start, end)

    def _add_segment(self, start: list[float], end: list[float]) -> None:
        x0, y0, r0, d0 = start
        x1, y1, r1, d1 = end
        canvas, reach = self._canvas, max(r0, r1)
        rows = canvas.window(min(y0, y1), max(y0, y1), reach)
        columns = canvas.window(min(x0, x1), max(x0, x1), reach)
        x, y = canvas.x[:, columns] - x0, canvas.y[rows] - y0
        dx, dy = x1 - x0, y1 - y0
        norm = dx * dx + dy * dy
        along = np.minimum(np.maximum(x * (dx / norm) + y * (dy / norm), 0), 1)
        squared = (x - along * dx) ** 2 + (y - along * dy) ** 2
        squared /= (r0 + along * (r1 - r0)) ** 2
        nearer = squared < self._distance[rows, columns]
        np.copyto(self._distance[rows, columns], squared, where=nearer)
        np.copyto(self._depth[rows, columns], d0 + along * (d1 - d0), where=nearer)

    def chord(self, inner: float = 1.0) -> Image:
        """Return the path length in the bars, or in their core of `inner` times the radius."""
        core = np.maximum(1 - self._distance / inner**2, 0)
        return as_image(2 * inner * self._depth * np.sqrt(core))

    def bone(self) -> Image:
        """Return the optical path added by hollow bones: a cortical shell around spongiosa."""
        outer, core = self.chord(), self.chord(inner=0.75)
        return as_image((outer - core) * (MU_CORTEX - MU_SOFT) + core * (MU_SPONGIOSA - MU_SOFT))


def expose(healthy: Image, added: Image, step: float, rng: Generator) -> Image:
    """Return the processed radiograph of a projected body.

    Args:
        healthy: Beer-Lambert exponents (H, W) of the healthy body.
        added: Exponents that an opacity adds; they do not affect the processing settings.
        step: Side of a pixel in centimetres.
        rng: Random generator for thickness, dose, noise and processing settings.

    Returns:
        Grey values (H, W) in [0, 1], high = dense.
    """
    thickness, dose = rng.uniform(0.85, 1.15), rng.uniform(0.13, 0.6)
    dark, bright = rng.uniform(0.12, 0.32), rng.uniform(0.8, 0.93)
    latitude, crispness = rng.uniform(0.15, 0.5), rng.uniform(0.3, 1.2)
    photons = dose * PHOTONS_PER_CM2 * step**2
    counts = photons * np.exp(-thickness * (healthy + added))
    # The normal limit of Poisson's law: one draw serves both images of a pair.
    grain = rng.standard_normal(healthy.shape, dtype=np.float32)
    counts = np.maximum(counts + np.sqrt(counts) * grain, 1)
    detected = cv2.GaussianBlur(counts, (0, 0), DETECTOR_BLUR_CM / step)
    signal = -np.log(detected / photons)
    signal += crispness * (signal - cv2.GaussianBlur(signal, (0, 0), DETAIL_CM / step))
    # The processing depends only on the healthy chest, so it does not reveal the opacity.
    reference = thickness * healthy
    level = latitude * _coarse(reference)
    return _tone(as_image(signal - level), as_image(reference - level), dark, bright)


def _coarse(image: Image) -> Image:
    """Return the brightness at the scale of LATITUDE_CM, computed at a small size."""
    side = 64
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), LATITUDE_CM / FIELD_CM * side)
    return as_image(cv2.resize(small, image.shape, interpolation=cv2.INTER_CUBIC))


def _tone(signal: Image, reference: Image, dark: float, bright: float) -> Image:
    """Return the signal mapped by a sigmoid that maps the reference's range to dark to bright."""
    edge = len(reference) // 6
    low, high = np.percentile(reference[edge:-edge:2, edge:-edge:2], (12, 96))
    logits = np.log([dark / (1 - dark), bright / (1 - bright)])
    gain = (logits[1] - logits[0]) / (high - low)
    return as_image(1 / (1 + np.exp(-(logits[0] + gain * (signal - low)))))
