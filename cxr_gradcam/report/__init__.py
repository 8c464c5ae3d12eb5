"""One explanation as a record, and as a page to take along."""

from cxr_gradcam.report.records import record

__all__ = ["record"]
