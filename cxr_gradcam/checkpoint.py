"""The names of the releases up to 0.1, for one release: import from `models` and `bundled`."""

from cxr_gradcam.bundled import bundled_checkpoint, example_files
from cxr_gradcam.models.checkpoint import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    save_checkpoint,
)

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "bundled_checkpoint",
    "example_files",
    "load_checkpoint",
    "save_checkpoint",
]
