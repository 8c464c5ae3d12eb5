"""The names of the releases up to 0.1, for one release: import from `cxr_gradcam.models`."""

from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.models.stages import DETAIL, SHOWN_FIRST

__all__ = ["DETAIL", "SHOWN_FIRST", "ResNet50FineTuned"]
