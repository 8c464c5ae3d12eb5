"""Records of predictions and explanations; only this module defines their keys.

JSON, tables, reports, the API and worklists take keys, columns and order from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cxr_gradcam.explanation.explanation import Explanation
from cxr_gradcam.explanation.prediction import Prediction, percentage

TEXT, NUMBER, WHOLE, TRUTH = "text", "number", "whole number", "true or false"
"""The kinds of values in a table's column."""

PROBABILITY = "probability_"
"""The prefix of the columns of the classes' probabilities."""

_DIGITS = 6  # significant ones of a number in a table


@dataclass(frozen=True)
class _Key:
    """A value of an explanation: its kind in a table, None for no column, and how to get it."""

    kind: str | None
    of: Callable[[Explanation], Any]


def _predicted(attribute: str, kind: str | None) -> _Key:
    return _Key(kind, lambda explanation: getattr(explanation.prediction, attribute))


def _asked(attribute: str, kind: str) -> _Key:
    return _Key(kind, lambda explanation: getattr(explanation.question, attribute))


_KEYS = {
    "predicted_class": _predicted("predicted_class", TEXT),
    "probabilities": _predicted("probabilities", None),
    "is_calibrated": _predicted("is_calibrated", None),
    "assumptions": _Key(None, lambda explanation: list(explanation.prediction.assumptions)),
    "finding": _predicted("finding", TEXT),
    "verdict": _predicted("verdict", TEXT),
    "is_familiar": _predicted("is_familiar", TRUTH),
    "ood_score": _predicted("ood_score", NUMBER),
    "class_name": _asked("class_name", TEXT),
    "method": _asked("method", TEXT),
    "contrast_with": _asked("contrast_with", TEXT),
    "against": _asked("against", TRUTH),
    "fusion": _asked("fusion", TEXT),
    "layers": _Key(TEXT, lambda explanation: list(explanation.layers)),
    "peak": _Key(NUMBER, lambda explanation: explanation.peak),
    "peak_x": _Key(NUMBER, lambda explanation: (explanation.hottest or (None, None))[0]),
    "peak_y": _Key(NUMBER, lambda explanation: (explanation.hottest or (None, None))[1]),
    "hottest_place": _Key(TEXT, lambda explanation: getattr(explanation.place, "words", None)),
    "share_in_lungs": _Key(
        NUMBER, lambda explanation: getattr(explanation.place, "share_in_lungs", None)
    ),
    "lungs_problem": _Key(TEXT, lambda explanation: getattr(explanation.lungs, "problem", None)),
    "is_empty": _Key(TRUTH, lambda explanation: explanation.is_empty),
}

_OF_FILE = {"file": TEXT, "sha256": TEXT, "width": WHOLE, "height": WHOLE}
_OF_RUN = {"model": TEXT, "analysis": TEXT, "outputs": TEXT, "error": TEXT}

_ANSWER = ("predicted_class", "probabilities", "is_calibrated", "assumptions", "finding", "verdict")
_QUESTION = ("class_name", "method", "contrast_with", "against", "layers")

_PLACE = ("hottest_place", "share_in_lungs", "lungs_problem")
_PEAK = ("peak", "peak_x", "peak_y")

_RECORD = (*_ANSWER, "is_familiar", *_QUESTION, "ood_score", *_PEAK, *_PLACE)
_CLASSIFIED = ("predicted_class", "probabilities", "finding", "verdict", "is_familiar", "ood_score")
_LISTED = ("predicted_class", "probabilities", "finding", "verdict", "is_familiar")
_REPORTED = (*_ANSWER, "is_familiar", *_QUESTION, "fusion", "ood_score", "is_empty", *_PLACE)

_BEFORE = ("file", "sha256", "model", "analysis", "width", "height", "predicted_class")
_AFTER = ("finding", "verdict", "ood_score", "is_familiar", *_QUESTION, *_PEAK, *_PLACE)

