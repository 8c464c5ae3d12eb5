"""Find the files given by names, folders, patterns, ZIP archives and lists."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_gradcam.batch.archives import is_archive, members, read_member
from cxr_gradcam.batch.remote import files_at, is_uri, read_file
from cxr_gradcam.imaging.formats import EXTENSIONS
from cxr_gradcam.imaging.radiograph import RadiographError
from cxr_gradcam.imaging.reading import read_bytes

# Files added by operating systems and media; names that begin with a dot are always hidden.
_SYSTEM = {"thumbs.db", "desktop.ini", "dicomdir", "__macosx", "$recycle.bin"}
_SYSTEM_FOLDERS = {"system volume information", "lost+found", "@eadir"}


@dataclass(frozen=True, slots=True)
class Source:
    """A file that may hold a radiograph.

    Args:
        path: path of the file; or of the ZIP archive, or URI of the folder, that holds the file.
        place: path of the file's pictures below the output folder: the file's path in the named
            folder or archive, or only its name.
        member: name of the file in the archive or folder; None if `path` is the file.
        named: whether the file was named itself, or has an extension of radiographs: then it is an
            error if it is not a radiograph, else it is skipped.
        unreadable: why the archive cannot be opened; None if it can.
    """

    path: str
    place: Path
    member: str | None = None
    named: bool = True
    unreadable: str | None = None

    @property
    def name(self) -> str:
        """The file's name in results: one line of valid Unicode."""
        whole = f"{self.path.rstrip('/')}/{self.member}" if self.member else self.path
        return "".join(map(_printed, whole))

    def read(self) -> bytes:
        """Return the file's bytes.

        Raises:
            RadiographError: the file cannot be read, or is empty or too large.
        """
        if self.unreadable is not None:
            raise RadiographError(self.unreadable)
        if is_uri(self.path):
            return read_bytes(read_file(self.path, self.member or ""))
        if self.member is None:
            return read_bytes(self.path)
        return read_bytes(read_member(Path(self.path), self.member))


def find_sources(names: Iterable[str | os.PathLike[str]]) -> list[Source]:
    """Return the files that names stand for.

    Args:
        names: files; folders, with all their content; ZIP archives; patterns with `*`, `?`, `[…]`
            and `**`, if no file has exactly that name; URIs of files and folders. Hidden files and
            system files are left out unless they are named.

    Returns:
        The files, each once; those of a folder or pattern are sorted by name.

    Raises:
        ValueError: the place that a URI names cannot be reached.
    """
    found = (
        source for name in names for path in _matches(os.fspath(name)) for source in _inside(path)
    )
    unique: dict[tuple[str, str | None], Source] = {}
    for source in found:
        unique.setdefault((source.path, source.member), source)
    return list(unique.values())


def listed(lines: Iterable[str]) -> list[str]:
    """Return the names on the lines of a list; empty lines are skipped."""
    return [name for line in lines if (name := line.rstrip("\r\n"))]


def _printed(character: str) -> str:
    if character.isprintable() or character == "\u3000":
        return character
    return character.encode("unicode_escape").decode("ascii")


def _matches(name: str) -> Sequence[str]:
    # Path.exists and is_dir raise if a name is too long
    if is_uri(name) or not glob.has_magic(name) or os.path.exists(name):  # noqa: PTH110
        return [name]
    found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - also absolute patterns
    return found or [name]


def _inside(name: str) -> Iterator[Source]:
    path = Path(name)
    if is_uri(name):
        yield from _at_uri(name)
    elif os.path.isdir(path):  # noqa: PTH112
        yield from _in_folder(path)
    elif is_archive(path):
        yield from _in_archive(path)
    else:
        yield Source(str(path), Path(path.name))


def _at_uri(uri: str) -> Iterator[Source]:
    for name in files_at(uri):
        if not name:
            yield Source(uri, Path(_parts(uri)[-1]))
        elif not any(map(_is_hidden, parts := _parts(name))):
            yield Source(uri, Path(*parts), name, _is_picture(name))


def _in_folder(folder: Path) -> Iterator[Source]:
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        for name in sorted(files):
            path = Path(at, name)
            if not _is_hidden(name) and path.is_file():
                yield Source(str(path), path.relative_to(folder), named=_is_picture(name))


def _in_archive(path: Path) -> Iterator[Source]:
    try:
        names = members(path)
    except RadiographError as error:
        yield Source(str(path), Path(path.name), unreadable=str(error))
        return
    for name in sorted(names):
        parts = _parts(name)
        if parts and not any(map(_is_hidden, parts)):
            yield Source(str(path), Path(*parts), name, _is_picture(name))


def _parts(name: str) -> list[str]:
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "~$")) or name.lower() in _SYSTEM | _SYSTEM_FOLDERS


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in EXTENSIONS
