"""Labels: the class of a radiograph, by its folder or by what radiologists read."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from cxr_gradcam.data.findings import absence_among
from cxr_gradcam.data.tables import AGE_GROUPS, Read

_VIEWS = ("AP", "PA")


class Doubt(IntEnum):
    """How far a label is to be trusted."""

    NONE = 0
    OTHER = 1
    """Radiologists read something else than the finding or its absence."""
    UNREAD = 2
    """A table lists the radiograph, but nobody read it: its label is that of the folder."""


def doubt_of(read: Read) -> Doubt:
    """Return how far the label of a radiograph with this read is to be trusted."""
    if read.words is None or read.finding is not None:
        return Doubt.NONE
    return Doubt.OTHER if read.words else Doubt.UNREAD


def label_of(folder: str, read: Read, class_names: Sequence[str], finding: str | None) -> int:
    """Return the index of a radiograph's class: by the read, where there is one, else the folder.

    Args:
        folder: the name of the class folder.
        read: what radiologists saw.
        class_names: the classes.
        finding: the class that a read finding is.

    Raises:
        ValueError: the read says that there is no finding, and no class is the absence.
    """
    if not read.words:
        return class_names.index(class_name_of(folder))
    name = finding if read.finding else absence_among(class_names, finding)
    if name is None:
        raise ValueError(
            "a table of reads tells a finding from its absence, and none of the classes "
            f"{', '.join(class_names)} is called normal: rename the class of the healthy"
        )
    return class_names.index(name)


def stratum_of(read: Read) -> int:
    """Return a number for projection and age group; 0 where either is not known."""
    if read.view not in _VIEWS or not read.age_group:
        return 0
    return 1 + len(AGE_GROUPS) * _VIEWS.index(read.view) + AGE_GROUPS.index(read.age_group)


def class_name_of(folder: str) -> str:
    """Return the class that a folder's name stands for.

    Example:
        >>> class_name_of("LUNG_OPACITY")
        'Lung opacity'
    """
    return folder.replace("_", " ").capitalize()


def common_classes(found: Sequence[set[str]]) -> tuple[str, ...]:
    """Return the classes of the source that has most.

    Args:
        found: the names of the class folders of each source.

    Raises:
        ValueError: a source has a class that this one lacks, or there is only one class.
    """
    named = [tuple(sorted({*map(class_name_of, classes)})) for classes in found]
    most = max(named, key=len)
    if any(set(classes) - set(most) for classes in named):
        raise ValueError(
            "the folders have different classes: "
            + " against ".join(", ".join(classes) for classes in sorted(set(named)))
            + "; give the class folders of all sources the same names"
        )
    if len(most) < 2:
        raise ValueError(
            f"there is one class ({most[0]}), and two are needed: add a folder of radiographs of "
            "another class"
        )
    return most
