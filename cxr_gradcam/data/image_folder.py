"""Folders of radiographs: which class, patient and kind a file's path names, and how it is read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from torchvision.datasets import ImageFolder

from cxr_gradcam.imaging.radiograph import Radiograph, RadiographError
from cxr_gradcam.imaging.reading import read_radiograph

PATIENT_PATTERN = r"^(person\d+|(?:NORMAL\d+-)?IM-\d+|\d{8}(?=_))"
"""The part of a file name that stands for the patient, in the Kermany and NIH data sets."""

_KIND = re.compile(r"_(bacteria|virus)_")


def image_folder(data: Path) -> ImageFolder:
    """List a folder with one folder of radiographs per class; hidden files do not count."""
    return ImageFolder(str(data), is_valid_file=lambda path: not Path(path).name.startswith("."))


def source_names(folders: Sequence[Path]) -> tuple[str, ...]:
    """Name the sources after their folders.

    Raises:
        ValueError: two folders have one name.
    """
    names = tuple(folder.absolute().name for folder in folders)
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"two folders are called {name!r}: sources are told apart by their folders' names, "
                "so rename one, or give a link with another name"
            )
    return names


def read_listed(path: str) -> Radiograph:
    """Read one of many files; the error names it."""
    try:
        return read_radiograph(path)
    except RadiographError as error:
        raise RadiographError(f"{path}: {error}") from error


def patient_of(file_name: str, pattern: str = PATIENT_PATTERN) -> str:
    """Name the patient of a file: the pattern's first group, else the name itself.

    Raises:
        ValueError: the pattern is no regular expression with a group.
    """
    try:
        match = re.search(pattern, file_name)
        return match.group(1) if match else file_name
    except (re.error, IndexError) as error:
        raise ValueError(
            f"{pattern!r} is no regular expression with a group for the patient: {error}"
        ) from None


def kind_of(file_name: str) -> str | None:
    """Tell bacterial from viral pneumonia where the file name does, as in the Kermany data set."""
    match = _KIND.search(file_name)
    return match.group(1) if match else None
