"""Copies: files with the same picture, which a split must keep on one side."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import compress
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from cxr_gradcam.imaging.reading import read_named

_SIDE = 16
_ALIKE = 0.7
"""The mean difference, in grey levels of 255, of one picture in two sizes or compressions.

For two views of one patient it is several levels.
"""
_LEAST_CONTRAST = 5.0  # grey levels; all blank pictures are similar
_SAME_SHAPE = 1.02


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """Features for deciding whether two files show the same picture.

    Attributes:
        digest: digest of the decoded grey values in 8 bits and of their number.
        small: float32 (256,), the picture in 16 by 16 grey values from 0 to 255.
        aspect: width divided by height.
    """

    digest: bytes
    small: NDArray[np.float32]
    aspect: float

    def resembles(self, others: Sequence[Fingerprint]) -> list[bool]:
        """Return for each other one whether it is this picture in another size or compression."""
        if not others or self.small.std() < _LEAST_CONTRAST:
            return [False] * len(others)
        differences = np.abs(np.stack([each.small for each in others]) - self.small).mean(axis=1)
        return [
            bool(difference < _ALIKE) and _one_shape(self.aspect, each.aspect)
            for difference, each in zip(differences, others, strict=True)
        ]


def _one_shape(one: float, other: float) -> bool:
    return 1 / _SAME_SHAPE < one / other < _SAME_SHAPE


def fingerprints(paths: Sequence[Path]) -> list[Fingerprint]:
    """Return the fingerprint of each file's picture, whatever its format.

    Raises:
        RadiographError: a file cannot be read.
    """

    def fingerprint(path: Path) -> Fingerprint:
        pixels = read_named(str(path)).pixels
        grey = (pixels * 255).round().astype(np.uint8)
        digest = sha256(repr(grey.shape).encode() + grey.tobytes()).digest()[:16]
        small = cv2.resize(grey.astype(np.float32), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        return Fingerprint(
            digest, np.asarray(small, np.float32).ravel(), grey.shape[1] / grey.shape[0]
        )

    console = Console(stderr=True)
    with ThreadPoolExecutor() as pool:
        read = pool.map(fingerprint, paths)
        title = "comparing"
        return list(track(read, title, len(paths), console=console, transient=True))


def same_pictures(found: Sequence[Fingerprint]) -> list[int]:
    """Number the pictures of files; files with the same number show the same picture.

    Args:
        found: N fingerprints.

    Returns:
        N numbers: the index of the first file that shows the picture.
    """
    joined = _Joined(len(found))
    first: dict[bytes, int] = {}
    for index, each in enumerate(found):
        joined.join(first.setdefault(each.digest, index), index)
    different = sorted(first.values(), key=lambda index: float(found[index].small.mean()))
    means = [float(found[index].small.mean()) for index in different]
    for start, index in enumerate(different):
        # The means of two pictures differ at most by the mean difference of the pictures.
        near = different[start + 1 : bisect_right(means, means[start] + _ALIKE)]
        alike = found[index].resembles([found[other] for other in near])
        for other in compress(near, alike):
            joined.join(index, other)
    return [joined.root(index) for index in range(len(found))]


class _Joined:
    """Disjoint sets of the numbers from 0 to N - 1; the least number identifies each set."""

    def __init__(self, count: int) -> None:
        self._parent = [*range(count)]

    def root(self, number: int) -> int:
        parent = self._parent
        while parent[number] != number:
            parent[number] = number = parent[parent[number]]
        return number

    def join(self, one: int, other: int) -> None:
        least, greater = sorted((self.root(one), self.root(other)))
        self._parent[greater] = least


def join_copies(patients: Sequence[str], pictures: Sequence[int]) -> list[str]:
    """Treat patients who share a picture as one patient.

    Args:
        patients: N names.
        pictures: N numbers from `same_pictures`.

    Returns:
        N names; a merged patient has the alphabetically first of its names.
    """
    names = sorted({*patients})
    numbers = [*map({name: number for number, name in enumerate(names)}.__getitem__, patients)]
    joined, first = _Joined(len(names)), dict[int, int]()
    for number, picture in zip(numbers, pictures, strict=True):
        joined.join(first.setdefault(picture, number), number)
    return [names[joined.root(number)] for number in numbers]


def copies_note(found: Sequence[Fingerprint], pictures: Sequence[int]) -> list[str]:
    """Say how many files are copies of others; no note if there are none.

    Args:
        found: N fingerprints.
        pictures: N numbers from `same_pictures`.
    """
    copies = len(pictures) - len({*pictures})
    if not copies:
        return []
    same = len(found) - len({each.digest for each in found})
    kinds = [
        f"{count:,} {what}"
        for count, what in (
            (same, "with the same pixels under another name"),
            (copies - same, "in another size or compression"),
        )
        if count > 0
    ]
    return [
        f"note: {copies:,} of {len(pictures):,} X-rays are copies ({', '.join(kinds)}); patients "
        "who share a picture count as one"
    ]


def refuse_contradictions(
    paths: Sequence[Path], class_names: Sequence[str], found: Sequence[Fingerprint]
) -> None:
    """Raise an error if the same picture is in two classes.

    Args:
        paths: N files.
        class_names: the class of each.
        found: N fingerprints.

    Raises:
        ValueError: two files with the same pixels have different classes.
    """
    first: dict[bytes, int] = {}
    pairs = [
        (first[each.digest], index)
        for index, each in enumerate(found)
        if class_names[first.setdefault(each.digest, index)] != class_names[index]
    ]
    if pairs:
        one, other = pairs[0]
        more = f" ({len(pairs) - 1:,} more such pairs)" if len(pairs) > 1 else ""
        raise ValueError(
            f"{paths[one]} and {paths[other]} show the same picture, but one is in the class "
            f"{class_names[one]} and the other in {class_names[other]}: remove the wrong one{more}"
        )
