"""The page's information on a model: its limits in three lines, and the route of its facts."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.prediction import FEW
from cxr_gradcam.web.start.facts import facts_html


def limits(model: Classifier) -> list[str]:
    """Return the model's scope, the meaning of its percentages, and the assumptions."""
    names = model.class_names
    known = " and ".join(names) if len(names) <= FEW else f"{len(names)} findings"
    lines = [f"The model knows {known} on a frontal chest X-ray: other findings go unseen."]
    lines.append(_meaning(model))
    if model.assumptions:
        lines.append(f"Its file does not say everything: {'; '.join(model.assumptions)}.")
    return lines


def scope(model: Classifier) -> str:
    """Write the limits of a model in three lines of HTML."""
    return "".join(f"<p>{escape(line)}</p>" for line in limits(model))


def facts_of(models: Mapping[str, Classifier]) -> Route:
    """Return the route of the models' facts, which the page fetches on request.

    Args:
        models: the page's models by name; stored results for the weights of each are looked up.
    """

    def send(request: Request) -> Response:
        model = models.get(request.query_params.get("model", ""))
        return Response(status_code=404) if model is None else HTMLResponse(facts_html(model))

    return Route("/facts", send)


def _meaning(model: Classifier) -> str:
    """Explain the basis of the percentages and the verdict."""
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
