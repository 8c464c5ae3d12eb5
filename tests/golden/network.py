"""A small network whose weights are the same on every machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import timm
import torch

from cxr_gradcam.models.calibration import Calibration, OperatingPoint
from cxr_gradcam.models.checkpoint import Checkpoint, save_checkpoint
from cxr_gradcam.models.preprocessing import Preprocessing

CLASSES = ("Normal", "Pneumonia", "Effusion")


def write_network(path: Path) -> Path:
    """Write the checkpoint of a small ResNet with random weights, a temperature and a threshold.

    The weights come from NumPy: torch draws others on other processors.
    """
    network = timm.create_model("test_resnet", num_classes=len(CLASSES))
    rng = np.random.default_rng(1)
    weights = {}
    for name, tensor in network.state_dict().items():
        if tensor.ndim > 1:
            spread = (2 / tensor[0].numel()) ** 0.5
            tensor = torch.from_numpy(spread * rng.standard_normal(tuple(tensor.shape)))
        if name == "fc.bias":
            tensor = torch.tensor([0.0, 0.0, 1.0])
        weights[name] = tensor.float() if tensor.is_floating_point() else tensor
    save_checkpoint(
        path,
        Checkpoint(
            weights,
            CLASSES,
            Preprocessing(64),
            calibration=Calibration(1.5, OperatingPoint("Pneumonia", 0.385, 0.38, 0.5)),
            architecture="timm:test_resnet",
        ),
    )
    return path
