"""The question that a map answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from cxr_gradcam.cam.maps import Fusion, check_fusion
from cxr_gradcam.cam.methods import find_method


class Options(TypedDict, total=False):
    """What a `Question` may say beside class and method."""

    contrast_with: str | None
    against: bool
    layers: Sequence[str] | None
    fusion: Fusion


@dataclass(frozen=True)
class Question:
    """What is asked of a radiograph: which evidence the map shall show, and how it is made.

    Args:
        class_name: the class to explain, in any case; None for the predicted one.
        method: a name of `METHODS`.
        contrast_with: explain the class rather than this one.
        against: explain what speaks against the class.
        layers: the target layers by dotted name; None for the model's own.
        fusion: how several layers' maps become one, "mean" or "max".

    Raises:
        ValueError: no such method or fusion, no layer, or a class contrasted with itself.

    Example:
        >>> print(Question("Pneumonia", contrast_with="Normal"))
        for Pneumonia rather than Normal
    """

    class_name: str | None = None
    method: str = "gradcam"
    contrast_with: str | None = None
    against: bool = False
    layers: Sequence[str] | None = None
    fusion: Fusion = "mean"

    def __post_init__(self) -> None:
        """Refuse what can never be answered, before a network runs."""
        find_method(self.method)
        check_fusion(self.fusion)
        if self.layers is not None:
            layers = (self.layers,) if isinstance(self.layers, str) else tuple(self.layers)
            object.__setattr__(self, "layers", layers)
            if not layers:
                raise ValueError("no target layer is named: name one or several")
        names = [name.casefold() for name in (self.class_name, self.contrast_with) if name]
        if len(names) == 2 and names[0] == names[1]:
            raise ValueError(
                "a class cannot be contrasted with itself: choose two different classes"
            )

    def __str__(self) -> str:
        """Name the evidence that is asked for."""
        direction = "against" if self.against else "for"
        other = "" if self.contrast_with is None else f" rather than {self.contrast_with}"
        return f"{direction} {self.class_name or 'the predicted class'}{other}"


def find_class(class_names: tuple[str, ...], class_name: str) -> int:
    """Return the index of a class by its name, in any case.

    Raises:
        ValueError: no class has this name.

    Example:
        >>> find_class(("Normal", "Pneumonia"), "pneumonia")
        1
    """
    for index, name in enumerate(class_names):
        if name.casefold() == class_name.casefold():
            return index
    raise ValueError(f"no class {class_name!r}: the model knows {', '.join(class_names)}")
