"""What can be explained, and what travels with its weights."""

from cxr_gradcam.quick_import import import_torchvision

import_torchvision()
