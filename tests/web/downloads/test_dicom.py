"""What the page keeps of a DICOM film, and what it makes of it."""

from __future__ import annotations

import zipfile
from io import BytesIO

import gradio as gr
import numpy as np
import pytest

from cxr_gradcam import ResNet50FineTuned, explain, read_radiograph
from cxr_gradcam.bundled import example_files
from cxr_gradcam.web.controls import Controls, model_field
from cxr_gradcam.web.downloads import dicom
from cxr_gradcam.web.downloads.dicom import DicomDownload, DicomSource
from cxr_gradcam.web.downloads.handlers import DownloadHandlers
from cxr_gradcam.web.downloads.report import ReportDownload
from tests.archive.sources import file_of, source
from tests.helpers.findings import eighteen_findings

pytest.importorskip("highdicom")


@pytest.fixture(scope="module")
def film() -> bytes:
    grey = np.random.default_rng(0).integers(0, 4096, (2100, 90)).astype("<u2")
    return file_of(source(pixels=grey))  # longer than the pictures of results


def kept(data: bytes) -> DicomSource | None:
    return DicomSource.of(data, read_radiograph(data))


def objects(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(archive)) as opened:
        return {name.removesuffix(".dcm"): opened.read(name) for name in opened.namelist()}


def test_results_are_those_of_the_command_byte_for_byte(
    bundled: ResNet50FineTuned, film: bytes
) -> None:
    from cxr_gradcam.archive.identity import Algorithm
    from cxr_gradcam.archive.results import make_results

    radiograph = read_radiograph(film)
    explanation = explain(bundled, radiograph)
    part = kept(film)
    assert part is not None
    assert bundled.provenance is not None
    made = objects(part.results(explanation, bundled.provenance))
    expected = make_results(film, radiograph, explanation, Algorithm.of_weights())
    assert made == {kind: file_of(dataset) for kind, dataset in expected.items()}


def test_neither_pixel_data_nor_the_whole_picture_is_kept(film: bytes) -> None:
    part = kept(film)
    assert part is not None
    assert "PixelData" not in part.header.image
    assert part.picture.dtype == np.uint8
    assert max(part.picture.shape) == 2048


def test_nothing_is_kept_where_no_result_can_be_written(
    film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kept(example_files()[0].read_bytes()) is None
    assert kept(file_of(source(StudyInstanceUID=""))) is None
    monkeypatch.setattr(dicom, "find_spec", lambda _name: None)
    assert kept(film) is None


def test_the_button_is_there_for_films_and_models_with_a_file(
    bundled: ResNet50FineTuned, film: bytes
) -> None:
    models = {"bundled": bundled, "other": eighteen_findings()}
    with gr.Blocks():
        download = DicomDownload(models)
        controls = Controls(models, model_field(models))
        handlers = DownloadHandlers(controls, download, ReportDownload(models))
    part = kept(film)
    assert download.offers(part, "bundled")
    assert not download.offers(part, "other")
    assert not download.offers(None, "bundled")
    assert handlers.offer_dicom(None, "bundled").visible is False
    with pytest.raises(gr.Error, match="no longer on the server"):
        handlers.put_dicom(None, "bundled", None, "for", "gradcam", "fine")
