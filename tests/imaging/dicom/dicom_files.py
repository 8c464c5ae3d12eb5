"""DICOM files made for tests: a digital radiograph, and what can be changed in it."""

import struct
from collections.abc import Iterable, Sequence
from io import BytesIO
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    generate_uid,
)

from cxr_gradcam.imaging.dicom.file import read_dicom

NOISE = np.random.default_rng(0).integers(0, 2**12, (40, 33), dtype=np.uint16)


def dataset(pixels: ArrayLike, **attributes: Any) -> Dataset:
    """A digital radiograph of a patient called Doe, 16 bits of each pixel in use."""
    stored = np.asarray(pixels)
    if stored.dtype == np.int64:
        stored = stored.astype(np.int16 if stored.min() < 0 else np.uint16)
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    made.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["test"])
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID
    made.PatientName = "Doe^Jane"
    made.Modality = "DX"
    made.PhotometricInterpretation = "MONOCHROME2"
    made.SamplesPerPixel = 1
    made.Rows, made.Columns = stored.shape
    made.BitsAllocated = made.BitsStored = 8 * stored.itemsize
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(stored.dtype.kind == "i")
    made.PixelData = stored.tobytes()
    made["PixelData"].VR = "OB" if stored.itemsize == 1 else "OW"
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def file_of(made: Dataset) -> bytes:
    stream = BytesIO()
    made.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def compressed(pixels: ArrayLike, syntax: UID, **attributes: Any) -> Dataset:
    made = dataset(pixels, **attributes)
    made.compress(syntax, generate_instance_uid=False)
    return made


def baseline(pixels: NDArray[np.uint8]) -> Dataset:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=100)
    made = dataset(pixels)
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    made.PixelData = encapsulate([stream.getvalue()])
    return made


def shown(pixels: ArrayLike, **attributes: Any) -> NDArray[np.float32]:
    return read_dicom(file_of(dataset(pixels, **attributes)))


def lut(first: int, bits: int, entries: Sequence[int]) -> list[Dataset]:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", list(entries))
    return [item]


def item(value: bytes) -> bytes:
    padded = value + b"\0" * (len(value) % 2)
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(padded)) + padded


def pieces(frame: bytes, count: int) -> list[bytes]:
    """The frame cut into so many fragments of even length."""
    length = max(2, len(frame) // count // 2 * 2)
    cuts = [*range(0, length * count, length), len(frame)]
    return [frame[start:end] for start, end in pairwise(cuts)]


def with_items(made: Dataset, table: Sequence[int] | None, fragments: Iterable[bytes]) -> Dataset:
    """A copy of the data set with these items; without the item of the table where it is None."""
    changed = Dataset(made)
    changed.file_meta = made.file_meta
    first = b"" if table is None else item(struct.pack(f"<{len(table)}I", *table))
    changed.PixelData = first + b"".join(map(item, fragments))
    changed["PixelData"].is_undefined_length = True
    return changed
