"""Show what a chest X-ray classifier sees, and where: a ResNet50 with Grad-CAM built in."""

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.explanation import Examination, Explanation, examine, explain
from cxr_gradcam.imaging.radiograph import Radiograph, RadiographError
from cxr_gradcam.imaging.reading import read_radiograph
from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.checkpoint import CheckpointError
from cxr_gradcam.models.importing import load_model
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

__all__ = [
    "CAM",
    "METHODS",
    "CheckpointError",
    "Examination",
    "Explanation",
    "Radiograph",
    "RadiographError",
    "ResNet50FineTuned",
    "examine",
    "explain",
    "load_model",
    "read_radiograph",
]
