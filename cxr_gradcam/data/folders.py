"""Folders of radiographs: the files of a source, with the class and part of each.

A source is a folder with one folder of radiographs per class. Or it is divided into parts (train,
val, test) that hold the class folders, or its class folders are divided into parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_gradcam.data.findings import is_absence
from cxr_gradcam.data.parts import Part, part_of

NAMED, JOINED = "=", "+"

# System files of Windows, macOS and network storage; names that start with a dot are hidden.
_LEFT_BY_SYSTEMS = frozenset(
    {"thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "dicomdir"}
)
_MASKS = re.compile(r"(^|[ _-])(masks?|segmentations?)$", re.IGNORECASE)
"""Folders of segmentation masks, which some data sets keep beside their radiographs."""


@dataclass(frozen=True)
class ListedFile:
    """A file of a source.

    Attributes:
        path: the file's path.
        class_name: the name of the file's class folder.
        below_source: the file's path below the source's folder, with "/" between the folders.
        below_class: the file's path below its class folder and, if there is one, its part.
        part: the part of the source that holds the file; None if the source is not divided.
        is_mask: whether the file is in a folder of masks, and so is no radiograph.
    """

    path: Path
    class_name: str
    below_source: str
    below_class: str
    part: Part | None = None
    is_mask: bool = False


def folders_of(source: Path) -> list[Path]:
    """Return the folders of a source.

    Args:
        source: a folder, or [NAME=]FOLDER[+FOLDER…]: several folders that form one source.
    """
    if source.exists():
        return [source]
    return [Path(part) for part in str(source).split(NAMED, 1)[-1].split(JOINED)]


def source_names(sources: Sequence[Path]) -> tuple[str, ...]:
    """Return the names of sources: the given ones, else those of their folders.

    Raises:
        ValueError: two sources have the same name.
    """
    names = tuple(_source_name(source) for source in sources)
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"two folders are called {name!r}: sources are told apart by their folders' names, "
                f"so give one of them another name, such as other={name}"
            )
    return names


def _source_name(source: Path) -> str:
    if NAMED in str(source) and not source.exists():
        return str(source).split(NAMED, 1)[0]
    return JOINED.join(folder.absolute().name for folder in folders_of(source))


def list_source(source: Path) -> list[ListedFile]:
    """List the files of a source, of all its parts.

    Hidden files and folders, and system files (Thumbs.db), are left out. Links are followed, and
    each target counts once in a class.

    Args:
        source: a source in the format of `folders_of`.

    Returns:
        The files, sorted by folder and name.

    Raises:
        OSError: a folder is missing, or holds no class folders, or a class folder is empty.
        ValueError: folders are neither clearly classes nor clearly parts.
    """
    return [file for folder in folders_of(source) for file in _list_folder(folder.expanduser())]


def files_for_training(source: Path) -> list[ListedFile]:
    """List the radiographs of a source that are for training and validation.

    Raises:
        OSError, ValueError: as `list_source`; or the source is divided and has no training part.
    """
    return _files_of_parts(source, (Part.TRAINING, Part.VALIDATION), Part.TRAINING)


def files_for_test(source: Path) -> list[ListedFile]:
    """List the radiographs of a source that are for evaluation.

    Raises:
        OSError, ValueError: as `list_source`; or the source is divided and has no test part.
    """
    return _files_of_parts(source, (Part.TEST,), Part.TEST)


def _files_of_parts(source: Path, parts: Sequence[Part], needed: Part) -> list[ListedFile]:
    files = list_source(source)
    found = {file.part for file in files} - {None}
    if found and needed not in found:
        example = next(file.below_source for file in files if file.part).split("/")[0]
        raise ValueError(
            f"{source} is divided, but has no part for {needed} (it has "
            f"{', '.join(sorted(part for part in found if part))}): name the folder to use, such "
            f"as {source / example}"
        )
    return [file for file in files if not file.is_mask and file.part in (None, *parts)]


def folder_notes(sources: Iterable[tuple[Path, str, Sequence[ListedFile]]]) -> list[str]:
    """Say which parts of sources are used, and that masks are not.

    Args:
        sources: each source in the format of `folders_of`, its name, and those of its files that
            are used.

    Returns:
        Notes, a line each; none for sources without parts and masks.
    """
    return [note for source in sources for note in _notes(*source)]


def _notes(source: Path, name: str, used: Sequence[ListedFile]) -> list[str]:
    files, used_parts = list_source(source), {file.part for file in used}
    counts = {part: sum(file.part is part and not file.is_mask for file in files) for part in Part}
    said = [
        f"{count:,} for {part}" + ("" if part in used_parts else " (not used)")
        for part, count in counts.items()
        if count
    ]
    masks = sum(file.is_mask for file in files)
    notes = [f"note: {name} is divided into parts; X-rays: {', '.join(said)}"] if said else []
    return notes + (
        [f"note: {name} has folders of masks; files left out: {masks:,}"] if masks else []
    )


def is_listed(name: str) -> bool:
    """Return whether a file or folder is listed: it is not hidden and not a system file."""
    return not name.startswith(".") and name.lower() not in _LEFT_BY_SYSTEMS


def _list_folder(source: Path) -> list[ListedFile]:
    folders = list(_class_folders(_unwrapped(source)))
    seen = {folder.resolve() for folder, _ in folders} | {source.resolve()}
    files = list[ListedFile]()
    for folder, part in folders:
        listed = list(_list_class(source, folder, part, seen))
        if not listed and part is None:
            raise FileNotFoundError(
                f"the class folder {folder} holds no file: fill it with radiographs or remove it"
            )
        files += listed
    return files


def _unwrapped(folder: Path) -> Path:
    """Skip folders that only hold the folder of parts or classes, such as an unpacked archive's."""
    folders = _subfolders(folder)
    if len(folders) == 1 and part_of(folders[0].name) is None:
        inner = _unwrapped(folders[0]) if _subfolders(folders[0], required=False) else folders[0]
        if _divided(inner) or _holds_classes(inner):
            return inner
    return folder


