"""Models that can be explained, and the data stored with their weights."""

from cxr_gradcam.quick_import import import_torchvision

import_torchvision()
