"""The question that a heat map answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict, get_args

from cxr_gradcam.cam.maps import Fusion, check_fusion
from cxr_gradcam.cam.methods import METHODS, find_method
from cxr_gradcam.explanation.fields import Field
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.models.stages import SHOWN_FIRST

_SLOW = ", ".join(name for name, method in METHODS.items() if method.is_slow)


def _class_names(model: Classifier) -> tuple[str, ...]:
    return model.class_names


def _details(model: Classifier) -> tuple[str, ...]:
    return tuple(model.detail)


QUESTION_FIELDS = (
    Field(
        "class_name",
        str,
        None,
        "class to explain, in any case; default: the most probable one",
        "a class",
        ("class",),
        "class",
        _class_names,
    ),
    Field(
        "contrast_with",
        str,
        None,
        "another class: show the evidence for the explained class rather than for this one",
        "a question",
        ("rather-than",),
        "vs",
        _class_names,
    ),
    Field(
        "against",
        bool,
        False,
        "show the evidence against the class instead of for it",
        "a question",
        ("against",),
        "against",
    ),
    Field(
        "method",
        str,
        "gradcam",
        f"how the map is made; {_SLOW} take seconds to minutes, the others milliseconds",
        "a method",
        ("method",),
        "method",
        tuple(METHODS),
    ),
    Field(
        "detail",
        str,
        None,
        "how fine the map is; finer maps are less sure of the class; default: "
        f"{SHOWN_FIRST}, where the model has it",
        "a detail",
        ("detail",),
        "detail",
        _details,
    ),
    Field(
        "fusion",
        str,
        "mean",
        "how the maps of several layers become one",
        "a fusion",
        ("fusion",),
        None,
        get_args(Fusion),
    ),
)
"""The user's settings of a question, from which each interface makes its options."""


class Options(TypedDict, total=False):
    """The arguments of a `Question` except class and method."""

    contrast_with: str | None
    against: bool
    layers: Sequence[str] | None
    detail: str | None
    fusion: Fusion


@dataclass(frozen=True)
class Question:
    """Which evidence a heat map shows, and how the map is made.

    Args:
        class_name: class to explain, in any case; None for the most probable one.
        method: a name of `METHODS`.
        contrast_with: class to contrast the explained class with; None for no contrast.
        against: show evidence against the class instead of for it.
        layers: target layers by dotted name; None for those of `detail`, or the model's default.
        fusion: how the maps of several layers become one, "mean", "max" or "product"; RefineCAM
            always takes the product.
        detail: a key of the model's `detail`, instead of `layers`.

    Raises:
        ValueError: there is no such method or fusion, no layer is named, both layers and detail
            are named, or a class is contrasted with itself.

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
    detail: str | None = None

    def __post_init__(self) -> None:
        """Refuse invalid questions, before a network runs."""
        find_method(self.method)
        check_fusion(self.fusion)
        for name in (self.class_name, self.contrast_with):
            if not (name is None or isinstance(name, str)):
                raise ValueError(
                    f"a class is chosen by its name, as in class_names, not by {name!r}"
                )
        if self.layers is not None:
            layers = (self.layers,) if isinstance(self.layers, str) else tuple(self.layers)
            object.__setattr__(self, "layers", layers)
            if not layers:
                raise ValueError("no target layer is named: name one or several")
            if self.detail is not None:
                raise ValueError("layers and detail both name the target layers: give one of them")
        names = [name.casefold() for name in (self.class_name, self.contrast_with) if name]
        if len(names) == 2 and names[0] == names[1]:
            raise ValueError(
                "a class cannot be contrasted with itself: choose two different classes"
            )

    def __str__(self) -> str:
        """Describe the requested evidence."""
        direction = "against" if self.against else "for"
        other = "" if self.contrast_with is None else f" rather than {self.contrast_with}"
        return f"{direction} {self.class_name or 'the predicted class'}{other}"

    def for_model(self, model: Classifier, *, detail: str | None = None) -> Question:
        """Return the same question in the model's own names, with the fusion of its method.

        Args:
            model: the classifier.
            detail: the detail if the question names neither detail nor layers; if the model lacks
                it, the model's first one is used. None leaves the layers to the model.

        Returns:
            The question, with `layers` instead of `detail`.

        Raises:
            ValueError: the model has no such class or detail.
        """
        names = model.class_names
        if self.detail is None and self.layers is None and detail is not None:
            return replace(self, detail=default_detail(model, detail)).for_model(model)
        return replace(
            self,
            class_name=_own_name(names, self.class_name),
            contrast_with=_own_name(names, self.contrast_with),
            layers=self.layers if self.detail is None else _layers_of(model, self.detail),
            detail=None,
            fusion=METHODS[self.method].fusion or self.fusion,
        )

    def identity(self) -> dict[str, Any]:
        """Return the values that identify this question, for identifiers that must not change."""
        return {
            "class_name": self.class_name,
            "method": self.method,
            "contrast_with": self.contrast_with,
            "against": self.against,
            "layers": self.layers,
            "fusion": self.fusion,
        }


def find_class(class_names: Sequence[str], class_name: str) -> int:
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


def default_detail(model: Classifier, wanted: str = SHOWN_FIRST) -> str:
    """Return the wanted detail if the model has it, else the model's first one."""
    return wanted if wanted in model.detail else next(iter(model.detail))


def finest_layers(model: Classifier) -> tuple[str, ...]:
    """Return the layers from which the maps of every detail can be made."""
    return max(model.detail.values(), key=len)


def _own_name(class_names: Sequence[str], name: str | None) -> str | None:
    return None if name is None else class_names[find_class(class_names, name)]


def _layers_of(model: Classifier, detail: str) -> tuple[str, ...]:
    if detail not in model.detail:
        raise ValueError(
            f"maps of this model are {', '.join(model.detail)}; there is no {detail} one"
        )
    return model.detail[detail]
