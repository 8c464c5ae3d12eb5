"""Images that are no frontal chest radiographs: drawn, or part of installed packages.

Nothing is downloaded. All images are grey values (H, W), float32 in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pydicom
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_images

from cxr_gradcam.synthetic.projection import FIELD_CM, MU_LUNG, MU_SOFT, Canvas, Tubes, expose

Grey = NDArray[np.float32]

DRAWN = 24
"""The number of images in each drawn group."""
SIDE = 256
_WORDS = ("report", "of", "an", "earlier", "visit", "was", "sent", "for", "a", "second", "reading")
_CT_AND_MR = ("CT_small.dcm", "MR_small.dcm", "693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm")


def ood_images() -> dict[str, list[list[Grey]]]:
    """Return images that are no frontal chest radiographs, the same ones at every call.

    Returns:
        {group: images by origin}; images cut from one picture have one origin.
    """
    return {
        "parts of photographs": photographs(),
        "page of text": drawn(text_page),
        "white noise": drawn(white_noise),
        "smooth noise": drawn(smooth_noise),
        "parts of CT or MR slices": slices(),
        "drawing of a limb": drawn(limb),
        "drawing of a lateral chest": drawn(lateral_chest),
    }


def drawn(draw: Callable[[Generator], Grey]) -> list[list[Grey]]:
    """Draw `DRAWN` images.

    Args:
        draw: draws one image from a random generator.

    Returns:
        The images, each with a separate origin.
    """
    return [[draw(np.random.default_rng(seed))] for seed in range(DRAWN)]


def photographs() -> list[list[Grey]]:
    """Return parts of the photographs that come with scikit-learn and matplotlib."""
    whole = [*load_sample_images().images]
    samples = Path(matplotlib.get_data_path()) / "sample_data"
    with Image.open(samples / "grace_hopper.jpg") as hopper:
        whole.append(np.asarray(hopper.convert("RGB")))
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) for picture in whole]
    return [parts(picture / 255) for picture in grey]


def slices() -> list[list[Grey]]:
    """Return parts of the CT and MR slices among pydicom's test files, where installed."""
    # pydicom's own search would download missing files.
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    files = [folder / name for name in _CT_AND_MR if (folder / name).exists()]
    return [parts(_slice(file)) for file in files]


def _slice(file: Path) -> Grey:
    values = pydicom.dcmread(file).pixel_array.astype(np.float32)
    return np.asarray((values - values.min()) / np.ptp(values))


def parts(picture: Grey) -> list[Grey]:
    """Return a picture and seven parts of it; each part has at least two thirds of the sides.

    Args:
        picture: (H, W).
    """
    height, width = (side // 3 for side in picture.shape)
    corners = list(product((0, height), (0, width)))
    squares = [picture[y : y + 2 * height, x : x + 2 * width] for y, x in corners]
    bands = [picture[:, : 2 * width], picture[:, width:], picture[: 2 * height]]
    return [picture, *squares, *bands]


def text_page(rng: Generator) -> Grey:
    """Return dark words on light paper, or light words on dark paper."""
    paper = Image.new("L", (SIDE, SIDE), 255)
    size = int(rng.integers(9, 22))
    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", size)
    for y in range(size, SIDE - size, int(1.4 * size)):
        line = " ".join(rng.choice(_WORDS, 14))
        ImageDraw.Draw(paper).text((size, y), line, fill=0, font=font)
    page = np.asarray(paper, np.float32) / np.float32(255)
    return page if rng.random() < 0.5 else 1 - page


def white_noise(rng: Generator) -> Grey:
    """Return independent random pixels."""
    return rng.random((SIDE, SIDE), np.float32)


def smooth_noise(rng: Generator) -> Grey:
    """Return smooth random noise of one scale."""
    nodes = rng.random((int(rng.integers(3, 24)),) * 2, np.float32)
    stretched = cv2.resize(nodes, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return np.asarray(stretched, np.float32).clip(0, 1)


def limb(rng: Generator) -> Grey:
    """Return a forearm or lower leg: two long bones in soft tissue, a joint at either end."""
    canvas = Canvas(FIELD_CM / SIDE)
    flesh, bones = Tubes(canvas), Tubes(canvas)
    top, bottom = rng.uniform(-13, -7), rng.uniform(7, 13)
    lean, gap = rng.uniform(-5, 5), rng.uniform(1.2, 2.2)
    axis = np.array([(-1.3 * lean, -20), (-lean / 2, top), (lean / 2, bottom), (1.3 * lean, 20)])
    flesh.add(axis, rng.uniform(4, 6) * np.array([1.2, 1.1, 0.8, 0.9]))
    thick = rng.uniform(0.7, 1.2)
    for side, width in ((-1, thick), (1, 0.6 * thick)):
        ends = axis[1:3] + np.array((side * gap, 0))
        shaft = ends[0] + np.array([[0], [0.1], [0.9], [1]]) * (ends[1] - ends[0])
        bones.add(shaft, width * np.array([1.9, 1, 1, 1.7]))
    for near, far in ((axis[1], axis[0]), (axis[2], axis[3])):
        start = near + 0.28 * (far - near)
        bones.add([start, far], thick * np.array([2.6, 1.8]))
    return _shown(MU_SOFT * flesh.chord() + bones.bone(), canvas, rng)


def lateral_chest(rng: Generator) -> Grey:
    """Return a chest from its side: spine behind, heart in front, one lung over the other."""
    canvas = Canvas(FIELD_CM / SIDE)
    body, lungs, heart, spine = (Tubes(canvas) for _ in range(4))
    front = int(rng.choice((-1, 1)))
    turned = np.array([front, 1])
    body.add(np.array([(-1, -20), (0, -8), (0, 20)]) * turned, (6, 11, 12), (8, 15, 15))
    outline = np.array([(0, -9), (0, 0), (0, rng.uniform(5, 8))])
    lungs.add(outline * turned, (4.5, 7.5, 7.8), (7, 12, 12))
    place = np.array([(3.5, rng.uniform(1, 3)), (4.5, 6)])
    heart.add(place * turned, rng.uniform(3, 4.5), 5)
    for y in np.arange(-16 + rng.uniform(0, 2), 20, rng.uniform(2.2, 2.7)):
        x = -7.5 - 1.5 * np.cos(y / 9)
        spine.add(np.array([(x - 0.9, y), (x + 0.9, y)]) * turned, 0.95, 1.6)
    ribs = Tubes(canvas)
    for y in np.arange(-9, 9, 2.3):
        ribs.add(np.array([(-7, y), (0, y + 3), (6.5, y + 6)]) * turned, 0.35, 0.9)
    air = np.maximum(lungs.chord() - heart.chord(), 0)
    tissue = MU_SOFT * (body.chord() - air) + MU_LUNG * air
    return _shown(canvas.blur(tissue, 0.3) + spine.bone() + ribs.bone(), canvas, rng)


def _shown(path: Grey, canvas: Canvas, rng: Generator) -> Grey:
    """Return the exposed middle of a drawing."""
    edge = (canvas.n - SIDE) // 2
    middle = np.ascontiguousarray(path[edge : edge + SIDE, edge : edge + SIDE], np.float32)
    return expose(middle, np.zeros_like(middle), canvas.step, rng)
