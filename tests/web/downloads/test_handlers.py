"""What a visitor is told where a download cannot be made."""

from __future__ import annotations

import re

import gradio as gr
import pytest

from cxr_gradcam import ResNet50FineTuned, read_radiograph
from cxr_gradcam.bundled import example_files
from cxr_gradcam.imaging.radiograph import RadiographError
from cxr_gradcam.web.controls import Controls, model_field
from cxr_gradcam.web.downloads.dicom import DicomDownload
from cxr_gradcam.web.downloads.handlers import DownloadHandlers
from cxr_gradcam.web.downloads.report import ReportDownload
from cxr_gradcam.web.session import Session


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RadiographError("No title fits."), r"^This could not be saved\. No title fits\.$"),
        (OSError("Doe^Jane"), "^This could not be saved: [^^]* the X-ray is still open"),
    ],
)
def test_a_failed_download_says_nothing_against_the_file(
    monkeypatch: pytest.MonkeyPatch, bundled: ResNet50FineTuned, error: Exception, told: str
) -> None:
    models = {"bundled": bundled}
    with gr.Blocks():
        controls, report = Controls(models, model_field(models)), ReportDownload(models)
        handlers = DownloadHandlers(controls, DicomDownload(models), report)

    def fail(*_: object) -> str:
        raise error

    monkeypatch.setattr(report, "put", fail)
    session = Session.of(models, read_radiograph(example_files()[0]), "an id")
    with pytest.raises(gr.Error) as refused:
        handlers.put_report("{}", session, "bundled", None, "for", "gradcam", "coarse")
    assert re.search(told, refused.value.message)
