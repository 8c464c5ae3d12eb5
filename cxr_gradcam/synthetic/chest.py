"""Synthetic frontal chest radiographs with an opacity whose place is known.

A chest made of ellipsoids, tubes and stacked superellipses is projected along parallel rays:
per pixel the path lengths through soft tissue, lung and bone give the Beer-Lambert exponent,
to which quantum noise, detector blur and the tone curve of a processed radiograph are applied.

The anatomy is drawn upright in the patient's own centimetres (x towards the patient's left, the
right of the picture; y downwards; z along the beam) and then put into its pose. Whatever steers
the display is measured without the opacity, so that a pair with one seed differs only there.

No patient's image goes in. Fit for demonstrations, training and localisation tests, not diagnosis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
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
DETAIL_CM = 0.25  # scale of the edges that the processing brings out
LATITUDE_CM = 4.0  # scale of the brightness that the processing evens out
MASK_FRACTION = 0.5  # of the opacity's own greatest optical path

SIDES = (-1, 1)  # the patient's right lies left in the picture
RIB_PAIRS = 10
HILUM = (3.4, -1.6)
LUNG_TOP_CM = -12.8


@dataclass(frozen=True)
class Phantom:
    """A drawn radiograph and where its opacity lies.

    Attributes:
        pixels: float32 (size, size) in [0, 1], high = dense, as displayed.
        lesion_mask: bool (size, size), the pixels where the opacity's optical path exceeds half
            of its maximum; all False without an opacity.
    """

    pixels: NDArray[np.float32]
    lesion_mask: NDArray[np.bool_]

    @property
    def has_opacity(self) -> bool:
        """Whether an opacity was drawn."""
        return bool(self.lesion_mask.any())


def draw_phantom(seed: int, *, size: int = 512, opacity: bool = False) -> Phantom:
    """Draw the chest that belongs to a seed, with or without a pneumonia-like opacity.

    Args:
        seed: what the anatomy, the opacity and the noise are drawn from; 0 or more.
        size: side of the picture in pixels, 64 to 2048; the anatomy does not depend on it.
        opacity: whether to fill part of a lung; everything outside it stays the same.

    Returns:
        The radiograph and the opacity's mask, both (size, size).

    Raises:
        ValueError: if size is out of range or seed negative.
    """
    if not 64 <= size <= 2048:
        raise ValueError(f"size is {size} pixels; ask for a side of 64 to 2048 pixels")
    anatomy, lesion, pose, exposure = np.random.default_rng(seed).spawn(4)
    canvas = Canvas(FIELD_CM / size)
    lung, healthy = _chest(canvas, anatomy)
    maps = _pose_maps(canvas, pose, size)
    healthy = _posed(healthy, maps)
    added = np.zeros_like(healthy)
    if opacity:
        added = _posed(_opacity(canvas, lesion, lung), maps)
    mask = added > MASK_FRACTION * added.max()
    return Phantom(expose(healthy, added, FIELD_CM / size, exposure), mask)


class Canvas:
    """The upright drawing's pixel centres in centimetres, its middle at (0, 0)."""

    def __init__(self, step: float) -> None:
        self.step = step
        self.n = round(CANVAS_CM / step)
        centres = ((np.arange(self.n) - (self.n - 1) / 2) * step).astype(np.float32)
        self.x, self.y = centres[None, :], centres[:, None]

    def zeros(self) -> Image:
        """An empty drawing."""
        return np.zeros((self.n, self.n), np.float32)

    def window(self, low: float, high: float, margin: float) -> slice:
        """Indices of the centres from low - margin to high + margin."""
        first = (low - margin) / self.step + (self.n - 1) / 2
        last = (high + margin) / self.step + (self.n - 1) / 2
        return slice(max(0, int(first)), max(0, int(last) + 2))

    def noise(self, rng: Generator, grain_cm: float) -> Image:
        """Smooth random field of unit variance at its nodes, which lie grain_cm apart."""
        nodes = rng.standard_normal((round(CANVAS_CM / grain_cm),) * 2, dtype=np.float32)
        return _image(cv2.resize(nodes, (self.n, self.n), interpolation=cv2.INTER_CUBIC))

    def blur(self, image: Image, sigma_cm: float) -> Image:
        """Gaussian blur."""
        return _image(cv2.GaussianBlur(image, (0, 0), sigma_cm / self.step))


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
        nodes[:, 3] = depths * nodes[:, 2] / drawn  # a thin tube is widened and keeps its mass
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
        """Path length through the bars, or through their core of `inner` times the radius."""
        core = np.maximum(1 - self._distance / inner**2, 0)
        return _image(2 * inner * self._depth * np.sqrt(core))

    def bone(self) -> Image:
        """Optical path added by hollow bones: a cortical shell around spongiosa."""
        outer, core = self.chord(), self.chord(inner=0.75)
        return _image((outer - core) * (MU_CORTEX - MU_SOFT) + core * (MU_SPONGIOSA - MU_SOFT))


