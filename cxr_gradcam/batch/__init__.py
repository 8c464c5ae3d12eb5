"""Explain many files; one that fails does not stop the others."""

from cxr_gradcam.batch.analysis import Analysis
from cxr_gradcam.batch.files import explain_files
from cxr_gradcam.batch.pictures import Pictures
from cxr_gradcam.batch.sources import find_sources
from cxr_gradcam.batch.table import Table

__all__ = ["Analysis", "Pictures", "Table", "explain_files", "find_sources"]
