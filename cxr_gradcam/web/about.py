"""What the page says of a model: what it knows, what its percentages rest on, what was assumed."""

from __future__ import annotations

from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.prediction import FEW


def scope(model: Classifier) -> str:
    """Say what a model knows, and so what it does not."""
    trained = f" It was trained on {model.trained_on}." if model.trained_on else ""
    return (
        f"The model knows {_classes(model.class_names)} on a frontal chest X-ray: other "
        f"findings go unseen.{trained} {_meaning(model)}{_assumed(model.assumptions)}"
    )


def _classes(names: tuple[str, ...]) -> str:
    return " and ".join(names) if len(names) <= FEW else f"{len(names)} findings"


def _meaning(model: Classifier) -> str:
    """Say what the percentages and the verdict rest on."""
    if model.calibration.operating_point is not None:
        return (
            "Percentages and *likely*, *uncertain*, *unlikely* were set on X-rays of the same "
            "origin; elsewhere they may mislead."
        )
    if model.ood_detector is not None:
        return "Its percentages are not calibrated."
    return (
        "Nothing about it is calibrated: its percentages are no probabilities of disease, and a "
        "picture unlike those of its training gets them all the same."
    )


def _assumed(assumptions: tuple[str, ...]) -> str:
    return f"\n\nIts file does not say everything: {'; '.join(assumptions)}." if assumptions else ""
