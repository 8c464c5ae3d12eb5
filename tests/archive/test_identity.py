"""Patient and study reach the results as they came, byte for byte, valid or not."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from cxr_gradcam import Explanation, Radiograph, RadiographError, read_radiograph
from cxr_gradcam.archive.destination import Destination, StoreDestination
from cxr_gradcam.archive.dicomweb import PASSWORD, USER, DicomwebArchive
from cxr_gradcam.archive.header import read_header
from cxr_gradcam.archive.identity import Algorithm
from cxr_gradcam.archive.results import KINDS, make_results, write_results
from tests.archive import servers
from tests.archive.servers import Orthanc
from tests.archive.sources import chest, file_of, source, with_bytes
from tests.archive.test_results import errors_of

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

IDENTITIES: dict[str, dict[str, bytes]] = {
    "ID of 70": {"PatientID": b"4711-" + b"7" * 65},
    "ID of 64 in two bytes each": {
        "SpecificCharacterSet": b"ISO_IR 192",
        "PatientID": "ä".encode() * 64,
    },
    "ID in two values": {"PatientID": b"4711\\4712"},
    "empty ID": {"PatientID": b"", "PatientName": b""},
    "trailing blanks": {"PatientID": b"4711  ", "PatientName": b"Doe^Jane^^  ", "StudyID": b" 1  "},
    "long name": {"PatientName": b"Doe-" * 40 + b"^Jane"},
    "two carets too many": {"PatientName": b"Doe^Jane^^^^^^X^Y"},
    "Latin-1 without character set": {"PatientName": "Döe^Jäne".encode("latin-1")},
    "Latin-1 called UTF-8": {
        "SpecificCharacterSet": b"ISO_IR 192",
        "PatientName": "Döe^Jäne".encode("latin-1"),
    },
    "unknown character set": {
        "SpecificCharacterSet": b"ISO_IR 999",
        "PatientName": "Döe^Jäne".encode(),
    },
    "Japanese": {
        "SpecificCharacterSet": b"\\ISO 2022 IR 87 ",
        "PatientName": b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
    },
    "study": {
        "StudyID": b"more than sixteen characters",
        "AccessionNumber": b"A-815 and much more than sixteen characters",
        "StudyDate": b"2024.01.05",
        "StudyTime": b"10:11 ",
        "StudyDescription": b"Chest " * 20,
        "ReferringPhysicianName": b"Miller^Ann" * 9,
    },
    "patient": {
        "IssuerOfPatientID": b"Clinic " * 12,
        "PatientBirthDate": b"3.2.1950",
        "PatientSex": b"FEMALE",
        "PatientAge": b"74",
        "OtherPatientIDs": b"1\\2",
    },
}
SYNTAXES = (
    *(ExplicitVRLittleEndian, ImplicitVRLittleEndian),
    *(ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian),
)


def in_syntax(values: dict[str, bytes], syntax: UID) -> bytes:
    """The file of a source with these values in a transfer syntax."""
    made = source()
    made.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        made.PixelData = chest().astype(">u2").tobytes()
    made = with_bytes(made, values)
    made.set_original_encoding(syntax.is_implicit_VR, syntax.is_little_endian)
    return file_of(made)


def attributes_in_error(path: Path) -> set[str]:
    """The attributes that the validator names."""
    return {name for error in errors_of(path) for name in re.findall(r"</?(\w+)\(", error)}


def values_of(data: bytes, keywords: dict[str, bytes]) -> dict[str, bytes]:
    """The bytes of attributes, without the blank that fills an odd number."""
    dataset = dcmread(BytesIO(data))
    return {keyword: dataset.get_item(keyword).value or b"" for keyword in keywords}


def padded(values: dict[str, bytes]) -> dict[str, bytes]:
    return {keyword: value + b" " * (len(value) % 2) for keyword, value in values.items()}


@pytest.fixture(scope="session")
def made_of(
    radiograph: Radiograph, explanation: Explanation, algorithm: Algorithm
) -> Callable[[bytes], dict[str, bytes]]:
    """What makes the files of results; the pictures are those of one radiograph."""

    def made(data: bytes) -> dict[str, bytes]:
        results = make_results(data, radiograph, explanation, algorithm)
        return {kind: file_of(dataset) for kind, dataset in results.items()}

    return made


@pytest.mark.parametrize("name", IDENTITIES)
def test_identity_is_copied_byte_for_byte(
    made_of: Callable[[bytes], dict[str, bytes]], name: str
) -> None:
    values = IDENTITIES[name]
    for data in made_of(file_of(with_bytes(source(), values))).values():
        assert {**values_of(data, values), "SpecificCharacterSet": b""} == {
            **padded(values),
            "SpecificCharacterSet": b"",
        }
        charset = values.get("SpecificCharacterSet", b"").decode().strip()
        found = dcmread(BytesIO(data)).get("SpecificCharacterSet") or ""
        assert (found if isinstance(found, str) else "\\".join(found)) == charset


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_identity_is_copied_out_of_every_encoding(
    made_of: Callable[[bytes], dict[str, bytes]], syntax: UID
) -> None:
    values = IDENTITIES["study"]
    for made in made_of(in_syntax(values, syntax)).values():
        assert values_of(made, values) == padded(values)


def test_items_of_sequences_are_copied_byte_for_byte(
    made_of: Callable[[bytes], dict[str, bytes]],
) -> None:
    values = {"PatientID": b"4712-" + b"7" * 65, "IssuerOfPatientID": "Größe ".encode("latin-1")}
    film = source(OtherPatientIDsSequence=[with_bytes(Dataset(), values)])
    for made in made_of(file_of(film)).values():
        (item,) = dcmread(BytesIO(made)).OtherPatientIDsSequence
        assert {name: item.get_item(name).value for name in values} == padded(values)


def test_a_result_is_as_valid_as_patient_and_study_of_its_source(
    tmp_path: Path, explanation: Explanation, algorithm: Algorithm
) -> None:
    """What else breaks the rules is left out."""
    film = source(ImagerPixelSpacing=[0.14], PatientOrientation=["LEFTWARDS"])
    film = with_bytes(film, {**IDENTITIES["patient"], "Manufacturer": b"Works " * 20})
    data = file_of(film)
    (tmp_path / "source.dcm").write_bytes(data)
    known = attributes_in_error(tmp_path / "source.dcm")
    assert {"PatientBirthDate", "PatientSex", "PatientAge"} <= known
    paths = write_results(tmp_path, data, read_radiograph(data), explanation, algorithm)
    for path in paths.values():
        assert attributes_in_error(path) <= known & IDENTITIES["patient"].keys()


def test_a_value_that_no_result_can_hold_is_refused() -> None:
    data = in_syntax({"PatientID": b"7" * 70_000}, ImplicitVRLittleEndian)
    with pytest.raises(RadiographError, match=r"PatientID has 70,000 bytes.*none are written"):
        read_header(data)


@pytest.mark.parametrize("name", ["ID of 70", "Latin-1 without character set", "study"])
@pytest.mark.parametrize("by", ["C-STORE", "STOW"])
def test_an_archive_files_them_under_the_same_patient_and_study(
    tmp_path: Path,
    orthanc: Orthanc,
    explanation: Explanation,
    algorithm: Algorithm,
    name: str,
    by: str,
) -> None:
    values = IDENTITIES[name]
    data = file_of(with_bytes(source(), values))
    assert orthanc.store(data) == "Success"
    paths = write_results(tmp_path, data, read_radiograph(data), explanation, algorithm)
    destination: Destination = StoreDestination(orthanc.title, "127.0.0.1", orthanc.dicom_port)
    if by == "STOW":
        who = {USER: servers.USER, PASSWORD: servers.PASSWORD}
        destination = DicomwebArchive(orthanc.dicomweb, who)
    delivered: list[Path] = []
    destination.send(paths.values(), delivered.append)
    assert len(delivered) == len(KINDS)
    assert len(orthanc.get("/patients")) == len(orthanc.get("/studies")) == 1
    for path in paths.values():
        (stored,) = orthanc.find(path.stem)
        file = orthanc.request("GET", f"/instances/{stored}/file").content
        assert values_of(file, values) == padded(values)
