"""Files by URI: S3, Google Cloud Storage, Azure and other stores of pyarrow or fsspec."""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from typing import Any

from cxr_gradcam.extras import require
from cxr_gradcam.imaging.radiograph import MAX_BYTES, RadiographError

_URI = re.compile(r"([a-z][a-z0-9+.-]+)://([^/?]*)/?([^?]*)(\?.*)?", re.IGNORECASE | re.DOTALL)


def is_uri(name: str) -> bool:
    """Return whether a name is a URI, not a path.

    Example:
        >>> is_uri("s3://bucket/films"), is_uri("films/1.dcm"), is_uri("C:/films")
        (True, False, False)
    """
    return bool(_URI.fullmatch(name))


def files_at(uri: str) -> list[str]:
    """Return the paths of the files in the folder that a URI names.

    Args:
        uri: URI of a file or folder; after a question mark, the options of pyarrow's file systems.

    Returns:
        Paths below the folder; [""] if the URI names a file, or nothing.

    Raises:
        ValueError: pyarrow is not installed, or the place cannot be reached.
    """
    require("batch", "A URI")
    from pyarrow.fs import FileSelector, FileType

    try:
        system, folder = _located(uri)
        if system.get_file_info(folder).type is not FileType.Directory:
            return [""]
        found = system.get_file_info(FileSelector(folder, recursive=True))
    except (OSError, ValueError, ImportError) as error:
        raise ValueError(
            f"{uri} cannot be reached: {error}; check the address, and that you may read it"
        ) from None
    return sorted(posixpath.relpath(info.path, folder) for info in found if info.is_file)


def read_file(uri: str, path: str) -> bytes:
    """Return the bytes of a file, up to one more than a radiograph may have.

    Args:
        uri: URI of the file, or of a folder above the file.
        path: path of the file below the folder; "" if the URI names the file.

    Raises:
        RadiographError: the file cannot be read.
    """
    try:
        system, start = _located(uri)
        with system.open_input_stream(posixpath.join(start, path) if path else start) as stream:
            data: bytes = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError, ImportError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise RadiographError(
            f"The file cannot be read: {reason}. Check that it exists and may be read."
        ) from None
    return data


def _located(uri: str) -> tuple[Any, str]:
    """Return a file system and the path in it."""
    found = _URI.fullmatch(uri)
    assert found is not None  # noqa: S101 - is_uri
    scheme, host, path, options = found.groups()
    system, start = _file_system(f"{scheme}://{host}/{options or ''}")
    return system, posixpath.join(start, path.rstrip("/")) if path.rstrip("/") else start


@lru_cache(maxsize=16)  # finding a bucket's region takes a request
def _file_system(root: str) -> tuple[Any, str]:
    from pyarrow import ArrowInvalid
    from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem

    try:
        system, start = FileSystem.from_uri(root)
    except ArrowInvalid:  # not a file system of pyarrow
        from fsspec.core import url_to_fs

        other, start = url_to_fs(root)
        system = PyFileSystem(FSSpecHandler(other))
    return system, start