def _image(values: ArrayLike) -> Image:
    return np.asarray(values, dtype=np.float32)


def _ramp(values: ArrayLike, low: float, high: float) -> Image:
    """Smooth step from 0 at low to 1 at high."""
    t = np.clip((_image(values) - low) / (high - low), 0, 1)
    return _image(t * t * (3 - 2 * t))


def _union(*chords: Image) -> Image:
    """Smooth maximum of path lengths: organs that merge leave no crease."""
    total = np.square(np.square(chords[0]))
    for chord in chords[1:]:
        total = total + np.square(np.square(chord))
    return _image(np.sqrt(np.sqrt(total)))


def _displaced(lung: Image, organs: Image) -> Image:
    """Lung that organs leave along a ray; the last of it gives way gradually, without a rim."""
    left = lung - organs
    return _image((left + np.hypot(left, 0.35 * np.minimum(lung, organs))) / 2)


def _superellipse(u: ArrayLike, n: float) -> Image:
    return _image(np.maximum(1 - np.abs(u) ** n, 0) ** (1 / n))


def _ellipsoid(
    canvas: Canvas,
    centre: tuple[float, float],
    semi_axes: tuple[float, float, float],
    degrees: float = 0.0,
) -> Image:
    """Chord of an ellipsoid with semi-axes along x, y and the beam, turned in the picture."""
    rows, columns = (canvas.window(c, c, max(semi_axes[:2])) for c in (centre[1], centre[0]))
    x, y = canvas.x[:, columns] - centre[0], canvas.y[rows] - centre[1]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    u, v = (x * cos + y * sin) / semi_axes[0], (y * cos - x * sin) / semi_axes[1]
    chord = canvas.zeros()
    chord[rows, columns] = 2 * semi_axes[2] * np.sqrt(np.maximum(1 - u * u - v * v, 0))
    return chord


def _spline(points: ArrayLike, count: int = 14) -> NDArray[np.float64]:
    """Smooth curve through a few points: the polynomial of lowest degree."""
    nodes = np.asarray(points, np.float64)
    degree = len(nodes) - 1
    coefficients = np.polyfit(np.linspace(0, 1, len(nodes)), nodes, degree)
    return np.vander(np.linspace(0, 1, count), degree + 1) @ coefficients


def _chest(canvas: Canvas, rng: Generator) -> tuple[Image, Image]:
    """Path length in the lungs (cm) and the optical path of the whole chest."""
    body, breasts = _body(canvas, rng), _breasts(canvas, rng)
    organs = _union(_domes(canvas, rng), _heart(canvas, rng))
    lung = _displaced(np.minimum(_cavities(canvas), 0.86 * body), organs)
    texture = 1 + 0.06 * canvas.noise(rng, 1.2) + 0.08 * canvas.noise(rng, 0.3)
    filling = MU_LUNG * texture * lung + MU_SOFT * _vessels(canvas, rng) * _ramp(lung, 0.5, 5)
    air = _airways(canvas, rng) + _gas(canvas, rng)
    tissue = np.maximum(body * (1 + 0.012 * canvas.noise(rng, 2.5)) - lung - air, 0) + breasts
    bone = _ribs(canvas, rng) + _spine(canvas, rng) + _shoulder_girdle(canvas, rng)
    return lung, _image(MU_SOFT * tissue + filling + bone)


def _body(canvas: Canvas, rng: Generator) -> Image:
    """Trunk, neck, shoulders and arms."""
    waist = rng.uniform(-1, 1) * _ramp(canvas.y, 2, 18)
    half_width = 8 + 9 * _ramp(canvas.y, -18, -6) + waist
    half_depth = 8 + 3 * _ramp(canvas.y, -16, -4)
    trunk = 2 * half_depth * _superellipse(canvas.x / half_width, 2.4)
    neck = 13 * _superellipse(canvas.x / (5 + 3 * _ramp(canvas.y, -18, -12.5)), 2.2)
    neck = neck * (1 - _ramp(canvas.y, -15, -8))
    arms = Tubes(canvas)
    for side in SIDES:
        lift = rng.uniform(-0.8, 0.8)
        path = _spline([(5, -11), (13, -10.2), (20, -7.5 + lift), (27, 3)])
        width = np.linspace(4.2, 6.2, len(path))
        arms.add(path * (side, 1), width, 1.15 * width)
    return canvas.blur(_union(trunk, neck, arms.chord()), 0.3)


def _breasts(canvas: Canvas, rng: Generator) -> Image:
    """Breast tissue in front of the lower lungs, in about half of the patients."""
    depth = max(0.0, rng.uniform(-2.2, 2.2))
    x, y, width = rng.uniform(7.8, 9.2), rng.uniform(3, 6), rng.uniform(5, 6.5)
    both = _union(*(_ellipsoid(canvas, (side * x, y), (width, 5.5, depth / 2)) for side in SIDES))
    return canvas.blur(both, 0.3)


def _lung_edge(y: ArrayLike) -> Image:
    """Distance of the lung's lateral edge from the midline."""
    t = np.clip((_image(y) - LUNG_TOP_CM) / 25, 0, 1)
    return _image(4.3 + 9.5 * _superellipse(1 - t, 1.95))


def _cavities(canvas: Canvas) -> Image:
    """Depth of both pleural cavities, from the lateral edge to near the midline."""
    t = np.clip((canvas.y - LUNG_TOP_CM) / 24, 0, 1)
    depth = 17.5 * _superellipse(1 - t, 2.1)
    medial = 0.05 + 3.7 * _superellipse(1 - np.clip(t * 1.8, 0, 1), 2)
    lateral = np.maximum(_lung_edge(canvas.y) - 4.3, 0.05)
    out = np.abs(canvas.x) - 4.3
    return _image(depth * _superellipse(out / np.where(out > 0, lateral, medial), 2.3))


def _domes(canvas: Canvas, rng: Generator) -> Image:
    """What the domes of the diaphragm take of the cavities; the right one stands higher."""
    inflation = rng.uniform(-1.3, 1.3)
    right, left = (top + inflation + rng.uniform(-0.5, 0.5) for top in (6.9, 7.9))
    top = left + (right - left) * _ramp(-canvas.x, -3, 3)
    out = np.abs(canvas.x) - 5.5
    drop = canvas.y - top - np.where(out > 0, rng.uniform(0.05, 0.075), 0.02) * out**2
    return _image(2 * np.sqrt(np.maximum(drop, 0) / 0.045))


def _heart(canvas: Canvas, rng: Generator) -> Image:
    """Heart and great vessels, which take the lung's place."""
    size, shift = rng.uniform(0.88, 1.12), rng.uniform(-0.5, 0.5)
    knob = rng.uniform(1.4, 2.0)
    ventricles = (7.2 * size, 4.7 * size, 5.2)
    great = Tubes(canvas)
    great.add(_spline([(2.4, -5.5), (2.5, 0), (1.6, 6), (0.6, 14)]), 1.3, 2.2)
    great.add([(-1.7, -12), (-1.8, -6), (-2.1, 2)], (1.1, 1.2, 1.6), 3.0)
    great.add([(1.5, -12), (1.7, -6)], 1.2, 2.5)
    chords = _union(
        _ellipsoid(canvas, (2.3 + shift, 5.5), ventricles, rng.uniform(36, 50)),
        _ellipsoid(canvas, (1.6 + shift, 7.6), (5.4 * size, 3.6, 5.0)),
        _ellipsoid(canvas, (-1.1 + shift, 4.8), (3.5 * size, 6.2 * size, 4.5)),
        _ellipsoid(canvas, (1.6 + shift, -1.4), (3.0, 3.6, 3.6), 20),
        _ellipsoid(canvas, (2.0 + shift / 2, -5.6), (knob, knob, 3.2)),
        great.chord(),
    )
    return canvas.blur(chords, 0.1)


def _airways(canvas: Canvas, rng: Generator) -> Image:
    """Air in the trachea and the main bronchi."""
    tubes, bend = Tubes(canvas), rng.uniform(-0.5, 0.3)
    carina = (bend - 0.2, -4.2)
    tubes.add(_spline([(0.1, -24), (0, -14), (bend, -8), carina]), 0.85)
    tubes.add([carina, (-1.6, -2.6), (-3.0, -0.8)], (0.7, 0.65, 0.4))
    tubes.add([carina, (2.0, -2.6), (3.8, -1.6)], (0.65, 0.55, 0.35))
    return canvas.blur(tubes.chord(), 0.08)


def _gas(canvas: Canvas, rng: Generator) -> Image:
    """The stomach's air bubble, in some, and gas of the colon."""
    depth, tilt = max(0.0, rng.uniform(-2, 1.8)), rng.uniform(-25, 25)
    centre = (rng.uniform(5, 7.5), rng.uniform(12, 13.5))
    bubble = _ellipsoid(canvas, centre, (rng.uniform(1.8, 3.2), rng.uniform(1.2, 1.9), depth), tilt)
    blotches = _ramp(canvas.noise(rng, 1.6), 0.5, 2.5) * _ramp(canvas.y, 13, 19)
    return canvas.blur(_image(bubble + 2 * blotches * (np.abs(canvas.x) < 13)), 0.35)


def _vessels(canvas: Canvas, rng: Generator) -> Image:
    """Pulmonary arteries and veins: two trees in each lung, from the hilum outwards."""
    chords = []
    for _ in range(2):
        tree = Tubes(canvas)
        for side in SIDES:
            for angle in np.linspace(-75, 92, 6) + rng.uniform(-12, 12, 6):
                start = (HILUM[0] * side, HILUM[1] + angle / 50 + rng.normal(0, 0.4))
                _branch(tree, rng, start, angle, rng.uniform(0.42, 0.75), side)
        chords.append(tree.chord())
    return canvas.blur(chords[0] + chords[1], 0.05)


def _branch(
    tree: Tubes,
    rng: Generator,
    start: tuple[float, float],
    degrees: float,
    radius: float,
    side: int,
) -> None:
    """Grow one vessel; it tapers, bends and splits by Murray's law (r^3 = r1^3 + r2^3)."""
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
            _branch(tree, rng, path[-1], degrees + bend + turn, child, side)


def _ribs(canvas: Canvas, rng: Generator) -> Image:
    """Ten pairs of ribs: back arcs and front arcs are separate layers, which add up."""
    back, front = Tubes(canvas), Tubes(canvas)
    for side in SIDES:
        for number in range(1, RIB_PAIRS + 1):
            origin = -14.3 + 2.25 * number + rng.normal(0, 0.12)
            fall = (10.5 - 9 / number) * rng.uniform(0.92, 1.06)
            _rib(back, front, (side, number), origin, fall)
    return canvas.blur(_image(back.bone() + 0.8 * front.bone()), 0.06)


def _rib(back: Tubes, front: Tubes, which: tuple[int, int], origin: float, fall: float) -> None:
    """One rib: a tilted half-ellipse around the lung, in plane view an arc out and back."""
    side, number = which
    reach = float(_lung_edge(origin + fall / 2)) + 0.35
    end = math.radians(140 - 11 * max(0, number - 7))  # the lowest ribs end at the flank
    turn = np.linspace(math.asin(min(1.7 / reach, 0.9)), end, 25)
    path = np.column_stack((side * reach * np.sin(turn), origin + fall * (1 - np.cos(turn)) / 2))
    in_plane = np.hypot(reach * np.cos(turn), fall / 2 * np.sin(turn))
    along_beam = 0.65 * reach * np.sin(turn)
    half_depth = 0.5 * np.minimum(np.hypot(in_plane, along_beam) / in_plane, 2)
    half_height = (0.5 + 0.02 * number) * (1 - 0.35 * np.sin(turn) ** 6)
    half_depth[-3:] *= (0.85, 0.5, 0.2)  # bone gives way to cartilage
    flank = int(np.searchsorted(turn, np.pi / 2))
    back.add(path[: flank + 1], half_height[: flank + 1], half_depth[: flank + 1])
    front.add(path[flank:], 1.1 * half_height[flank:], half_depth[flank:])


def _spine(canvas: Canvas, rng: Generator) -> Image:
    """Vertebral bodies with their end plates, pedicles, and spinous and transverse processes."""
    pitch = 2.25 + 0.016 * canvas.y
    phase = np.mod((canvas.y + rng.uniform(0, 2)) / pitch, 1)
    half_width = 1.55 + 0.02 * canvas.y - 0.18 * np.sin(np.pi * phase)
    body = _ramp(phase, 0.05, 0.16) * (1 - _ramp(phase, 0.84, 0.95))
    plates = np.exp(-(((phase - 0.13) / 0.04) ** 2)) + np.exp(-(((phase - 0.87) / 0.04) ** 2))
    section = _superellipse(canvas.x / half_width, 5)
    bodies = 3.0 * body * section * (MU_SPONGIOSA - MU_SOFT)
    bodies = bodies + 0.35 * plates * section * (MU_CORTEX - MU_SOFT)
    return canvas.blur(_image(bodies), 0.08) + _arches(canvas, phase, pitch)


def _arches(canvas: Canvas, phase: Image, pitch: Image) -> Image:
    """Pedicles, spinous and transverse processes at each vertebra."""
    tubes = Tubes(canvas)
    tops = np.flatnonzero(np.diff(phase[:, 0]) < 0)
    for row in tops:
        y, height = float(canvas.y[row, 0]), float(pitch[row, 0])
        tubes.add([(0, y + 0.75 * height), (0.05, y + 1.15 * height)], 0.22, 0.6)
        for side in SIDES:
            tubes.add([(side, y + 0.3 * height), (side, y + 0.45 * height)], 0.3, 0.4)
            tubes.add([(1.2 * side, y + 0.4 * height), (2.9 * side, y + 0.3 * height)], 0.35, 0.3)
    return canvas.blur(tubes.bone(), 0.07)


def _shoulder_girdle(canvas: Canvas, rng: Generator) -> Image:
    """Clavicles, shoulder blades and the heads of the upper arm bones."""
    tubes, blades = Tubes(canvas), Tubes(canvas)
    for side in SIDES:
        lift, out = rng.uniform(-0.7, 0.7), rng.uniform(-0.8, 0.6)
        collar = _spline([(1.7, -10.4), (6, -11.4), (11, -12.4 + lift), (15.5, -12.0 + lift)])
        tubes.add(collar * (side, 1), np.linspace(0.9, 0.6, len(collar)), 0.85)
        border = _spline([(15.3, -8.5), (14.4 + out, -5), (13.6 + out, -1), (12.8 + out, 2.2)])
        blades.add(border * (side, 1), np.linspace(0.8, 0.4, len(border)), 0.45)
        spine = _spline([(16.5, -11), (13, -10.2), (9.8 + out, -8.4)])
        blades.add(spine * (side, 1), np.linspace(0.8, 0.35, len(spine)), 0.35)
        shaft = _spline([(17.4, -10), (19, -8), (21.5, -3), (25, 5)])
        tubes.add(shaft * (side, 1), np.linspace(1.9, 1.2, len(shaft)), 0.9)
    return canvas.blur(tubes.bone() + blades.bone(), 0.09)


