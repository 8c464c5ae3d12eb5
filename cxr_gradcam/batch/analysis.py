"""The analysis that a table's rows belong to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxr_gradcam.explanation.question import Question
from cxr_gradcam.explanation.records import table_columns, table_row
from cxr_gradcam.models.classifier import Classifier


@dataclass(frozen=True)
class Analysis:
    """The question that a run asks about each file, and the model.

    Args:
        model: SHA-256 of the weights, in hexadecimal digits.
        class_names: the model's classes, in the order of the logits.
        question: the question about each file.
        fast: whether the network may be run in lower precision.
        settings: how the weights are used, as `Provenance.settings`.
    """

    model: str
    class_names: tuple[str, ...]
    question: Question
    fast: bool = True
    settings: str = ""

    @classmethod
    def of_model(cls, model: Classifier, question: Question, *, fast: bool = True) -> Analysis:
        """Describe a question to a loaded model.

        Args:
            model: returned by `load_model` or `ResNet50FineTuned.from_checkpoint`.
            question: the question about each file.
            fast: whether the network may be run in lower precision.

        Raises:
            ValueError: the model was not loaded from weights that can be named.
        """
        known = model.provenance
        if known is None:
            raise ValueError("a table names the weights behind it: load them by load_model")
        return cls(known.sha256, model.class_names, question, fast, known.settings)

    @property
    def identity(self) -> str:
        """Sixteen hexadecimal digits that identify model, question and precision."""
        settings = [self.settings] if self.settings else []
        asked = json.dumps([self.model, self.question.identity(), self.fast, *settings])
        return hashlib.sha256(asked.encode()).hexdigest()[:16]

    @property
    def columns(self) -> dict[str, str]:
        """{column: "text", "number", "whole number" or "true or false"}, in their order."""
        return table_columns(self.class_names)

    def row(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the row of a file.

        Args:
            record: the file's record, as `explain_files` yields it.

        Returns:
            {column: value}; None if there is no value. Numbers have six significant digits.
        """
        outputs = json.dumps(record["outputs"]) if record.get("outputs") else None
        of_run = {"model": self.model, "analysis": self.identity, "outputs": outputs}
        return table_row({**record, **of_run}, self.columns)
