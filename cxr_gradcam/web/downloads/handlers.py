"""Event handlers of the downloads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from cxr_gradcam.explanation import Explanation
from cxr_gradcam.web.controls import Controls
from cxr_gradcam.web.downloads.dicom import DicomDownload
from cxr_gradcam.web.downloads.report import ReportDownload
from cxr_gradcam.web.failures import GONE, not_made
from cxr_gradcam.web.session import Session


class DownloadHandlers:
    """The event handlers of the downloads; they keep no data of a visitor.

    Args:
        controls: the components of the question.
        dicom: the download of results as DICOM.
        report: the download of reports.
    """

    def __init__(self, controls: Controls, dicom: DicomDownload, report: ReportDownload) -> None:
        self._controls, self._dicom, self._report = controls, dicom, report

    def offer_dicom(self, session: Session | None, model: str) -> Any:  # noqa: ANN401 - an update
        """Show the button for results as DICOM if they can be written."""
        source = None if session is None else session.dicom
        return gr.Button(visible=self._dicom.offers(source, model))

    def put_dicom(self, session: Session | None, *values: object) -> str:
        """Make DICOM results of the current view, and return the name for fetching them."""
        source = None if session is None else session.dicom
        return self._put(session, values, lambda model, of: self._dicom.put(source, model, of))

    def put_report(self, form: str, session: Session | None, *values: object) -> str:
        """Make a report of the current view, and return the name for fetching it.

        Args:
            form: the filled form and the panels for `ReportDownload.put`; "" if the reader
                cancelled.
            session: the open radiograph.
            values: values of the controls.
        """
        if not form:
            return ""
        return self._put(session, values, lambda model, of: self._report.put(form, model, of))

    def _put(
        self,
        session: Session | None,
        values: Sequence[object],
        put: Callable[[str, Explanation], str],
    ) -> str:
        if session is None:
            raise gr.Error(GONE, print_exception=False)
        asked = self._controls.question_of(*values)
        try:
            return put(asked.model, session.answer(asked))
        except Exception as error:
            raise gr.Error(not_made(error), print_exception=False) from error
