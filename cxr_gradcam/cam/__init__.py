"""Class activation maps for any network."""

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
from cxr_gradcam.cam.maps import fuse, upsample, weighted_sum
from cxr_gradcam.cam.methods import METHODS, QUICK_METHODS
from cxr_gradcam.cam.pattern_methods import eigencam, eigengradcam, fem, kpcacam, segeigencam

__all__ = [
    "METHODS",
    "QUICK_METHODS",
    "cam",
    "eigencam",
    "eigengradcam",
    "elementwise",
    "fem",
    "fullgrad",
    "fuse",
    "gradcam",
    "gradcam_plus_plus",
    "hirescam",
    "kpcacam",
    "layercam",
    "segeigencam",
    "shapleycam",
    "smooth_gradcam_plus_plus",
    "upsample",
    "weighted_sum",
    "xgradcam",
]
