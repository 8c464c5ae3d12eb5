"""The registry of the CAM methods: name, summary, cost and function of each.

For a new method, add a function to the module of its kind, and one line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from cxr_gradcam.cam.full_gradient import fullgrad
from cxr_gradcam.cam.gradient_methods import (
    cam,
    elementwise,
    gradcam,
    gradcam_plus_plus,
    hirescam,
    layercam,
    shapleycam,
    smooth_gradcam_plus_plus,
    xgradcam,
)
from cxr_gradcam.cam.maps import Fusion
from cxr_gradcam.cam.pattern_methods import eigencam, eigengradcam, fem, kpcacam, segeigencam
from cxr_gradcam.cam.perturbation_methods import ablationcam, iscam, scorecam, sscam

Kind = Literal["gradient", "activation", "noise", "second order", "full gradient", "perturbation"]
"""The inputs of a method's function.

- "gradient": activations and gradients, (N, K, h, w) each
- "activation": activations alone
- "noise": activations, and the gradients (S, N, K, h, w) of S noisy versions of each image
- "second order": activations, gradients, and the Hessian times the activations
- "full gradient": what `ForwardPass.full_gradients` returns, and the images' size
- "perturbation": a `ScoredSample` and a `Progress`
"""


@dataclass(frozen=True)
class Method:
    """A way to make a map.

    Attributes:
        label: the method's name in the literature.
        summary: what the map shows, in a few plain words.
        kind: the inputs of the function.
        compute: the function; it returns maps (N, h, w), or a map (h, w) for a `ScoredSample`, at
            least 0 and not normalised.
        is_offered_first: whether the page lists the method directly, not under "more".
        fusion: how the maps of several layers become one, if that is part of the method.
    """

    label: str
    summary: str
    kind: Kind
    compute: Callable[..., Tensor]
    is_offered_first: bool = False
    fusion: Fusion | None = None

    @property
    def is_slow(self) -> bool:
        """Whether the method runs the network once per channel: seconds to minutes on a CPU."""
        return self.kind == "perturbation"

    @property
    def is_quick(self) -> bool:
        """Whether the method needs no further pass through the network for a recorded image."""
        return self.kind in ("gradient", "activation")

    @property
    def needs_class(self) -> bool:
        """Whether the map depends on the class."""
        return self.kind != "activation"


def _gradient(label: str, summary: str, compute: Callable[..., Tensor], **more: Any) -> Method:  # noqa: ANN401
    return Method(label, summary, "gradient", compute, **more)


def _activation(label: str, summary: str, compute: Callable[..., Tensor]) -> Method:
    return Method(label, f"{summary}, whatever the class", "activation", compute)


def _slow(label: str, summary: str, compute: Callable[..., Tensor]) -> Method:
    return Method(label, summary, "perturbation", compute)


METHODS = {
    "gradcam": _gradient(
        "Grad-CAM",
        "the usual map: smooth, and robust to noise",
        gradcam,
        is_offered_first=True,
    ),
    "gradcam++": _gradient(
        "Grad-CAM++",
        "weighs several small regions more evenly",
        gradcam_plus_plus,
        is_offered_first=True,
    ),
    "hirescam": _gradient(
        "HiResCAM",
        "only places that themselves add to the score",
        hirescam,
        is_offered_first=True,
    ),
    "xgradcam": _gradient(
        "XGrad-CAM",
        "Grad-CAM with weights that follow the activations",
        xgradcam,
    ),
    "layercam": _gradient(
        "LayerCAM",
        "place by place, evidence in favour alone; good for fine detail",
        layercam,
    ),
    "elementwise": _gradient(
        "Element-wise Grad-CAM", "like HiResCAM, evidence never cancels out", elementwise
    ),
    "eigengradcam": _gradient(
        "EigenGradCAM", "the strongest single pattern of evidence", eigengradcam
    ),
    "segeigencam": _gradient(
        "Seg-Eigen-CAM", "the strongest pattern of what matters, for or against", segeigencam
    ),
    "refinecam": _gradient(
        "RefineCAM",
        "Grad-CAM++ where all layers agree; the same as Grad-CAM++ at one layer",
        gradcam_plus_plus,
        fusion="product",
        is_offered_first=True,
    ),
    "cam": _gradient(
        "CAM", "the classic: behind a global average the same picture as Grad-CAM", cam
    ),
    "shapleycam": Method(
        "ShapleyCAM",
        "Grad-CAM that allows for how gradients change on the way",
        "second order",
        shapleycam,
    ),
    "smoothgradcam++": Method(
        "Smooth Grad-CAM++",
        "Grad-CAM++ averaged over noisy copies of the X-ray",
        "noise",
        smooth_gradcam_plus_plus,
    ),
    "fullgrad": Method(
        "FullGrad",
        "what all layers and the X-ray add, for or against; fine lines",
        "full gradient",
        fullgrad,
    ),
    "eigencam": _activation("EigenCAM", "the strongest pattern the model sees", eigencam),
    "kpcacam": _activation("KPCA-CAM", "the strongest pattern by a curved measure", kpcacam),
    "fem": _activation("FEM", "places where features are unusually strong", fem),
    "ablationcam": _slow(
        "Ablation-CAM", "what the score loses when a feature is taken away", ablationcam
    ),
    "scorecam": _slow("Score-CAM", "what the score becomes when only a region is shown", scorecam),
    "sscam": _slow("SS-CAM", "Score-CAM averaged over noise; ten times as slow", sscam),
    "iscam": _slow("IS-CAM", "Score-CAM while the region fades in; ten times as slow", iscam),
}
"""The methods by their names in Python, on the command line and in the app."""

QUICK_METHODS = tuple(name for name, method in METHODS.items() if method.is_quick)
"""The methods that run no further forward pass for a recorded image."""


def find_method(name: str) -> Method:
    """Return the method with a name.

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


SLOWEST = ("sscam", "iscam")
"""Methods that run the network ten times per channel: ten minutes for a map on a CPU."""
