"""Labels: the class of a radiograph, from its folder or from a radiologist's read."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from cxr_gradcam.data.findings import absence_among
from cxr_gradcam.data.tables import AGE_GROUPS, Read

_VIEWS = ("AP", "PA")


class Doubt(IntEnum):
    """How reliable a label is."""

    NONE = 0
    OTHER = 1
    """The read is neither the finding nor its absence."""
    UNREAD = 2
    """A table lists the radiograph, but nobody read it; its label is that of the folder."""


def doubt_of(read: Read) -> Doubt:
    """Return how reliable the label of a radiograph with this read is."""
    if read.words is None or read.finding is not None:
        return Doubt.NONE
    return Doubt.OTHER if read.words else Doubt.UNREAD


def label_of(folder: str, read: Read, class_names: Sequence[str], finding: str | None) -> int:
    """Return the index of a radiograph's class: from the read, if there is one, else the folder.

    Args:
        folder: the name of the class folder.
        read: the radiologists' read.
        class_names: the classes.
        finding: the class for which a read "finding" stands.

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
    """Return a number for projection and age group; 0 if either is not known."""
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
    """Return the classes of the source that has the most classes.

    Args:
        found: the names of the class folders of each source.

    Raises:
        ValueError: another source has a class that this source lacks, or there is only one class.
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
