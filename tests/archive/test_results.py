"""Results as DICOM: valid for other people's tools, exact, repeatable, silent on the patient."""

from __future__ import annotations

import dataclasses
import logging
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from cxr_gradcam import Explanation, Radiograph, RadiographError, read_radiograph
from cxr_gradcam.anatomy.zones import Place, Zone
from cxr_gradcam.archive.header import read_header
from cxr_gradcam.archive.identity import Algorithm
from cxr_gradcam.archive.results import KINDS, make_results, write_results
from cxr_gradcam.archive.structured_report import place_code
from cxr_gradcam.imaging.rendering import as_rgb, overlay
from tests.archive.servers import Orthanc, need, run
from tests.archive.sources import PATIENT, bare_source, chest, file_of, source


def errors_of(path: Path) -> list[str]:
    said = run("dciodvfy", "-new", path)
    return [line for line in said.stderr.splitlines() if line.startswith("Error")]


def changed(explanation: Explanation, **values: Any) -> Explanation:
    """An explanation with other values, wherever they stand in it."""
    parts = {}
    for name in ("question", "prediction"):
        part = getattr(explanation, name)
        own = {field.name for field in dataclasses.fields(part)} & values.keys()
        parts[name] = dataclasses.replace(part, **{key: values[key] for key in own})
    return dataclasses.replace(explanation, **parts)


def written(
    folder: Path, dataset: Dataset, explanation: Explanation, algorithm: Algorithm
) -> dict[str, Path]:
    data = file_of(dataset)
    return write_results(folder, data, read_radiograph(data), explanation, algorithm)


def test_the_same_run_writes_the_same_files(
    tmp_path: Path,
    film: bytes,
    radiograph: Radiograph,
    explanation: Explanation,
    algorithm: Algorithm,
) -> None:
    first, second = (
        write_results(tmp_path / name, film, radiograph, explanation, algorithm)
        for name in ("first", "second")
    )
    assert [*first] == [*second] == [*KINDS]
    for kind in KINDS:
        assert first[kind].name == second[kind].name
        assert first[kind].read_bytes() == second[kind].read_bytes()
    assert len(set(tmp_path.rglob("*"))) == 2 + 2 * len(KINDS)


@pytest.mark.parametrize(
    "change", ["image", "weights", "class", "method", "contrast", "against", "fusion"]
)
def test_another_image_model_or_question_has_identifiers_of_its_own(
    results: dict[str, Dataset], explanation: Explanation, algorithm: Algorithm, change: str
) -> None:
    film = file_of(source("b" if change == "image" else "a"))
    if change == "weights":
        algorithm = dataclasses.replace(algorithm, checksum="0" * 64)
    asked = {
        "class": {"class_name": "Normal"},
        "method": {"method": "layercam"},
        "contrast": {"contrast_with": "Normal"},
        "against": {"against": True},
        "fusion": {"fusion": "max"},
    }.get(change, {})
    explanation = changed(explanation, **asked)
    others = make_results(film, read_radiograph(film), explanation, algorithm)
    for level in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert not {made[level].value for made in results.values()} & {
            made[level].value for made in others.values()
        }


def test_results_belong_to_the_patient_and_the_study_of_the_source(
    results: dict[str, Dataset],
) -> None:
    film = source()
    for made in results.values():
        for keyword in (
            *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge"),
            *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription"),
            *("AccessionNumber", "ReferringPhysicianName"),
        ):
            assert made[keyword].value == film[keyword].value
        assert made.SeriesInstanceUID != film.SeriesInstanceUID
        assert (made.ContentDate, made.ContentTime) == ("20240105", "101500.25")
    series = {kind: results[kind].SeriesInstanceUID for kind in KINDS}
    assert series["overlay"] == series["contours"]
    assert len({*series.values()}) == 3
    assert len({made.SOPInstanceUID for made in results.values()}) == 4


