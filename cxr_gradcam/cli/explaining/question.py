"""What `explain` asks of each radiograph."""

from __future__ import annotations

import argparse

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.models.stages import DETAIL, SHOWN_FIRST, layers_of

_METHOD_HELP = "; ".join(f"{name}: {method.summary}" for name, method in METHODS.items())

_OF_A_TABLE = "coarse"
"""The detail where nothing is drawn: finer maps take longer than the network itself."""


def add_question(parser: argparse.ArgumentParser) -> None:
    """Add what may be asked of a map."""
    parser.add_argument("--class", dest="class_name", metavar="NAME", help="default: the predicted")
    parser.add_argument("--rather-than", metavar="NAME", help="why the class and not this one")
    parser.add_argument(
        "--against", action="store_true", help="what speaks against the class, not for it"
    )
    parser.add_argument(
        "--method", choices=METHODS, default="gradcam", metavar="NAME", help=_METHOD_HELP
    )
    parser.add_argument(
        "--detail",
        choices=DETAIL,
        help=f"default: {SHOWN_FIRST}, without pictures {_OF_A_TABLE}, which takes half the time",
    )
    parser.add_argument(
        "--fusion", choices=("mean", "max"), default="mean", help="of the layers of a finer detail"
    )


def check_question(options: argparse.Namespace) -> None:
    """Refuse what no model can answer.

    Raises:
        ValueError: it compares a class with nothing, or with itself.
    """
    if options.rather_than is not None and options.class_name is None:
        raise ValueError("--rather-than compares two classes: name the first by --class")
    Question(options.class_name, options.method, options.rather_than, options.against)


def question_of(options: argparse.Namespace, model: Classifier) -> Question:
    """Return the question that the options of `add_question` ask of a model.

    Raises:
        ValueError: its maps have no such detail.
    """
    first = _OF_A_TABLE if options.output is None else SHOWN_FIRST
    return Question(
        options.class_name,
        options.method,
        options.rather_than,
        options.against,
        layers_of(model.detail, options.detail, first),
        options.fusion,
    )
