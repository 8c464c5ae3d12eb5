"""One file as a row of a table: flat, rounded, and found again by what was asked of what."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cxr_gradcam.explanation.question import Question
from cxr_gradcam.models.classifier import Classifier

PROBABILITY = "probability_"
"""What the columns of the classes' probabilities begin with."""

_DIGITS = 6

_TEXT, _NUMBER, _WHOLE, _TRUTH = "text", "number", "whole number", "true or false"

_BEFORE = {"file": _TEXT, "sha256": _TEXT, "model": _TEXT, "analysis": _TEXT} | {
    "width": _WHOLE,
    "height": _WHOLE,
    "predicted_class": _TEXT,
}
_AFTER = {
    "finding": _TEXT,
    "verdict": _TEXT,
    "ood_score": _NUMBER,
    "is_familiar": _TRUTH,
    "class_name": _TEXT,
    "method": _TEXT,
    "contrast_with": _TEXT,
    "against": _TRUTH,
    "layers": _TEXT,
    "peak": _NUMBER,
    "peak_x": _NUMBER,
    "peak_y": _NUMBER,
    "outputs": _TEXT,
    "error": _TEXT,
}


@dataclass(frozen=True)
class Analysis:
    """What is asked of every file of a run, and of which model.

    Args:
        model: SHA-256 of the weights.
        class_names: of the model.
        question: asked of each file.
        fast: whether the network may be run in lower precision.
        settings: as of `Provenance`.
    """

    model: str
    class_names: tuple[str, ...]
    question: Question
    fast: bool = True
    settings: str = ""

    @classmethod
    def of_model(cls, model: Classifier, question: Question, *, fast: bool = True) -> Analysis:
        """Say what is asked of a loaded model.

        Args:
            model: of `load_model` or `ResNet50FineTuned.from_checkpoint`.
            question: asked of each file.
            fast: as above.

        Raises:
            ValueError: it was not loaded, and nobody knows which weights it has.
        """
        known = model.provenance
        if known is None:
            raise ValueError("a table names the weights behind it: load them by load_model")
        return cls(known.sha256, model.class_names, question, fast, known.settings)

    @property
    def identity(self) -> str:
        """Sixteen hexadecimal digits: another model, question or precision has others."""
        settings = [self.settings] if self.settings else []
        asked = json.dumps([self.model, asdict(self.question), self.fast, *settings])
        return hashlib.sha256(asked.encode()).hexdigest()[:16]

    @property
    def columns(self) -> dict[str, str]:
        """{column: "text", "number", "whole number" or "true or false"}, in their order."""
        classes = {f"{PROBABILITY}{name}": _NUMBER for name in self.class_names}
        return _BEFORE | classes | _AFTER

    def row(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the row of a file.

        Args:
            record: as `explain_files` yields it.

        Returns:
            {column: value}; None where there is none. Numbers have six significant digits.
        """
        shares = record.get("probabilities", {})
        known: dict[str, Any] = {
            **record,
            **{f"{PROBABILITY}{name}": share for name, share in shares.items()},
            "model": self.model,
            "analysis": self.identity,
            "layers": "+".join(record.get("layers", ())) or None,
            "outputs": json.dumps(record["outputs"]) if record.get("outputs") else None,
        }
        return {name: _rounded(known.get(name)) for name in self.columns}


def _rounded(value: object) -> object:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