def _holds_classes(folder: Path) -> bool:
    """Return whether the names of the folders in a folder are clearly those of classes."""
    names = [each.name for each in _subfolders(folder, required=False)]
    return len(names) > 1 and any(map(is_absence, names))


def _class_folders(folder: Path) -> Iterator[tuple[Path, Part | None]]:
    """Return the class folders of a folder, and the part of each."""
    if _divided(folder):
        for part_folder in _subfolders(folder):
            part = part_of(part_folder.name)
            yield from ((each, part) for each in _subfolders(part_folder, required=False))
        return
    folders = _subfolders(folder)
    if all(not is_absence(each.name) and _holds_classes(each) for each in folders):
        raise ValueError(
            f"{folder} holds {', '.join(each.name for each in folders)}, and each of them holds "
            "class folders of its own: give them as several sources, or as one, as "
            f"{JOINED.join(str(each) for each in folders)}"
        )
    for each in folders:
        yield each, None


def _divided(folder: Path) -> bool:
    """Return whether the folders in a folder are parts, not classes.

    Raises:
        ValueError: some are parts that hold class folders, and others are not.
    """
    folders = _subfolders(folder, required=False)
    parts = [each for each in folders if part_of(each.name)]
    others = [each for each in folders if not part_of(each.name) and any(_files_below(each))]
    if not any(_subfolders(each, required=False) for each in parts):
        return False
    if others:
        raise ValueError(
            f"{folder} has {', '.join(each.name for each in parts)} beside "
            f"{', '.join(each.name for each in others)}: it is not clear which of them are classes "
            f"and which are parts; name the folder to use, such as {parts[0]}"
        )
    return True


def _subfolders(folder: Path, *, required: bool = True) -> list[Path]:
    if not folder.exists():
        raise FileNotFoundError(
            f"there is no folder {folder}: name one that holds a folder of radiographs per class"
        )
    if not folder.is_dir():
        raise NotADirectoryError(
            f"{folder} is a file: name a folder that holds a folder of radiographs per class "
            "(unpack an archive first)"
        )
    folders = sorted(each for each in folder.iterdir() if is_listed(each.name) and each.is_dir())
    if required and not folders:
        raise FileNotFoundError(
            f"{folder} has no class folders: put its radiographs into one folder per class, such "
            "as NORMAL and PNEUMONIA"
        )
    return folders


def _list_class(
    source: Path, folder: Path, part: Part | None, seen: set[Path]
) -> Iterator[ListedFile]:
    """List the files of a class folder, which may itself be divided into parts."""
    own = _subfolders(folder, required=False)
    is_divided = part is None and own and all(part_of(each.name) for each in own)
    for top in own if is_divided else [folder]:
        for path in _files_below(top, seen - {top.resolve()}):
            yield ListedFile(
                path,
                folder.name,
                path.relative_to(source).as_posix(),
                path.relative_to(top).as_posix(),
                part_of(top.name) if is_divided else part,
                any(_MASKS.search(name) for name in path.relative_to(top).parts[:-1]),
            )


def _files_below(folder: Path, seen: set[Path] = frozenset()) -> Iterator[Path]:  # type: ignore[assignment]
    """Return the files below a folder, each target once, sorted by folder and name.

    Args:
        folder: the top folder.
        seen: folders, without links in their paths, that are listed elsewhere.
    """
    places, found = {*seen, folder.resolve()}, list[Path]()
    waiting = [folder]
    while waiting:
        for each in sorted(waiting.pop().iterdir()):
            place = each.resolve()
            if not is_listed(each.name) or place in places:
                continue
            places.add(place)
            if each.is_dir():
                waiting.append(each)
            elif each.is_file():
                found.append(each)
            elif each.is_symlink():
                raise FileNotFoundError(
                    f"{each} is a link to {place}, which is missing: restore it, or remove the link"
                )
    yield from sorted(found, key=lambda path: (str(path.parent), path.name))
