"""Anybody's weights: other people's files and libraries' names."""

from cxr_gradcam.models.importing.converting import convert
from cxr_gradcam.models.importing.loading import load_model

__all__ = ["convert", "load_model"]
