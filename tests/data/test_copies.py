"""The same picture under several names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_gradcam.data.copies import (
    Fingerprint,
    copies_note,
    fingerprints,
    join_copies,
    same_pictures,
)
from cxr_gradcam.data.split import Sources, split_by_patient
from cxr_gradcam.synthetic.chest import draw_phantom


def picture(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 10), np.uint8)
    return Image.fromarray(pixels)


def test_pictures_are_compared_by_their_pixels_in_any_format(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "a.png")
    picture(0).save(tmp_path / "b.bmp")
    picture(0).convert("RGB").save(tmp_path / "c.tiff")
    picture(1).save(tmp_path / "d.png")
    paths = sorted(tmp_path.iterdir())
    found = fingerprints(paths)
    pictures = same_pictures(found)
    assert pictures == [0, 0, 0, 3]
    [note] = copies_note(found, pictures)
    assert note.startswith("note: 2 of 4 X-rays are copies (2 with the same pixels under another")
    assert copies_note(found[2:], [0, 1]) == []


def test_a_picture_in_another_size_or_compression_is_a_copy(tmp_path: Path) -> None:
    chests = [draw_phantom(seed, size=320, opacity=bool(seed % 2)).pixels for seed in range(4)]
    for seed, pixels in enumerate(chests):
        Image.fromarray((pixels * 255).astype(np.uint8)).save(tmp_path / f"{seed}a.png")
    first = Image.open(tmp_path / "0a.png")
    first.save(tmp_path / "0b.jpg", quality=60)
    first.resize((200, 200)).save(tmp_path / "0c.png")
    first.resize((200, 200)).save(tmp_path / "0d.jpg", quality=90)
    first.resize((320, 200)).save(tmp_path / "4 of another shape.png")
    first.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "5 mirrored.png")
    found = fingerprints(sorted(tmp_path.iterdir()))
    pictures = same_pictures(found)
    assert pictures == [0, 0, 0, 0, 4, 5, 6, 7, 8]
    assert (
        "3 of 9 X-rays are copies (3 in another size or compression)"
        in (copies_note(found, pictures)[0])
    )


def test_blank_pictures_are_alike_only_if_they_are_the_same(tmp_path: Path) -> None:
    for name, size in (("a", 8), ("b", 16), ("c", 8)):
        Image.new("L", (size, size), 100).save(tmp_path / f"{name}.png")
    assert same_pictures(fingerprints(sorted(tmp_path.iterdir()))) == [0, 1, 0]


def test_chains_of_copies_are_one_picture() -> None:
    ramp = np.linspace(0, 200, 256, dtype=np.float32)
    found = [Fingerprint(bytes([index]), ramp + 0.5 * index, 1.0) for index in (4, 0, 2, 1, 3, 9)]
    assert same_pictures(found) == [0, 0, 0, 0, 0, 5]


def test_patients_who_share_a_picture_are_one() -> None:
    patients = ["d", "c", "b", "a", "e", "c"]
    assert join_copies(patients, [0, 0, 2, 3, 4, 2]) == ["b", "b", "b", "a", "e", "b"]


def test_copies_never_stand_on_both_sides(tmp_path: Path) -> None:
    for number, name in enumerate(("COVID", "NORMAL")):
        (tmp_path / name).mkdir()
        for patient in range(12):
            picture(100 * number + patient).save(tmp_path / name / f"img_{patient}.png")
            picture(100 * number + patient).save(tmp_path / name / f"scan {90 - patient}.bmp")
    split = split_by_patient(Sources([tmp_path]), 0.4, 0)
    digests = [each.digest for each in fingerprints(split.paths)]
    sides = {digest: set() for digest in digests}
    for digest, held_out in zip(digests, split.held_out.tolist(), strict=True):
        sides[digest].add(held_out)
    assert len(sides) == 24
    assert all(len(side) == 1 for side in sides.values())
    assert any("24 patients with 48 X-rays, 2 each" in note for note in split.notes)
    assert any(
        "24 of 48 X-rays are copies (24 with the same pixels" in note for note in split.notes
    )


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