def test_equipment_is_the_software_and_the_detector_contributed(
    results: dict[str, Dataset], algorithm: Algorithm
) -> None:
    for made in results.values():
        assert made.Manufacturer == "cxr_gradcam"
        assert made.ManufacturerModelName == "cxr_resnet50"
        assert made.DeviceSerialNumber == algorithm.checksum[:16]
        assert list(made.SoftwareVersions) == [algorithm.version, algorithm.checksum]
        (detector,) = made.ContributingEquipmentSequence
        assert (detector.Manufacturer, detector.ManufacturerModelName) == ("Detector Works", "D1")
        assert detector.PurposeOfReferenceCodeSequence[0].CodeMeaning == "Acquisition Equipment"


def test_images_refer_to_their_source(results: dict[str, Dataset]) -> None:
    film = source()
    for kind in ("overlay", "contours", "map"):
        (item,) = results[kind].SourceImageSequence
        assert item.ReferencedSOPInstanceUID == film.SOPInstanceUID
        assert item.ReferencedSOPClassUID == film.SOPClassUID
        (series,) = results[kind].ReferencedSeriesSequence
        assert series.SeriesInstanceUID == film.SeriesInstanceUID


def test_the_report_says_what_was_found_by_what_and_on_which_image(
    results: dict[str, Dataset], explanation: Explanation, algorithm: Algorithm
) -> None:
    report = highdicom.sr.Comprehensive3DSR.from_dataset(results["report"])
    groups = report.content.get_image_measurement_groups()
    finding, other = groups
    assert finding.finding_type.meaning == "Pneumonia"
    assert other.finding_type.meaning == "Normal"
    for group in groups:
        (probability,) = group.get_measurements()
        share = explanation.probabilities[group.finding_type.meaning]
        assert probability.value == pytest.approx(100 * share, abs=1e-4)
        (image,) = group.source_images
        assert image.referenced_sop_instance_uid == source().SOPInstanceUID
        (site,) = group.finding_sites
        assert site.value.meaning == "Chest"
    said = (item.value.meaning for item in finding.get_qualitative_evaluations())
    verdict, resemblance, hottest = said
    assert verdict == explanation.verdict
    assert resemblance == "like the X-rays that the model was trained on"
    assert explanation.place is not None
    assert hottest == explanation.place.words  # the file names the sides
    assert len(other.get_qualitative_evaluations()) == 0
    procedures = [
        item.ConceptCodeSequence[0].CodeMeaning
        for item in results["report"].ContentSequence
        if item.ConceptNameCodeSequence[0].CodeMeaning == "Procedure reported"
    ]
    assert procedures == ["Plain X-ray of chest"]
    text = results["report"].to_json()
    for fact in ("cxr_resnet50", algorithm.version, algorithm.checksum, "Method: gradcam"):
        assert fact in text
    assert results["map"].SOPInstanceUID in text


def test_the_place_of_a_map_fits_into_a_code() -> None:
    words = "lung, middle zone (image right, the patient's left in the usual view)"
    code = place_code(Place(Zone.MIDDLE, "left", words, 0.5))
    assert code.value == "MIDDLE-LEFT"
    assert code.meaning == "lung, middle zone (image right, the patient's left, usual view)"
    assert len(code.meaning) <= 64
    assert place_code(Place(Zone.BELOW, None, "below the diaphragm", 0.0)).value == "BELOW"


def test_a_map_comes_back_as_it_was(results: dict[str, Dataset], explanation: Explanation) -> None:
    stored = results["map"]
    (mapping,) = stored.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    restored = stored.pixel_array * mapping.RealWorldValueSlope + mapping.RealWorldValueIntercept
    np.testing.assert_allclose(restored, explanation.heatmap, atol=0.5001 / 65535, rtol=0)
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "1"
    meaning = mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0].CodeMeaning
    assert meaning == "Gradient-weighted class activation"


def test_another_library_reads_the_map(
    tmp_path: Path, results: dict[str, Dataset], explanation: Explanation
) -> None:
    results["map"].save_as(tmp_path / "map.dcm", enforce_file_format=True)
    image = highdicom.imread(tmp_path / "map.dcm")
    values = image.get_frame(1, apply_real_world_transform=True)
    np.testing.assert_allclose(values, explanation.heatmap, atol=1 / 65535, rtol=0)