def _opacity(canvas: Canvas, rng: Generator, lung: Image) -> Image:
    """Optical path that consolidated lung adds: one focus, a basal one, or one on each side."""
    kind = rng.choice(("focal", "basal", "both sides"), p=(0.6, 0.22, 0.18))
    first = int(rng.choice(SIDES))
    foci = _focus(canvas, rng, first, basal=kind == "basal")
    if kind == "both sides":
        foci = _union(foci, _focus(canvas, rng, -first, basal=False))
    patches = 1 + 0.2 * canvas.noise(rng, 1.5) + 0.1 * canvas.noise(rng, 0.6)
    filled = foci * np.clip(patches, 0.3, 1.7)
    filled = 0.9 * lung * (1 - np.exp(-filled / np.maximum(lung, 0.1)))
    return canvas.blur(_image((MU_SOFT - MU_LUNG) * filled), 0.12)


def _focus(canvas: Canvas, rng: Generator, side: int, *, basal: bool) -> Image:
    """Soft-edged clump of lobules in one lung, less the bronchi that stay open in it."""
    radius, depth = rng.uniform((1.9, 4.5), (3.7, 11)).tolist()
    y = rng.uniform(3.5, 6) if basal else rng.uniform(-8, 5.5)
    near_heart = 5 + 3 * float(_ramp(y, -2, 5)) * (side > 0)
    x = side * rng.uniform(near_heart, float(_lung_edge(y)) - 2.5)
    spread = 0.5 * radius * np.array((1.3, 0.7) if basal else (1, 1))
    lobules = []
    for offset in rng.normal(0, spread, (6, 2)):
        width, height = radius * rng.uniform(0.5, 1.0, 2)
        centre = (x + offset[0], y + offset[1])
        lobules.append(_ellipsoid(canvas, centre, (width, height, 0.5), rng.uniform(0, 180)))
    clump = canvas.blur(_union(*lobules), 0.3 * radius)
    bronchi = Tubes(canvas)
    for angle in rng.uniform(-60, 60, 2):
        _branch(bronchi, rng, (x - side * radius, y), angle, 0.2, side)
    open_air = np.minimum(bronchi.chord(), 0.4)
    return _image(clump / clump.max() * depth * (1 - open_air))


def _pose_maps(canvas: Canvas, rng: Generator, size: int) -> tuple[Image, Image]:
    """Where each picture pixel lies on the upright canvas: scale, turn, shift, slight bends."""
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
    return _image(column / canvas.step + middle), _image(row / canvas.step + middle)


def _posed(upright: Image, maps: tuple[Image, Image]) -> Image:
    return _image(cv2.remap(upright, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def expose(healthy: Image, added: Image, step: float, rng: Generator) -> Image:
    """Detect the photons and display them as a processed radiograph."""
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
    # Processing steered by the healthy chest alone tells nothing of the opacity.
    reference = thickness * healthy
    level = latitude * _coarse(reference)
    return _tone(_image(signal - level), _image(reference - level), dark, bright)


def _coarse(image: Image) -> Image:
    """Brightness at the scale of LATITUDE_CM; computed small, as it has no detail."""
    side = 64
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), LATITUDE_CM / FIELD_CM * side)
    return _image(cv2.resize(small, image.shape, interpolation=cv2.INTER_CUBIC))


def _tone(signal: Image, reference: Image, dark: float, bright: float) -> Image:
    """Sigmoid curve that shows the dark and bright ends of the reference's middle at set values."""
    edge = len(reference) // 6
    low, high = np.percentile(reference[edge:-edge:2, edge:-edge:2], (12, 96))
    logits = np.log([dark / (1 - dark), bright / (1 - bright)])
    gain = (logits[1] - logits[0]) / (high - low)
    return _image(1 / (1 + np.exp(-(logits[0] + gain * (signal - low)))))
