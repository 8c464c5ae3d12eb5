"""Results as DICOM, downloaded from the page."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from pydicom import dcmread

from cxr_gradcam import ResNet50FineTuned, explain, read_radiograph
from cxr_gradcam.models.stages import DETAIL
from tests.archive.sources import PATIENT, file_of, source
from tests.browser.test_viewer import upload

pytest.importorskip("highdicom")


def test_what_is_shown_of_a_dicom_film_is_downloaded_as_dicom(
    page: Page, bundled: ResNet50FineTuned, xray: Path, tmp_path: Path
) -> None:
    film = tmp_path / "film.dcm"
    film.write_bytes(file_of(source()))
    button = page.get_by_role("button", name="results as DICOM")
    upload(page, film)
    expect(button).to_be_visible()
    with page.expect_download() as download:
        button.click()
    assert download.value.suggested_filename == "results-dicom.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        assert {*archive.namelist()} == {"overlay.dcm", "contours.dcm", "map.dcm", "report.dcm"}
        made = dcmread(archive.open("map.dcm"))
    assert made.StudyInstanceUID == source().StudyInstanceUID
    expected = explain(bundled, read_radiograph(film), layers=DETAIL["fine"])
    np.testing.assert_allclose(made.pixel_array / 65535, expected.heatmap, atol=1e-4)
    assert not any(word in page.content() for word in PATIENT)
    upload(page, xray)
    expect(button).to_be_hidden()
