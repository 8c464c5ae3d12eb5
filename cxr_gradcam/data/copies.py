"""Copies: the same picture under several names, which a split must keep together."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from cxr_gradcam.data.folders import read_named


def picture_digests(paths: Sequence[Path]) -> list[bytes]:
    """Return a digest of each file's decoded grey values in 8 bits, whatever its format.

    Raises:
        RadiographError: a file cannot be read.
    """

    def digest(path: Path) -> bytes:
        pixels = read_named(str(path)).pixels
        grey = (pixels * 255).round().astype(np.uint8)
        return sha256(repr(grey.shape).encode() + grey.tobytes()).digest()[:16]

    console = Console(stderr=True)
    with ThreadPoolExecutor() as pool:
        read = pool.map(digest, paths)
        title = "comparing"
        return list(track(read, title, len(paths), console=console, transient=True))


def join_copies(patients: Sequence[str], digests: Sequence[bytes]) -> list[str]:
    """Take patients who share a picture for one.

    Args:
        patients: N names.
        digests: N, of `picture_digests`.

    Returns:
        N names: the first one, in the order of names, of those that are one patient.
    """
    parent = {name: name for name in patients}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = name = parent[parent[name]]
        return name

    first: dict[bytes, str] = {}
    for name, digest in zip(patients, digests, strict=True):
        one, other = sorted((root(first.setdefault(digest, name)), root(name)))
        parent[other] = one
    return [root(name) for name in patients]


def copies_note(digests: Sequence[bytes]) -> list[str]:
    """Say how many files are copies of others; nothing where none is."""
    copies = len(digests) - len({*digests})
    if not copies:
        return []
    return [
        f"note: {copies:,} of {len(digests):,} X-rays are copies (the same pixels under another "
        "name); patients who share a picture count as one"
    ]


def refuse_contradictions(
    paths: Sequence[Path], class_names: Sequence[str], digests: Sequence[bytes]
) -> None:
    """Refuse one picture that lies in two classes.

    Args:
        paths: N files.
        class_names: the class of each.
        digests: N, of `picture_digests`.

    Raises:
        ValueError: two files with the same pixels have different classes.
    """
    first: dict[bytes, int] = {}
    pairs = [
        (first[digest], index)
        for index, digest in enumerate(digests)
        if class_names[first.setdefault(digest, index)] != class_names[index]
    ]
    if pairs:
        one, other = pairs[0]
        more = f" ({len(pairs) - 1:,} more such pairs)" if len(pairs) > 1 else ""
        raise ValueError(
            f"{paths[one]} and {paths[other]} show the same picture, but one is in the class "
            f"{class_names[one]} and the other in {class_names[other]}: remove the wrong one{more}"
        )