def test_the_overlay_is_what_python_draws(explanation: Explanation, algorithm: Algorithm) -> None:
    size = 704
    film = file_of(source("large", chest(size=size)))
    large = read_radiograph(film)
    heatmap = np.zeros(large.pixels.shape, np.float32)
    heatmap[300:400, 200:500] = np.linspace(0, 1, 300, dtype=np.float32)
    explanation = dataclasses.replace(explanation, heatmap=heatmap)
    made = make_results(film, large, explanation, algorithm)
    drawn = made["overlay"].pixel_array
    rows = large.pixels.shape[0]
    below_the_sentence = slice(size // 10, rows)
    expected = overlay(as_rgb(large.pixels), heatmap)
    np.testing.assert_array_equal(drawn[below_the_sentence], expected[below_the_sentence])
    assert (drawn[: size // 10] != expected[: size // 10]).any(), "the sentence is burnt in"
    assert drawn[rows:].any(), "a legend is below"


def test_contours_run_where_the_map_reaches_half_three_quarters_and_nine_tenths(
    explanation: Explanation, algorithm: Algorithm
) -> None:
    film = file_of(source("large", chest(size=704)))
    radiograph = read_radiograph(film)
    rows, columns = radiograph.pixels.shape
    ramp = np.tile(np.linspace(0, 1, columns, dtype=np.float32), (rows, 1))
    made = make_results(film, radiograph, dataclasses.replace(explanation, heatmap=ramp), algorithm)
    drawn = made["contours"].pixel_array[:rows].astype(int)
    is_line = (drawn != as_rgb(radiograph.pixels)).any(axis=-1)
    crossed = np.flatnonzero(is_line[rows // 2])
    for share in (0.5, 0.75, 0.9):
        assert min(abs(crossed - share * (columns - 1))) <= 1
    assert not is_line[rows // 2, : columns // 2 - 2].any()


def test_large_and_small_images_get_pictures_fit_for_a_screen(
    explanation: Explanation, algorithm: Algorithm
) -> None:
    for shape in ((3000, 2400), (60, 200)):
        film = file_of(source("size", np.zeros(shape, "<u2") + 7))
        blank = dataclasses.replace(explanation, heatmap=np.zeros(shape, np.float32), peak=0.0)
        made = make_results(film, read_radiograph(film), blank, algorithm)
        assert (made["map"].Rows, made["map"].Columns) == shape
        for kind in ("overlay", "contours"):
            assert 320 <= made[kind].Columns <= 2048
            assert made[kind].Rows <= 2400


SOURCES = {
    "detector": source,
    "bare": bare_source,
    "Latin-1": lambda: source(SpecificCharacterSet="ISO_IR 100", PatientName="Döe^Jäne"),
    "Japanese": lambda: source(
        SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="Yamada^Tarou=山田^太郎"
    ),
    "turned": lambda: source(PatientOrientation=["F", "R"]),
    "burnt in": lambda: source(BurnedInAnnotation="YES"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_validator_finds_no_error(
    tmp_path: Path, explanation: Explanation, algorithm: Algorithm, name: str
) -> None:
    need("dciodvfy")
    for path in written(tmp_path, SOURCES[name](), explanation, algorithm).values():
        assert errors_of(path) == []


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": None, "finding": None, "ood_score": None},
        {"ood_score": 3.0},
        {"method": "scorecam", "against": True, "contrast_with": "Normal"},
        {"method": "eigencam"},
        {"probabilities": {f"Verschattung der Größe {n}": 0.5 for n in range(18)}},
    ],
)
def test_a_validator_finds_no_error_whatever_was_asked(
    tmp_path: Path, explanation: Explanation, algorithm: Algorithm, change: dict
) -> None:
    if "probabilities" in change:
        change |= {"class_name": "Verschattung der Größe 3", "finding": None, "verdict": None}
    other = changed(explanation, **change)
    for path in written(tmp_path, source(), other, algorithm).values():
        assert errors_of(path) == []


def test_dcmtk_reads_everything(tmp_path: Path, results: dict[str, Dataset]) -> None:
    for kind, made in results.items():
        path = tmp_path / f"{kind}.dcm"
        made.save_as(path, enforce_file_format=True)
        dumped = run("dcmdump", path)
        assert (dumped.returncode, dumped.stderr) == (0, "")
        if kind != "report":
            assert run("dcm2pnm", "+on", path, tmp_path / f"{kind}.png").returncode == 0
            assert (tmp_path / f"{kind}.png").stat().st_size > 1000
    shown = run("dsrdump", tmp_path / "report.dcm")
    assert (shown.returncode, shown.stderr) == (0, "")
    for fact in ('"Pneumonia"', '"Probability"', "99CXRGRADCAM", "Visual explanation", "DX image"):
        assert fact in shown.stdout


def test_orthanc_stores_and_serves_them_once(
    orthanc: Orthanc,
    tmp_path: Path,
    film: bytes,
    radiograph: Radiograph,
    explanation: Explanation,
    algorithm: Algorithm,
) -> None:
    assert orthanc.store(film) == "Success"
    for expected in ("Success", "AlreadyStored"):
        paths = write_results(tmp_path, film, radiograph, explanation, algorithm)
        assert [orthanc.store(path.read_bytes()) for path in paths.values()] == [expected] * 4
    assert len(orthanc.get("/studies")) == 1
    assert len(orthanc.get("/instances")) == 5
    for path in paths.values():
        (name,) = orthanc.find(path.stem)
        assert orthanc.request("GET", f"/instances/{name}/file").content == path.read_bytes()
    (name,) = orthanc.find(paths["overlay"].stem)
    preview = orthanc.request("GET", f"/instances/{name}/preview").raise_for_status()
    assert preview.headers["content-type"] == "image/png"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"PatientName": "Doe Jane"},
        {"PatientBirthDate": "19500203-", "AccessionNumber": "A-815" * 9},
    ],
)
def test_nothing_of_the_patient_is_said(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    explanation: Explanation,
    algorithm: Algorithm,
    attributes: dict[str, str],
) -> None:
    data = file_of(source(**attributes))
    caplog.clear()
    with warnings.catch_warnings(record=True) as warned, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        paths = write_results(tmp_path, data, read_radiograph(data), explanation, algorithm)
    assert any("Doe" in str(dcmread(path).PatientName) for path in paths.values())
    said = [caplog.text, *capfd.readouterr(), *map(str, warned), *map(str, paths.values())]
    for word in PATIENT:
        assert not any(word in text for text in said)


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_an_image_that_cannot_be_referred_to_is_refused(keyword: str) -> None:
    film = source()
    setattr(film, keyword, "")
    with pytest.raises(RadiographError, match=f"no valid {keyword}"):
        read_header(file_of(film))


def test_a_damaged_header_is_refused_without_its_values() -> None:
    data = file_of(source()).replace(b"\x10\x00\x10\x00PN\x08\x00", b"\x10\x00\x10\x00PN\xff\xff")
    with pytest.raises(RadiographError) as caught:
        read_header(data)
    assert "Doe" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_data_set_without_preamble_has_results_too() -> None:
    film, stream = source(), BytesIO()
    del film.file_meta
    film.save_as(stream, implicit_vr=True, little_endian=True)
    header = read_header(stream.getvalue())
    assert header.image.SOPInstanceUID == film.SOPInstanceUID
    made = Dataset()
    header.identify(made)
    assert made.PatientName == "Doe^Jane"


def test_only_a_dicom_image_has_dicom_results(
    explanation: Explanation, algorithm: Algorithm, xray: Path
) -> None:
    with pytest.raises(RadiographError, match="received PNG"):
        make_results(xray.read_bytes(), read_radiograph(xray), explanation, algorithm)
