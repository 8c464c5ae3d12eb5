"""The CAM methods by name, in the words of the field and in plain ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """A way to make a map.

    Attributes:
        label: its name in the literature.
        summary: what it shows, in a few plain words.
        is_slow: whether it asks the network once per channel: seconds to minutes on a CPU.
        needs_class: whether the map depends on the class.
    """

    label: str
    summary: str
    is_slow: bool = False
    needs_class: bool = True


METHODS = {
    "gradcam": Method("Grad-CAM", "the usual map: smooth, and robust to noise"),
    "gradcam++": Method("Grad-CAM++", "weighs several small regions more evenly"),
    "hirescam": Method("HiResCAM", "only places that themselves add to the score"),
    "xgradcam": Method("XGrad-CAM", "Grad-CAM with weights that follow the activations"),
    "layercam": Method(
        "LayerCAM", "place by place, evidence in favour alone; good for fine detail"
    ),
    "elementwise": Method("Element-wise Grad-CAM", "like HiResCAM, evidence never cancels out"),
    "eigengradcam": Method("EigenGradCAM", "the strongest single pattern of evidence"),
    "eigencam": Method(
        "EigenCAM", "the strongest pattern the model sees, whatever the class", needs_class=False
    ),
    "ablationcam": Method(
        "Ablation-CAM", "what the score loses when a feature is taken away", is_slow=True
    ),
    "scorecam": Method(
        "Score-CAM", "what the score becomes when only a region is shown", is_slow=True
    ),
}
"""The methods by the names that Python, the command line and the app take."""

QUICK_METHODS = tuple(name for name, method in METHODS.items() if not method.is_slow)
"""Those that cost a seen image the tail of the network at most."""
