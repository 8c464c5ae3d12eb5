"""What `examine` needs of a model: the protocol that every explainable classifier fulfils."""

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
        preprocessing: how the network wants its input.
        multi_label: whether several classes can be true at once.
        finding: the class that the weights name as the finding; None where they name none.
        calibration: what validation images taught about the logits.
        ood_detector: tells images unlike those of the training; None where there is none.
        detail: the layers of a map by the detail that it shows: "coarse", and where the model has
            them "fine" and "finest".
        trained_on: the pictures that the weights were trained on, in words; "" where unknown.
        assumptions: what neither the weights nor who loaded them said, in words.
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
        """Run the network once on inputs (N, channels, H, W) and keep what maps need."""
        ...
