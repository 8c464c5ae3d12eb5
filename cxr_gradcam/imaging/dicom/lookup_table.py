"""Look-up tables of DICOM (PS3.3 C.11.1.1, C.11.2.1.1), also those that contradict themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from cxr_gradcam.imaging.dicom.elements import explanations
from cxr_gradcam.imaging.pixels import full_scale


@dataclass(frozen=True, eq=False)
class LookupTable:
    """A look-up table, corrected where its descriptor is wrong.

    Attributes:
        first: The value that is mapped to the first entry.
        entries: The entries for the values from `first` on, uint16.
        white: The greatest value that an entry can have.
        explanation: The file's name for the table; "" if the file gives none.
    """

    first: int
    entries: NDArray[np.uint16]
    white: int
    explanation: str = ""

    def apply(self, values: NDArray[np.integer] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Map values to entries; values beyond the ends are mapped to the first or last entry.

        Args:
            values: Values of any shape; fractions are rounded.

        Returns:
            Entries in the shape of `values`.
        """
        # pydicom's apply_voi wraps the index of an 8-bit table.
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1)
        return np.asarray(self.entries[index.astype(np.intp)], dtype=np.float64)


def usable_tables(
    sequence: Iterable[Dataset] | None, possible: tuple[float, float], *, is_little_endian: bool
) -> Iterator[LookupTable]:
    """Yield the look-up tables of a sequence that have at least two different entries.

    Args:
        sequence: Items with LUTDescriptor and LUTData; None if the sequence is missing.
        possible: The least and the greatest value that can be looked up.
        is_little_endian: The byte order of tables that the file stores as bytes.
    """
    for item in sequence or ():
        descriptor = _words(item, "LUTDescriptor", is_little_endian)
        words = _words(item, "LUTData", is_little_endian)
        if len(descriptor) < 3 or not len(words):
            continue
        announced, bits = int(descriptor[0]) or 2**16, int(descriptor[2])
        entries = _unpacked(words, announced, bits)[:announced]
        if entries.min() < entries.max():
            first = _with_plausible_sign(int(descriptor[1]), len(entries), possible)
            # The descriptor may name more bits than the table has (Agfa CR: 16 for 12), or fewer.
            white = full_scale(int(entries.max()), bits)
            explanation = next(iter(explanations(item, "LUTExplanation")), "")
            yield LookupTable(first, entries, white, explanation)


def _words(item: Dataset, keyword: str, is_little_endian: bool) -> NDArray[np.uint16]:
    value = item.get(keyword)
    if value is None:
        return np.zeros(0, dtype=np.uint16)
    if isinstance(value, bytes):
        data = value + b"\0" * (len(value) % 2)
        return np.frombuffer(data, dtype="<u2" if is_little_endian else ">u2").astype(np.uint16)
    return np.atleast_1d(np.asarray(value, dtype=np.int64) % 2**16).astype(np.uint16)


def _unpacked(words: NDArray[np.uint16], announced: int, bits: int) -> NDArray[np.uint16]:
    # 8-bit entries may be packed two in a word, the first in its low byte.
    held = 2 * len(words)
    is_exact = announced <= held <= announced + 1
    if is_exact or (held < announced and bits <= 8 and words.max() > 255):
        return words.astype("<u2").view(np.uint8).astype(np.uint16)
    return words


def _with_plausible_sign(first: int, count: int, possible: tuple[float, float]) -> int:
    # Implicit VR does not distinguish SS from US, and explicit VR may name the wrong one: the sign
    # with which the table covers more of the possible values is taken.
    if first < 2**15:
        return first
    unsigned, signed = (
        min(start + count - 1, possible[1]) - max(start, possible[0])
        for start in (first, first - 2**16)
    )
    return first if unsigned > signed else first - 2**16
