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


NAMED, JOINED = "=", "+"


def folders_of(source: Path) -> list[Path]:
    """Return the folders of a source.

    Args:
        source: a folder, or [NAME=]FOLDER[+FOLDER…]: several that count as one, and their name.
    """
    if source.exists():
        return [source]
    return [Path(part) for part in str(source).split(NAMED, 1)[-1].split(JOINED)]


def labelled_files(source: Path) -> list[tuple[Path, str]]:
    """List the radiographs of a source, each with the name of its class folder.

    Args:
        source: a folder with one folder per class, or several as of `folders_of`.

    Raises:
        OSError: a folder that is missing or has no class folder with a file.
    """
    return [
        (Path(path), listed.classes[label])
        for listed in map(image_folder, folders_of(source))
        for path, label in listed.samples
    ]


# What Windows, macOS and network storage leave in folders; names that start with a dot are hidden.
_LEFT_BY_SYSTEMS = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin"})


def is_listed(name: str) -> bool:
    """Return whether a file or folder counts: it is not hidden and no system left it there."""
    return not name.startswith(".") and name.lower() not in _LEFT_BY_SYSTEMS


class _Radiographs(ImageFolder):  # type: ignore[misc]  # torchvision has no types
    """A folder whose hidden sub-folders are no classes."""

    def find_classes(self, directory: str | Path) -> tuple[list[str], dict[str, int]]:
        names = sorted(entry.name for entry in Path(directory).iterdir() if entry.is_dir())
        classes = [name for name in names if is_listed(name)]
        if not classes:
            raise FileNotFoundError(f"Couldn't find any class folder in {directory}.")
        return classes, {name: index for index, name in enumerate(classes)}


def image_folder(data: Path) -> ImageFolder:
    """Return the files of a folder with one folder of radiographs per class.

    Files and folders that are hidden, or that systems leave behind (Thumbs.db), do not count.
    """
    data = data.expanduser()

    def is_valid_file(path: str) -> bool:
        return all(map(is_listed, Path(path).relative_to(data).parts))

    return _Radiographs(str(data), is_valid_file=is_valid_file)


def source_names(folders: Sequence[Path]) -> tuple[str, ...]:
    """Name the sources as they say, else after their folders.

    Raises:
        ValueError: two folders have one name.
    """
    names = tuple(_source_name(folder) for folder in folders)
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"two folders are called {name!r}: sources are told apart by their folders' names, "
                "so rename one, or give a link with another name"
            )
    return names


def _source_name(source: Path) -> str:
    if NAMED in str(source) and not source.exists():
        return str(source).split(NAMED, 1)[0]
    return JOINED.join(folder.absolute().name for folder in folders_of(source))


def read_named(path: str) -> Radiograph:
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
