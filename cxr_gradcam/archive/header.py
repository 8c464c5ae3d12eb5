"""The full header of a source image, and what a result takes over from it."""

from __future__ import annotations

import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from pydicom import config, dcmread
from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pydicom.valuerep import validate_value

from cxr_gradcam.imaging.dicom.file import is_dicom
from cxr_gradcam.imaging.radiograph import RadiographError

# PS3.3 C.7.1.1, C.7.2.1 and C.7.2.2: what describes the patient and the study
_PATIENT_AND_STUDY = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientBirthTime"),
    *("PatientSex", "OtherPatientIDsSequence", "EthnicGroup", "PatientComments"),
    *("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence"),
    *("StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "StudyDescription"),
    *("AccessionNumber", "IssuerOfAccessionNumberSequence", "ReferringPhysicianName"),
    *("ProcedureCodeSequence", "PatientAge", "PatientSize", "PatientWeight"),
)
_REFERENCE = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID")
_IMAGE = (
    *("SpecificCharacterSet", "TimezoneOffsetFromUTC", "BurnedInAnnotation", "PatientOrientation"),
    *("ContentDate", "ContentTime", "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime"),
    *("SeriesDate", "SeriesTime", "ImagerPixelSpacing", "PixelSpacing", "Rows", "Columns"),
    "BodyPartExamined",
    *("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions"),
    *("InstitutionName", "StationName", "Modality"),
)
# PS3.3: type 2 of these modules, which a result carries even where the source lacks them
_TYPE_2 = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate"),
    *("StudyTime", "AccessionNumber", "ReferringPhysicianName"),
)
# What else these have to be (PS3.3), each value and how many
_TERMS = {
    "PatientSex": (r"[MFO]", 1),
    "PatientIdentityRemoved": (r"YES|NO", 1),
    "BurnedInAnnotation": (r"YES|NO", 1),
    "PatientOrientation": (r"[LRAPHF]{1,3}", 2),
    "ImagerPixelSpacing": (r"0*[1-9].*|.*\.0*[1-9].*", 2),
    "PixelSpacing": (r"0*[1-9].*|.*\.0*[1-9].*", 2),
}
_LIBRARIES = ("pydicom", "highdicom", "highdicom.base", "highdicom.sr.templates")
_suppression_lock = threading.RLock()


@contextmanager
def suppress_library_messages() -> Iterator[None]:
    """Keep what libraries would warn of a header, with its values, out of logs and warnings.

    One thread at a time is inside.
    """
    loggers = [logging.getLogger(name) for name in _LIBRARIES]
    with _suppression_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = [logger.disabled for logger in loggers]
        for logger in loggers:
            logger.disabled = True
        try:
            yield
        finally:
            for logger, disabled in zip(loggers, before, strict=True):
                logger.disabled = disabled


def read_header(data: bytes) -> Dataset:
    """Read what results take over from the header of a radiograph.

    Values that break the rules of their value representation would make a result that is no valid
    DICOM, and are left out.

    Args:
        data: a DICOM file that `read_dicom` has read, and so is of bounded size.

    Returns:
        The attributes of patient, study, equipment and image; those of type 2 may be empty.

    Raises:
        RadiographError: the header is damaged, or does not name image, series and study.
    """
    try:
        with suppress_library_messages():
            if not is_dicom(data):
                data = bytes(128) + b"DICM" + data.removeprefix(b"DICM")
            dataset = dcmread(
                BytesIO(data),
                stop_before_pixels=True,
                specific_tags=[*_PATIENT_AND_STUDY, *_REFERENCE, *_IMAGE],
            )
            return _tidied(dataset)
    except RadiographError:
        raise
    except Exception:
        # Its message, or that of its cause, could hold a value of the header.
        raise RadiographError("The DICOM header is damaged. Export the image again.") from None


def _tidied(dataset: Dataset) -> Dataset:
    charset = _character_set(dataset)
    tidy = Dataset()
    for keyword in (*_PATIENT_AND_STUDY, *_REFERENCE, *_IMAGE):
        if keyword in dataset and _is_valid(dataset[keyword]):
            tidy[keyword] = dataset[keyword]
    if charset is None:
        tidy.pop("SpecificCharacterSet", None)
    for keyword in (*_REFERENCE, "StudyInstanceUID"):
        if not UID(str(tidy.get(keyword, ""))).is_valid:
            raise RadiographError(
                f"The DICOM file has no valid {keyword}, so that no result can refer to it. "
                "Export the image again."
            )
    for keyword in _TYPE_2:
        if keyword not in tidy:
            setattr(tidy, keyword, None)
    return tidy


def _character_set(dataset: Dataset) -> object:
    """Find the character set; an unknown one is replaced by that of most of Europe."""
    charset = dataset.get("SpecificCharacterSet")
    if not charset:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            convert_encodings(charset)
    except (LookupError, ValueError, UserWarning):
        dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.decode()
    return dataset.SpecificCharacterSet


def _is_valid(element: DataElement) -> bool:
    if element.VR == "SQ":
        return all(_is_valid(inner) for item in element.value for inner in item)
    values = list(element.value) if element.VM > 1 else [element.value]
    try:
        for value in values:
            validate_value(str(element.VR), value, config.RAISE)
    except (TypeError, ValueError):
        return False
    return element.is_empty or _is_among_terms(element.keyword, values)


def _is_among_terms(keyword: str, values: list[object]) -> bool:
    pattern, count = _TERMS.get(keyword, (".*", len(values)))
    return len(values) == count and all(
        re.fullmatch(pattern, str(value), re.DOTALL) for value in values
    )
