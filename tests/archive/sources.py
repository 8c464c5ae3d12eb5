"""DICOM radiographs of a patient called Doe, as a detector writes them."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)

from cxr_gradcam.synthetic.chest import draw_phantom

PATIENT = ("Doe", "Jane", "4711-77", "19500203", "Miller", "A-815")
"""What must not be found outside the DICOM objects."""


def chest(seed: int = 7, size: int = 320) -> np.ndarray:
    """A chest in 12 bits; it is not square, so that a swapped axis shows."""
    pixels = draw_phantom(seed, size=size, opacity=True).pixels[: size * 5 // 6]
    return (pixels * 4095).astype("<u2")


def source(name: str = "a", pixels: np.ndarray | None = None, **attributes: Any) -> Dataset:
    """A digital radiograph; `name` tells one image of the study from another."""
    pixels = chest() if pixels is None else pixels
    made = Dataset()
    made.SOPClassUID = DigitalXRayImageStorageForPresentation
    made.SOPInstanceUID = generate_uid(entropy_srcs=["image", name])
    made.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    made.SeriesInstanceUID = generate_uid(entropy_srcs=["series"])
    made.PatientName, made.PatientID = "Doe^Jane", "4711-77"
    made.PatientBirthDate, made.PatientSex, made.PatientAge = "19500203", "F", "074Y"
    made.ReferringPhysicianName, made.AccessionNumber = "Miller^Ann", "A-815"
    made.StudyID, made.StudyDate, made.StudyTime = "1", "20240105", "101112"
    made.StudyDescription = "Chest PA"
    made.AcquisitionDate, made.AcquisitionTime = "20240105", "101500.25"
    made.Modality, made.SeriesNumber, made.InstanceNumber = "DX", 1, 1
    made.Manufacturer, made.ManufacturerModelName = "Detector Works", "D1"
    made.PatientOrientation, made.ImagerPixelSpacing = ["L", "F"], [0.14, 0.14]
    made.PhotometricInterpretation, made.SamplesPerPixel = "MONOCHROME2", 1
    made.Rows, made.Columns = pixels.shape
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
    made.PixelRepresentation = 0
    made.WindowCenter, made.WindowWidth = 2048, 4096
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OW"
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


def bare_source(name: str = "bare") -> Dataset:
    """Computed radiography that says no more than it must."""
    made = source(name, SOPClassUID=ComputedRadiographyImageStorage, Modality="CR")
    for keyword in (
        *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge"),
        *("ReferringPhysicianName", "AccessionNumber", "StudyID", "StudyDate", "StudyTime"),
        *("StudyDescription", "AcquisitionDate", "AcquisitionTime", "Manufacturer"),
        *("ManufacturerModelName", "PatientOrientation", "ImagerPixelSpacing"),
        *("SeriesNumber", "InstanceNumber"),
    ):
        delattr(made, keyword)
    return made


def with_bytes(made: Dataset, values: dict[str, bytes]) -> Dataset:
    """A dataset whose attributes hold these bytes, valid or not, in explicit VR little endian."""
    for keyword, value in values.items():
        tag = Tag(keyword)
        made[tag] = RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, False, True)
    made.set_original_encoding(False, True, made._character_set)
    return made


def file_of(dataset: Dataset) -> bytes:
    """A dataset as the bytes of its file."""
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
