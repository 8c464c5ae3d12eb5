"""Many files: each is explained, and one that fails does not stop the others."""

from cxr_gradcam.batch.files import explain_files

__all__ = ["explain_files"]
