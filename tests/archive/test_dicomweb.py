"""DICOMweb against a real archive: images out of it, results into it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, JPEGLSLossless

from cxr_gradcam import read_radiograph
from cxr_gradcam.archive.destination import SendError
from cxr_gradcam.archive.dicomweb import (
    PASSWORD,
    TOKEN,
    USER,
    DicomwebArchive,
    DicomwebError,
)
from cxr_gradcam.archive.results import KINDS, write_object
from tests.archive import servers
from tests.archive.servers import Orthanc
from tests.archive.sources import PATIENT, bare_source, file_of, source

WHO = {USER: servers.USER, PASSWORD: servers.PASSWORD}


@pytest.fixture
def archive(orthanc: Orthanc) -> DicomwebArchive:
    return DicomwebArchive(orthanc.dicomweb, WHO)


def compressed() -> Dataset:
    film = source("compressed", AccessionNumber="B-1")
    film.compress(JPEGLSLossless, generate_instance_uid=False)
    return film


def test_images_are_found_by_study_and_by_query(orthanc: Orthanc, archive: DicomwebArchive) -> None:
    film, computed = source(), bare_source()
    computed.StudyInstanceUID = "2.25.77"
    computed.StudyDate = "20230101"
    for other in (film, computed, source("ct", SOPClassUID=CTImageStorage, Modality="CT")):
        assert orthanc.store(file_of(other)) == "Success"
    names = (film.StudyInstanceUID, film.SeriesInstanceUID, film.SOPInstanceUID)
    assert [*archive.images(film.StudyInstanceUID)] == [names]
    assert len([*archive.images()]) == 2
    (found,) = archive.images(query={"StudyDate": "20230101-20231231"})
    assert found[2] == computed.SOPInstanceUID
    assert [*archive.images("2.25.404")] == []


def test_an_image_comes_as_it_is_stored(orthanc: Orthanc, archive: DicomwebArchive) -> None:
    film = compressed()
    orthanc.store(file_of(film))
    (names,) = archive.images(film.StudyInstanceUID)
    fetched = archive.fetch(*names)
    expected = read_radiograph(file_of(film)).pixels
    assert (read_radiograph(fetched).pixels == expected).all()
    assert JPEGLSLossless.encode() in fetched


def test_results_are_stored_once(
    orthanc: Orthanc, archive: DicomwebArchive, tmp_path: Path, results: dict[str, Dataset]
) -> None:
    files = [tmp_path / f"{kind}.dcm" for kind in KINDS]
    for path, kind in zip(files, KINDS, strict=True):
        write_object(path, results[kind])
    for _ in range(2):
        delivered: list[Path] = []
        archive.send(files, delivered.append)
        assert delivered == files
    assert len(orthanc.get("/instances")) == len(KINDS)
    for made in results.values():
        assert orthanc.find(made.SOPInstanceUID)


def test_without_the_right_password_nothing_is_had(orthanc: Orthanc) -> None:
    for environment in ({}, {USER: servers.USER, PASSWORD: "wrong"}, {TOKEN: "abc"}):
        archive = DicomwebArchive(orthanc.dicomweb, environment)
        with pytest.raises(DicomwebError, match=r"status 401.*DICOMWEB_TOKEN"):
            [*archive.images()]


def test_a_token_is_sent_as_a_bearer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def answer(_self: Any, request: Any, **_options: Any) -> Any:
        asked.append(request)
        raise ConnectionError

    monkeypatch.setattr("requests.adapters.HTTPAdapter.send", answer)
    archive = DicomwebArchive("http://127.0.0.1:9/dicom-web", {TOKEN: "abc", USER: "somebody"})
    with pytest.raises(DicomwebError):
        [*archive.images()]
    assert asked[0].headers["Authorization"] == "Bearer abc"


def test_an_archive_that_is_away_is_told_without_the_patient(
    tmp_path: Path, results: dict[str, Dataset], caplog: pytest.LogCaptureFixture
) -> None:
    archive = DicomwebArchive(f"http://127.0.0.1:{servers.free_port()}/dicom-web", {})
    write_object(tmp_path / "map.dcm", results["map"])
    with caplog.at_level(logging.INFO):
        with pytest.raises(SendError) as caught:
            archive.send([tmp_path / "map.dcm"], lambda _: None)
        with pytest.raises(DicomwebError, match="no answer"):
            [*archive.images()]
    assert caught.value.concerns_all
    for word in (*PATIENT, str(source().StudyInstanceUID)):
        assert word not in caplog.text + str(caught.value)


def test_what_is_no_url_is_refused() -> None:
    with pytest.raises(DicomwebError, match="write its URL"):
        DicomwebArchive("archive.local", {})
