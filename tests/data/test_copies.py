"""The same picture under several names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_gradcam.data.copies import copies_note, join_copies, picture_digests
from cxr_gradcam.data.split import Sources, split_by_patient


def picture(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 10), np.uint8)
    return Image.fromarray(pixels)


def test_pictures_are_compared_by_their_pixels_in_any_format(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "a.png")
    picture(0).save(tmp_path / "b.bmp")
    picture(0).convert("RGB").save(tmp_path / "c.tiff")
    picture(1).save(tmp_path / "d.png")
    paths = sorted(tmp_path.iterdir())
    digests = picture_digests(paths)
    assert [digest == digests[0] for digest in digests] == [True, True, True, False]
    assert copies_note(digests)[0].startswith("note: 2 of 4 X-rays are copies")
    assert copies_note(digests[2:]) == []


def test_patients_who_share_a_picture_are_one() -> None:
    patients = ["d", "c", "b", "a", "e", "c"]
    digests = [b"1", b"1", b"2", b"3", b"4", b"2"]
    assert join_copies(patients, digests) == ["b", "b", "b", "a", "e", "b"]


def test_copies_never_stand_on_both_sides(tmp_path: Path) -> None:
    for number, name in enumerate(("COVID", "NORMAL")):
        (tmp_path / name).mkdir()
        for patient in range(12):
            picture(100 * number + patient).save(tmp_path / name / f"img_{patient}.png")
            picture(100 * number + patient).save(tmp_path / name / f"scan {90 - patient}.bmp")
    split = split_by_patient(Sources([tmp_path]), 0.4, 0)
    digests = picture_digests(split.paths)
    sides = {digest: set() for digest in digests}
    for digest, held_out in zip(digests, split.held_out.tolist(), strict=True):
        sides[digest].add(held_out)
    assert len(sides) == 24
    assert all(len(side) == 1 for side in sides.values())
    assert any("24 patients with 48 X-rays, 2 each" in note for note in split.notes)
    assert any("24 of 48 X-rays are copies" in note for note in split.notes)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_one_picture_in_two_classes_is_refused(tmp_path: Path, elsewhere: bool) -> None:
    second = tmp_path / ("second" if elsewhere else "first")
    for source in {tmp_path / "first", second}:
        for number, name in enumerate(("COVID", "NORMAL")):
            (source / name).mkdir(parents=True)
            for patient in range(4):
                seed = 100 * number + patient + (50 if source == second else 0)
                picture(seed).save(source / name / f"{name}{seed}.png")
    picture(0 if elsewhere else 50).save(second / "NORMAL" / "wrong.png")
    first = tmp_path / "first" / "COVID" / ("COVID0.png" if elsewhere else "COVID50.png")
    with pytest.raises(ValueError, match="show the same picture") as error:
        split_by_patient(Sources([*dict.fromkeys([tmp_path / "first", second])]), 0.5, 0)
    assert str(first) in str(error.value)
    assert str(second / "NORMAL" / "wrong.png") in str(error.value)
