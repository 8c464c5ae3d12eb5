"""What the page says of a model: its limits in three lines, and the label with its facts."""

from __future__ import annotations

from html import escape

from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.prediction import FEW
from cxr_gradcam.web.start.facts import facts_html


def limits(model: Classifier) -> list[str]:
    """Return what a model knows, what its percentages rest on and what was assumed."""
    names = model.class_names
    known = " and ".join(names) if len(names) <= FEW else f"{len(names)} findings"
    lines = [f"The model knows {known} on a frontal chest X-ray: other findings go unseen."]
    lines.append(_meaning(model))
    if model.assumptions:
        lines.append(f"Its file does not say everything: {'; '.join(model.assumptions)}.")
    return lines


def scope(model: Classifier) -> str:
    """Write the limits of a model in three lines, and its facts for the screen that shows them.

    Args:
        model: the classifier; results that were measured with its weights are looked up.

    Returns:
        HTML; the facts are out of sight until the reader asks for them.
    """
    lines = "".join(f"<p>{escape(line)}</p>" for line in limits(model))
    return f'{lines}<div class="model-facts" hidden>{facts_html(model)}</div>'


def _meaning(model: Classifier) -> str:
    """Say what the percentages and the verdict rest on."""
    if model.calibration.operating_point is not None:
        return (
            "Percentages and likely, uncertain, unlikely were set on X-rays of the same origin; "
            "elsewhere they may mislead."
        )
    if model.ood_detector is not None:
        return "Its percentages are not calibrated."
    return (
        "Nothing about it is calibrated: its percentages are no probabilities of disease, and a "
        "picture unlike those of its training gets them all the same."
    )
