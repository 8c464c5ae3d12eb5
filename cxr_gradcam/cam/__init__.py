"""Class activation maps for any network."""

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
from cxr_gradcam.cam.maps import fuse, upsample, weighted_sum
from cxr_gradcam.cam.methods import METHODS, QUICK_METHODS

__all__ = [
    "METHODS",
    "QUICK_METHODS",
    "eigencam",
    "eigengradcam",
    "elementwise",
    "fuse",
    "gradcam",
    "gradcam_plus_plus",
    "hirescam",
    "layercam",
    "upsample",
    "weighted_sum",
    "xgradcam",
]
