"""The common attributes of all result objects: study, series, equipment and references."""

from __future__ import annotations

from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID, ExplicitVRLittleEndian

from cxr_gradcam.archive.header import SourceHeader
from cxr_gradcam.archive.identity import DISCLAIMER, MANUFACTURER, Result

IMPLEMENTATION_CLASS_UID = UID("2.25.219377214466925836812143466418943651823")
IMPLEMENTATION_VERSION = "CXR_GRADCAM"


def new_object(
    result: Result, kind: str, sop_class: str, modality: str, series_number: int, instance: int = 1
) -> Dataset:
    """Begin a result object (PS3.3 C.7.1 to C.7.5 and C.12.1).

    Date and time of the content are those of the radiograph, not the current time, so that a
    repeated run makes the same object, byte for byte.

    Args:
        result: the result.
        kind: name of the series among the series of the result.
        sop_class: UID of the object's SOP class.
        modality: modality of the series.
        series_number: number of the series.
        instance: number of the object in the series.

    Returns:
        The object, without the attributes that only its SOP class has and without those that
        `SourceHeader.identify` adds.
    """
    header = result.header.image
    made = Dataset()
    made.StudyInstanceUID = header.StudyInstanceUID
    if "TimezoneOffsetFromUTC" in header:
        made.TimezoneOffsetFromUTC = header.TimezoneOffsetFromUTC
    made.SOPClassUID = sop_class
    made.SOPInstanceUID = result.uid(kind, str(instance))
    made.SeriesInstanceUID = result.uid(kind)
    made.Modality = modality
    made.SeriesNumber, made.InstanceNumber = series_number, instance
    made.SeriesDescription = as_text(f"{result.title} ({DISCLAIMER})")
    made.ContentDate, made.ContentTime = content_time(header)
    _add_equipment(made, result)
    _add_source_equipment(made, result.header)
    _add_file_meta(made)
    return made


def content_time(header: Dataset) -> tuple[str, str]:
    """Return date and time of a radiograph: of its content, acquisition, series or study.

    Args:
        header: attributes of the radiograph.

    Returns:
        Values of VR DA and TM; "19000101" and "000000" for a radiograph without dates.
    """
    for of in ("Content", "Acquisition", "Series", "Study"):
        if date := header.get(f"{of}Date"):
            return str(date), str(header.get(f"{of}Time") or "000000")
    return "19000101", "000000"


def as_text(text: str, length: int = 64) -> str:
    """Return a text in ASCII, which every character set includes.

    Args:
        text: the text; other letters become question marks, backslashes become slashes.
        length: the greatest number of characters in the value representation.

    Returns:
        The text, cut off at the length.
    """
    return text.encode("ascii", "replace").decode().replace("\\", "/")[:length].rstrip()


def reference(dataset: Dataset) -> Dataset:
    """Return an item that refers to an instance (PS3.3 table 10-11)."""
    item = Dataset()
    item.ReferencedSOPClassUID = dataset.SOPClassUID
    item.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
    return item


def coded(concept: Code) -> Dataset:
    """Return a code as an item of a sequence (PS3.3 table 8.8-1)."""
    return CodedConcept.from_code(concept)


def add_source(made: Dataset, header: Dataset) -> None:
    """Refer to the radiograph that a derived image was made from (PS3.3 C.7.6.1.1.4, C.12.2).

    Args:
        made: the derived image.
        header: attributes of the radiograph.
    """
    source = reference(header)
    source.PurposeOfReferenceCodeSequence = [
        coded(codes.DCM.SourceImageForImageProcessingOperation)
    ]
    made.SourceImageSequence = [source]
    series = Dataset()
    series.SeriesInstanceUID = header.SeriesInstanceUID
    series.ReferencedInstanceSequence = [reference(header)]
    made.ReferencedSeriesSequence = [series]


def _add_equipment(made: Dataset, result: Result) -> None:
    algorithm = result.algorithm
    made.Manufacturer = MANUFACTURER
    made.ManufacturerModelName = as_text(algorithm.name)
    made.DeviceSerialNumber = algorithm.checksum[:16]
    made.SoftwareVersions = [as_text(algorithm.version), algorithm.checksum]


def _add_source_equipment(made: Dataset, header: SourceHeader) -> None:
    """Name the equipment that took the image (PS3.3 C.12.1.1.5)."""
    item = header.source_equipment()
    if "Manufacturer" not in item:
        return
    item.PurposeOfReferenceCodeSequence = [coded(codes.DCM.AcquisitionEquipment)]
    made.ContributingEquipmentSequence = [item]


def _add_file_meta(made: Dataset) -> None:
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    made.file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION
