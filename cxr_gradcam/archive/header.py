"""The header of a source instance: attributes that results copy or use."""

from __future__ import annotations

import logging
import re
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import cast

from pydicom import config
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, STR_VR, validate_value

from cxr_gradcam.imaging.decompression import decompress
from cxr_gradcam.imaging.dicom.file import open_data_set
from cxr_gradcam.imaging.radiograph import RadiographError

Element = DataElement | RawDataElement

# PS3.3 C.7.1.1, C.7.2.1 and C.7.2.2: patient and study, and the character set of their values
_PATIENT_AND_STUDY = (
    *("SpecificCharacterSet", "PatientName", "PatientID", "IssuerOfPatientID", "TypeOfPatientID"),
    *("IssuerOfPatientIDQualifiersSequence", "PatientBirthDate", "PatientBirthTime", "PatientSex"),
    *("OtherPatientIDs", "OtherPatientIDsSequence", "OtherPatientNames", "EthnicGroup"),
    *("PatientComments", "PatientIdentityRemoved", "DeidentificationMethod"),
    *("DeidentificationMethodCodeSequence", "StudyInstanceUID", "StudyID", "StudyDate"),
    *("StudyTime", "StudyDescription", "AccessionNumber", "IssuerOfAccessionNumberSequence"),
    *("ReferringPhysicianName", "ProcedureCodeSequence", "PatientAge", "PatientSize"),
    "PatientWeight",
)
# PS3.3: type 2 of these modules, which a result has even if the source lacks them
_TYPE_2 = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate"),
    *("StudyTime", "AccessionNumber", "ReferringPhysicianName"),
)
_EQUIPMENT = (
    *("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions"),
    *("InstitutionName", "StationName"),
)
_UIDS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
_IMAGE = (
    *("TimezoneOffsetFromUTC", "BurnedInAnnotation", "PatientOrientation"),
    *("ContentDate", "ContentTime", "AcquisitionDate", "AcquisitionTime", "SeriesDate"),
    *("SeriesTime", "StudyDate", "StudyTime", "ImagerPixelSpacing", "PixelSpacing", "Modality"),
)
# Further conditions (PS3.3): on each value, and on the number of values
_TERMS = {
    "BurnedInAnnotation": (r"YES|NO", 1),
    "PatientOrientation": (r"[LRAPHF]{1,3}", 2),
    "ImagerPixelSpacing": (r"0*[1-9].*|.*\.0*[1-9].*", 2),
    "PixelSpacing": (r"0*[1-9].*|.*\.0*[1-9].*", 2),
}
# PS3.5 7.1.2: the length of most value representations has 16 bits, and is even
_LONGEST = 2**16 - 2
_PIXEL_GROUP = 0x7FE0

_LIBRARIES = ("pydicom", "highdicom", "highdicom.base", "highdicom.sr.templates")
_suppression_lock = threading.RLock()


@dataclass(frozen=True, eq=False)
class SourceHeader:
    """The attributes that results take from the header of their source instance.

    Attributes:
        patient_and_study: the attributes of patient and study, with the unchanged bytes of their
            values, valid or not.
        equipment: the attributes of the equipment that made the image; invalid values are absent.
        image: UIDs, dates, spacing and orientation of the image, decoded; invalid values are
            absent, the UIDs are always present.
        body_part: Body Part Examined in upper case; empty if the source names none.
    """

    patient_and_study: tuple[Element, ...]
    equipment: tuple[Element, ...]
    image: Dataset
    body_part: str

    def identify(self, made: Dataset) -> None:
        """Put the attributes of patient and study into a finished result.

        They replace elements with the same tags. Afterwards the result must be written without
        access to these attributes, since reading one would decode it.

        Args:
            made: the result.
        """
        correct_ambiguous_vr(made, True)
        _add_as_they_came(made, self.patient_and_study)

    def source_equipment(self) -> Dataset:
        """Return the equipment as an item of a sequence; empty if the source names none."""
        item = Dataset()
        _add_as_they_came(item, self.equipment)
        return item


