"""The registry of the CAM methods: name, summary, cost and function of each.

A new method is one function beside those of its kind, and one line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from cxr_gradcam.cam.gradient_methods import (
    eigencam,
    eigengradcam,
    elementwise,
    gradcam,
    gradcam_plus_plus,
    hirescam,
    layercam,
    xgradcam,
)
from cxr_gradcam.cam.perturbation_methods import ablationcam, scorecam

Kind = Literal["gradient", "activation", "perturbation"]
"""What a method's function takes: activations and gradients (N, K, h, w); activations alone; or a
`ScoredSample` and a `Progress`."""


@dataclass(frozen=True)
class Method:
    """A way to make a map.

    Attributes:
        label: its name in the literature.
        summary: what it shows, in a few plain words.
        kind: what the function takes.
        compute: the function; it returns maps (N, h, w), or a map (h, w) for a `ScoredSample`, at
            least 0 and not normalised.
    """

    label: str
    summary: str
    kind: Kind
    compute: Callable[..., Tensor]

    @property
    def is_slow(self) -> bool:
        """Whether it asks the network once per channel: seconds to minutes on a CPU."""
        return self.kind == "perturbation"

    @property
    def needs_class(self) -> bool:
        """Whether the map depends on the class."""
        return self.kind != "activation"


METHODS = {
    "gradcam": Method(
        "Grad-CAM", "the usual map: smooth, and robust to noise", "gradient", gradcam
    ),
    "gradcam++": Method(
        "Grad-CAM++", "weighs several small regions more evenly", "gradient", gradcam_plus_plus
    ),
    "hirescam": Method(
        "HiResCAM", "only places that themselves add to the score", "gradient", hirescam
    ),
    "xgradcam": Method(
        "XGrad-CAM", "Grad-CAM with weights that follow the activations", "gradient", xgradcam
    ),
    "layercam": Method(
        "LayerCAM",
        "place by place, evidence in favour alone; good for fine detail",
        "gradient",
        layercam,
    ),
    "elementwise": Method(
        "Element-wise Grad-CAM",
        "like HiResCAM, evidence never cancels out",
        "gradient",
        elementwise,
    ),
    "eigengradcam": Method(
        "EigenGradCAM", "the strongest single pattern of evidence", "gradient", eigengradcam
    ),
    "eigencam": Method(
        "EigenCAM",
        "the strongest pattern the model sees, whatever the class",
        "activation",
        eigencam,
    ),
    "ablationcam": Method(
        "Ablation-CAM",
        "what the score loses when a feature is taken away",
        "perturbation",
        ablationcam,
    ),
    "scorecam": Method(
        "Score-CAM",
        "what the score becomes when only a region is shown",
        "perturbation",
        scorecam,
    ),
}
"""The methods by the names that Python, the command line and the app take."""

QUICK_METHODS = tuple(name for name, method in METHODS.items() if not method.is_slow)
"""The methods that run no further forward pass for a recorded image."""


def find_method(name: str) -> Method:
    """Return the method of a name.

    Args:
        name: a key of `METHODS`.

    Raises:
        ValueError: there is no method of that name; the message lists the names.

    Example:
        >>> find_method("layercam").label
        'LayerCAM'
    """
    if name not in METHODS:
        raise ValueError(f"no method {name!r}: choose from {', '.join(METHODS)}")
    return METHODS[name]
