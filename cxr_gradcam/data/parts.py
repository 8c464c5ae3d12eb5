"""Parts of a data set: folders called train, val or test, and their purpose."""

from __future__ import annotations

import re
from enum import StrEnum


class Part(StrEnum):
    """The purpose of radiographs in a divided source."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"


_PARTS = {
    Part.TRAINING: ("train", "training", "trn", "trainval"),
    Part.VALIDATION: ("val", "valid", "validation", "validate", "dev", "development"),
    Part.TEST: ("test", "testing", "tst", "holdout", "heldout"),
}
_PART_OF_WORD = {word: part for part, words in _PARTS.items() for word in words}
_BESIDE_A_PART = frozenset(
    {
        *("set", "sets", "data", "dataset", "images", "image", "imgs", "img", "split", "part"),
        *("files", "stage", "chest", "x", "ray", "rays", "xray", "xrays", "cxr", "radiographs"),
    }
)
"""Words that may accompany the name of a part, as in "test_set" and "stage_2_train_images"."""


def part_of(name: str) -> Part | None:
    """Return the part that a folder's name stands for; None if it stands for none.

    Example:
        >>> part_of("Test_set"), part_of("NORMAL")
        (<Part.TEST: 'test'>, None)
    """
    words = [word for word in re.split(r"[\W_\d]+", name.casefold()) if word]
    whole = _PART_OF_WORD.get("".join(words))  # "held-out"
    telling = [word for word in words if word not in _BESIDE_A_PART]
    return whole or (_PART_OF_WORD.get(telling[0]) if len(telling) == 1 else None)
