"""ZIP archives: read files one by one, and refuse archives that unpack to too much."""

from __future__ import annotations

import stat
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

from cxr_gradcam.imaging.radiograph import MAX_BYTES, RadiographError
from cxr_gradcam.imaging.reading import open_regular_file

MAX_MEMBERS: int = 1_000_000
MAX_RATIO: int = 200
"""Greatest ratio of unpacked to packed size; mostly black DICOM files reach 30."""

# The decoders of other methods allocate as much memory as a damaged header states.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1


def is_archive(path: Path) -> bool:
    """Return whether a file is a ZIP archive, by its name or its content."""
    try:
        with open_regular_file(path) as file:
            return path.suffix.lower() == ".zip" or zipfile.is_zipfile(file)
    except (OSError, RadiographError):
        return False


def members(path: Path) -> list[str]:
    """Return the names of an archive's files.

    Args:
        path: path of the archive.

    Raises:
        RadiographError: the archive cannot be opened, holds more than `MAX_MEMBERS` files, or is a
            bomb: its files overlap, or unpack to more than `MAX_RATIO` times its size.
    """
    infos = [info for info in _archive(path).infolist() if _is_file(info)]
    if len(infos) > MAX_MEMBERS:
        raise RadiographError(
            f"The ZIP archive holds {len(infos):,} files; {MAX_MEMBERS:,} can be read. Split it."
        )
    size = path.stat().st_size
    packed = sum(info.compress_size for info in infos)
    unpacked = sum(info.file_size for info in infos)
    if packed > size or unpacked > max(MAX_RATIO * size, MAX_BYTES):
        raise RadiographError(
            f"The ZIP archive of {size:,} bytes would unpack to {unpacked:,}: it is no archive of "
            "radiographs. Unpack it yourself if you trust it, and name the folder."
        )
    return [info.filename for info in infos]


def read_member(path: Path, name: str) -> bytes:
    """Return the bytes of a file in an archive, up to one more than a radiograph may have.

    Args:
        path: path of the archive.
        name: name of the file in the archive.

    Raises:
        RadiographError: the file is damaged, encrypted, or compressed by a method that is not read.
    """
    archive = _archive(path)
    info = archive.getinfo(name)
    if info.flag_bits & _ENCRYPTED:
        raise RadiographError("The file is encrypted in its ZIP archive. Unpack it first.")
    if info.compress_type not in _METHODS:
        raise RadiographError(
            f"The ZIP archive compresses this file by method {info.compress_type}; only Deflate "
            "can be read. Unpack it first."
        )
    try:
        with archive.open(info) as file:
            return file.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError):
        raise RadiographError(
            "The file is damaged in its ZIP archive. Make the archive again."
        ) from None


@lru_cache(maxsize=4)
def _opened(path: Path, _changed: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(open_regular_file(path))


def _archive(path: Path) -> zipfile.ZipFile:
    """Return an open archive; several threads may read its files at once."""
    try:
        return _opened(path, path.stat().st_mtime_ns)
    except RadiographError:
        raise
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged or no ZIP archive"
        raise RadiographError(
            f"The ZIP archive cannot be opened: {reason}. Check it, or make it again."
        ) from None


def _is_file(info: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(info.external_attr >> 16)
    return not info.is_dir() and kind in (0, stat.S_IFREG)