@contextmanager
def suppress_library_messages() -> Iterator[None]:
    """Keep warnings of DICOM libraries, which quote header values, out of logs.

    Only one thread at a time can be inside.
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


def read_header(data: bytes) -> SourceHeader:
    """Read the attributes that results take from the header of a radiograph.

    Args:
        data: a DICOM file that `read_dicom` has read, so its size is limited.

    Returns:
        The header. Attributes of type 2 that the source lacks are present without a value.

    Raises:
        RadiographError: the header is damaged, lacks a UID of image, series or study, or has a
            value that cannot be stored unchanged in a result.
    """
    try:
        with suppress_library_messages():
            _, stream, syntax = open_data_set(decompress(data))
            return _header(_read_elements(stream, syntax))
    except RadiographError:
        raise
    except Exception:
        # Its message, or that of its cause, could hold a value of the header.
        raise RadiographError(
            "The DICOM header is damaged, so no results can be written. "
            "Send the instance as the modality or the archive stored it."
        ) from None


def _read_elements(stream: BytesIO, syntax: UID) -> Dataset:
    keywords = (*_PATIENT_AND_STUDY, *_EQUIPMENT, *_UIDS, *_IMAGE, "BodyPartExamined")
    return read_dataset(
        stream,
        syntax.is_implicit_VR,
        syntax.is_little_endian,
        stop_when=lambda tag, *_: tag.group == _PIXEL_GROUP,
        specific_tags=[Tag(keyword) for keyword in keywords],
    )


def _header(dataset: Dataset) -> SourceHeader:
    identity = [_as_it_came(dataset, Tag(name)) for name in _PATIENT_AND_STUDY if name in dataset]
    missing = [name for name in _TYPE_2 if name not in dataset]
    identity += [DataElement(name, dictionary_VR(name), "") for name in missing]
    equipment = [
        copied
        for name in _EQUIPMENT
        if name in dataset
        for copied in [_as_it_came(dataset, Tag(name))]
        if _is_valid(dataset[name]) and not dataset[name].is_empty
    ]
    image = Dataset()
    for name in (*_UIDS, *_IMAGE):
        if name in dataset and _is_valid(dataset[name]):
            image[name] = dataset[name]
    _require_uids(image)
    body_part = str(dataset.get("BodyPartExamined") or "").strip().upper()
    return SourceHeader(tuple(identity), tuple(equipment), image, body_part)


def _require_uids(image: Dataset) -> None:
    for keyword in _UIDS:
        if not UID(str(image.get(keyword, ""))).is_valid:
            raise RadiographError(
                f"The DICOM file has no valid {keyword}: results could not refer to it, so none "
                "are written. Send the instance as the modality or the archive stored it."
            )


def _as_it_came(dataset: Dataset, tag: BaseTag) -> Element:
    """Return an element for explicit VR little endian, with the unchanged bytes of its value.

    An odd number of bytes is padded (PS3.5 6.2). A value that is neither text nor a sequence is
    decoded, since its bytes depend on the byte order; so is the character set, which pydicom has
    decoded.
    """
    element = cast("Element", dataset.get_item(tag))
    vr = dictionary_VR(tag) if keyword_for_tag(tag) else element.VR or "UN"
    if isinstance(element, RawDataElement) and vr in STR_VR:
        value = element.value or b""
        value += (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
        _require_length(tag, vr, value)
        return RawDataElement(tag, vr, len(value), value, 0, False, True)
    decoded = dataset[tag]
    if (decoded.VR == "SQ") != (vr == "SQ"):
        raise ValueError("a value representation that is not that of the attribute")
    if vr == "SQ":
        return DataElement(tag, "SQ", Sequence(map(_item_as_it_came, decoded.value)))
    return decoded


def _item_as_it_came(item: Dataset) -> Dataset:
    copied, tags = Dataset(), list(item.keys())
    _add_as_they_came(copied, [_as_it_came(item, tag) for tag in tags])
    return copied


def _require_length(tag: BaseTag, vr: str, value: bytes) -> None:
    if len(value) > _LONGEST and vr not in EXPLICIT_VR_LENGTH_32:
        raise RadiographError(
            f"{tag} {keyword_for_tag(tag)} has {len(value):,} bytes, and results can hold "
            f"{_LONGEST:,}: none are written. Shorten the attribute in the archive."
        )


def _add_as_they_came(made: Dataset, elements: Iterable[Element]) -> None:
    for element in elements:
        made[element.tag] = element
    # With this setting pydicom writes raw elements unchanged
    made.set_original_encoding(False, True, made._character_set)


def _is_valid(element: DataElement) -> bool:
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