WORKLIST_COLUMNS = (
    *("number", "file", "predicted_class", PROBABILITY),
    *("finding", "verdict", "is_familiar", "error"),
)
"""The columns of a worklist saved as CSV; `PROBABILITY` stands for one column per class."""


def explanation_record(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation in JSON types.

    Args:
        explanation: an explanation by any model.

    Returns:
        {"predicted_class", "probabilities", "is_calibrated", "assumptions", "finding", "verdict",
        "is_familiar", "class_name", "method", "contrast_with", "against", "layers", "ood_score",
        "peak", "peak_x", "peak_y", "hottest_place", "share_in_lungs", "lungs_problem"}; classes and
        layers by the model's own names, peak_x and peak_y in pixels of the radiograph; the last
        three as `Place.words`, `Place.share_in_lungs` and `Lungs.problem`, or None.
    """
    return _record(explanation, _RECORD)


def prediction_record(prediction: Prediction) -> dict[str, Any]:
    """Return a model's prediction in JSON types.

    Args:
        prediction: a prediction by any model.

    Returns:
        {"predicted_class", "probabilities", "finding", "verdict", "is_familiar", "ood_score"}.
    """
    return {key: getattr(prediction, key) for key in _CLASSIFIED}


def worklist_record(prediction: Prediction, thumbnail: str) -> dict[str, Any]:
    """Return the data of a radiograph in a worklist.

    Args:
        prediction: a prediction by any model.
        thumbnail: a thumbnail of the radiograph, as a data URL.

    Returns:
        {"predicted_class", "probabilities", "finding", "verdict", "is_familiar"} as in
        `prediction_record`; "answer" and "percentage", the class that is shown and its probability
        in words; "share", its probability; "thumbnail".
    """
    shown = prediction.finding or prediction.most_probable
    return {key: getattr(prediction, key) for key in _LISTED} | {
        "answer": shown,
        "share": prediction.probabilities[shown],
        "percentage": percentage(prediction.probabilities[shown]),
        "thumbnail": thumbnail,
    }


def report_record(
    explanation: Explanation, before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the content of a report in JSON types.

    Args:
        explanation: an explanation by any model, with its map in the radiograph's size.
        before: the user's texts, and the date.
        after: the display of the panels, the model and the disclaimer.

    Returns:
        `before`; the keys of `explanation_record` without the peak, "fusion", "is_empty", "width"
        and "height"; `after`.
    """
    height, width = explanation.heatmap.shape
    said = _record(explanation, _REPORTED)
    return {**before, **said, "width": width, "height": height, **after}


def table_columns(class_names: Sequence[str]) -> dict[str, str]:
    """Return the columns of a table and their kinds, in their order.

    Args:
        class_names: classes of the model; each has a column for its probability.

    Returns:
        {column: "text", "number", "whole number" or "true or false"}.
    """
    kinds: dict[str, Any] = {key: each.kind for key, each in _KEYS.items()} | _OF_FILE | _OF_RUN
    classes = {f"{PROBABILITY}{name}": NUMBER for name in class_names}
    return (
        {column: kinds[column] for column in _BEFORE}
        | classes
        | {column: kinds[column] for column in (*_AFTER, "outputs", "error")}
    )


def table_row(record: Mapping[str, Any], columns: Iterable[str]) -> dict[str, Any]:
    """Return a record as a row of a table.

    Args:
        record: the record of a file, with the keys of `explanation_record` if it was explained.
        columns: columns from `table_columns`.

    Returns:
        {column: value}; None if there is no value. Numbers have six significant digits.
    """
    shares = record.get("probabilities", {})
    flat = {
        **record,
        **{f"{PROBABILITY}{name}": share for name, share in shares.items()},
        "layers": "+".join(record.get("layers", ())) or None,
    }
    return {column: _rounded(flat.get(column)) for column in columns}


def _record(explanation: Explanation, keys: Iterable[str]) -> dict[str, Any]:
    return {key: _KEYS[key].of(explanation) for key in keys}


def _rounded(value: object) -> object:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
