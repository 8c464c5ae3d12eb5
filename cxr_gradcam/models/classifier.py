"""The protocol that a model must fulfil to be explained by `examine`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.calibration import Calibration
from cxr_gradcam.models.ood import OODDetector
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.provenance import Provenance


@runtime_checkable
class Classifier(Protocol):
    """A classifier whose forward pass can be recorded and explained.

    Attributes:
        class_names: the C classes, in the order of the logits.
        preprocessing: how the network's input is made.
        multi_label: whether several classes can be true at once.
        finding: the class that the weights name as the finding; None if they name none.
        calibration: parameters fitted to the logits of validation images.
        ood_detector: detects images unlike the training images; None if there is no detector.
        detail: the layers of a map for each level of detail: "coarse" and, if the model has them,
            "fine" and "finest".
        trained_on: the pictures that the weights were trained on, in words; "" if unknown.
        assumptions: settings that were assumed when the weights were loaded, in words.
        provenance: where the weights come from; None for a network that was not loaded here.
    """

    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    multi_label: bool
    finding: str | None
    calibration: Calibration
    ood_detector: OODDetector | None
    detail: Mapping[str, tuple[str, ...]]
    trained_on: str
    assumptions: tuple[str, ...]
    provenance: Provenance | None

    def prepare(self, radiograph: Radiograph) -> Tensor:
        """Return the network's input (1, channels, size, size), on its device."""
        ...

    def record(self, x: Tensor, layers: Sequence[nn.Module | str] | None = None) -> ForwardPass:
        """Run the network once on inputs (N, channels, H, W) and record what maps need."""
        ...
