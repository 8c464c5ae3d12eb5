"""One explanation as a record: what JSON, tables and other results are made of."""

from __future__ import annotations

from typing import Any

from cxr_gradcam.explanation import Explanation


def record(explanation: Explanation) -> dict[str, Any]:
    """Return what an explanation says, in types that JSON has.

    Args:
        explanation: of any model.

    Returns:
        {"predicted_class", "probabilities", "is_calibrated", "assumptions", "finding", "verdict",
        "is_familiar", "class_name", "method", "contrast_with", "against", "layers"}; names as the
        model has them.
    """
    question, prediction = explanation.question, explanation.prediction
    return {
        "predicted_class": prediction.predicted_class,
        "probabilities": prediction.probabilities,
        "is_calibrated": prediction.is_calibrated,
        "assumptions": list(prediction.assumptions),
        "finding": prediction.finding,
        "verdict": prediction.verdict,
        "is_familiar": prediction.is_familiar,
        "class_name": question.class_name,
        "method": question.method,
        "contrast_with": question.contrast_with,
        "against": question.against,
        "layers": list(explanation.layers),
    }
