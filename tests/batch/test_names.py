"""Names for the pictures: whole, unique, and taken by every file system."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_gradcam.batch.names import MAX_BYTES, unique_stems


def stems(*names: str) -> list[str]:
    return unique_stems([Path(name) for name in names])


def test_files_named_by_uid_keep_their_last_number() -> None:
    uids = [f"1.2.840.113619.2.{number}" for number in (3, 4, 44)]
    assert stems(*uids) == uids


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("film.png", "film"),
        ("film.DCM", "film"),
        ("film.dcm.png", "film.dcm"),
        ("film 2024.03", "film 2024.03"),
        ("film", "film"),
        (".hidden", ".hidden"),
    ],
)
def test_known_extensions_alone_are_dropped(name: str, stem: str) -> None:
    assert stems(name) == [stem]


def test_a_number_never_makes_the_name_of_another_file() -> None:
    assert stems("a/x.png", "b/x.dcm", "c/x-2.png", "d/x.png") == ["x", "x-3", "x-2", "x-4"]


def test_names_that_some_systems_take_for_one_are_told_apart() -> None:
    assert stems("Film.png", "film.png") == ["Film", "film-2"]
    accents = [unicodedata.normalize(form, "Müller") for form in ("NFC", "NFD")]
    assert stems(*accents)[1].endswith("-2")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ('a<b>:"c|?*d.png', "a_b___c___d"),
        ("CON.1", "_CON.1"),
        ("nul.png", "_nul"),
        ("lpt1", "_lpt1"),
        ("console", "console"),
        ("broken\udcff.png", "broken_"),
    ],
)
def test_what_windows_does_not_take_is_replaced(name: str, stem: str) -> None:
    assert stems(name) == [stem]


@given(
    st.lists(
        st.text(min_size=1, max_size=300).filter(lambda name: Path(name).name == name), max_size=8
    )
)
def test_every_name_is_unique_and_fits(names: list[str]) -> None:
    made = stems(*names)
    assert len({stem.casefold() for stem in made}) == len(names)
    assert all(0 < len(stem.encode()) <= MAX_BYTES for stem in made)


def test_long_names_stay_apart() -> None:
    first, second = stems("ü" * 200 + "a.png", "ü" * 200 + "b.png")
    assert first != second
    assert max(len(f"{stem}-heatmap.png".encode()) for stem in (first, second)) <= 255
