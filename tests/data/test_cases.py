"""Cases: radiographs spread over folders, and boxes read from a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_gradcam.data.cases import Case, lung_cases, read_boxes, some_radiographs

HEADER = "image,finding,x,y,w,h\n"


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two sources of two classes; the pictures' grey values count up from 0 to 29."""
    grey = iter(range(30))
    for source, count in (("first", 10), ("second", 5)):
        for name in ("normal", "pneumonia"):
            (tmp_path / source / name).mkdir(parents=True)
            for number in range(count):
                picture = Image.new("L", (8, 8), next(grey))
                picture.putpixel((0, 0), 255)
                picture.save(tmp_path / source / name / f"{number}.png")
    return [tmp_path / "first", tmp_path / "second"]


@pytest.mark.parametrize("count", [4, 16, 29, 30, 100])
def test_radiographs_are_spread_over_all_folders_and_classes(
    folders: list[Path], count: int
) -> None:
    greys = [round(255 * float(each.pixels[1, 1])) for each in some_radiographs(folders, count)]
    assert len(set(greys)) == min(count, 30)
    assert (min(greys), max(greys)) == (0, 29)
    gaps = np.diff(greys)
    assert gaps.max() - gaps.min() <= 1


@pytest.fixture
def images(tmp_path: Path) -> Path:
    Image.new("L", (40, 30), 100).save(tmp_path / "a.png")
    Image.new("L", (40, 30), 100).save(tmp_path / "b.png")
    return tmp_path


def read(images: Path, rows: str, finding: str = "Pneumonia") -> list[Case]:
    table = images / "boxes.csv"
    table.write_text(HEADER + rows)
    return read_boxes(table, images, finding)


def test_boxes_of_an_image_are_united(images: Path) -> None:
    cases = read(
        images,
        "a.png,pneumonia,0,0,10,5\na.png,Pneumonia,5,0,10,5\nb.png,Pneumonia,30,20,10,10\n"
        "b.png,Effusion,0,0,40,30\n",
    )
    assert [int(case.mask.sum()) for case in cases] == [15 * 5, 100]
    assert cases[1].mask[20:, 30:].all()
    assert cases[0].mask.shape == (30, 40)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.png,Pneumonia,35,0,10,5\n", "leaves the image a.png of 40 x 30"),
        ("a.png,Pneumonia,one,0,10,5\n", "line 2 .* must be numbers"),
        ("a.png,Pneumonia,0,0,0,5\n", "line 2 .* above 0"),
        ("a.png,Pneumonia,0,0,nan,5\n", "line 2 .* above 0"),
        ("a.png\n", "line 2 .* too few columns"),
        ("a.png,Effusion,0,0,10,5\n", "no row of the finding 'Pneumonia'"),
    ],
)
def test_a_bad_box_is_refused(images: Path, rows: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(images, rows)


def test_a_table_without_its_columns_is_refused(images: Path) -> None:
    (images / "boxes.csv").write_text("image,x\n")
    with pytest.raises(ValueError, match="finding, y, w, h"):
        read_boxes(images / "boxes.csv", images, "Pneumonia")


@pytest.fixture
def cut_outs(tmp_path: Path) -> tuple[Path, Path]:
    """Three ill films of 128 pixels, and cut-outs of 64: of two of them, and of a healthy one."""
    films, lungs = tmp_path / "films", tmp_path / "lungs"
    two_lungs = np.zeros((64, 64), np.uint8)
    two_lungs[10:50, 8:28] = two_lungs[10:50, 36:56] = 120
    one_lung = two_lungs.copy()
    one_lung[:, 32:] = 0
    for folder in (films / "pneumonia", lungs / "PNEUMONIA", lungs / "NORMAL"):
        folder.mkdir(parents=True)
    for name in "abc":
        Image.new("L", (128, 128), 90).save(films / "pneumonia" / f"{name}.jpg")
    Image.fromarray(two_lungs).save(lungs / "PNEUMONIA" / "a.png")
    Image.fromarray(one_lung).save(lungs / "PNEUMONIA" / "b.png")
    Image.fromarray(two_lungs).save(lungs / "NORMAL" / "c.png")
    return films, lungs


def test_lungs_are_known_from_cut_outs(cut_outs: tuple[Path, Path]) -> None:
    films, lungs = cut_outs
    (case,) = lung_cases([films], lungs, "Pneumonia", 10)  # b has one lung, c is healthy
    assert case.mask.shape == (128, 128)
    assert int(case.mask.sum()) == 4 * 2 * 20 * 40
    assert case.mask[20:100, 16:56].all()


def test_cut_outs_of_other_films_are_refused(cut_outs: tuple[Path, Path]) -> None:
    films, lungs = cut_outs
    (films / "pneumonia" / "a.jpg").unlink()
    with pytest.raises(ValueError, match="lungs of no Pneumonia"):
        lung_cases([films], lungs, "Pneumonia", 10)
