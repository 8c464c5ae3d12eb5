"""A classifier of eighteen findings that answers at once: random weights, several true at once."""

import torch
from torch import nn

from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.preprocessing import Preprocessing

FINDINGS = (
    "Atelectasis",
    "Consolidation",
    "Infiltration",
    "Pneumothorax",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Effusion",
    "Pneumonia",
    "Pleural Thickening",
    "Cardiomegaly",
    "Nodule",
    "Mass",
    "Hernia",
    "Lung Lesion",
    "Fracture",
    "Lung Opacity",
    "Enlarged Cardiomediastinum",
)


def eighteen_findings(seed: int = 0) -> CAM:
    """Build the classifier; some of its findings are above one half, some below."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=4, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, len(FINDINGS)),
    ).eval()
    nn.init.normal_(network[-1].weight, std=2.0)
    return CAM(
        network,
        class_names=FINDINGS,
        preprocessing=Preprocessing(64, (0.5,), (0.25,)),
        multi_label=True,
    )
