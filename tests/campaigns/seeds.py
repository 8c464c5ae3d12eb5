"""What the hostile files are made from: a small good file of every kind, and pydicom's own."""

import gzip
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from tests.imaging.dicom.dicom_files import (
    NOISE,
    baseline,
    compressed,
    dataset,
    file_of,
    lut,
    pieces,
    with_items,
)
from tests.imaging.dicom.jpeg_files import encapsulated, lossless, ramp

PATIENT = "Doe"
_FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
_MAX_BYTES = 300_000


def seeds() -> list[tuple[str, bytes]]:
    """Return names and files: rasters, DICOM of every syntax, gzip, and pydicom's files as CR."""
    dicom = _dicom()
    packed = [(f"{name} behind gzip", gzip.compress(data)) for name, data in dicom[:3]]
    return [*_rasters(), *dicom, *packed, *as_radiographs(_MAX_BYTES)]


def _rasters() -> list[tuple[str, bytes]]:
    grey = Image.fromarray((NOISE >> 4).astype(np.uint8))
    made = []
    for kind in ("PNG", "JPEG", "TIFF", "BMP", "WEBP"):
        for mode in ("L", "RGB", "RGBA"):
            if (kind, mode) == ("JPEG", "RGBA"):
                continue
            stream = BytesIO()
            grey.convert(mode).save(stream, kind)
            made.append((f"{kind} {mode}", stream.getvalue()))
    for kind in ("png", "tiff"):
        _, data = cv2.imencode(f".{kind}", np.stack([NOISE] * 3, axis=-1))
        made.append((f"{kind} of 16-bit colour", data.tobytes()))
    stream = BytesIO()
    grey.save(stream, "TIFF", save_all=True, append_images=[grey.resize((8, 10))])
    return [*made, ("TIFF with thumbnail", stream.getvalue())]


def _dicom() -> list[tuple[str, bytes]]:
    made = [(syntax.name, compressed(NOISE, syntax)) for syntax in (RLELossless, JPEGLSLossless)]
    made.append(("JPEG 2000", compressed(NOISE, JPEG2000Lossless)))
    made.append(("JPEG Baseline", baseline(NOISE.astype(np.uint8))))
    made.append(("JPEG Lossless", encapsulated(lossless(NOISE, 12), NOISE, BitsStored=12)))
    made.append(("JPEG Extended", ramp([0, 819, 2048, 4095])[1]))
    table = lut(0, 12, list(range(4096)))
    made.append(("VOI LUT", dataset(NOISE, VOILUTSequence=table, ModalityLUTSequence=table)))
    window = {"WindowCenter": [2048, 9], "WindowWidth": [4096, 9], "VOILUTFunction": "SIGMOID"}
    made.append(("window", dataset(NOISE, RescaleSlope=2, RescaleIntercept=-9, **window)))
    for syntax in (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian):
        small = dataset((NOISE >> 4).astype(np.uint8), PixelPaddingValue=3)
        small.file_meta.TransferSyntaxUID = syntax
        made.append((syntax.name, small))
    made += [
        (f"{syntax.name} in fragments", _in_fragments(compressed(NOISE, syntax)))
        for syntax in (RLELossless, JPEG2000Lossless)
    ]
    return [(name, file_of(each)) for name, each in made]


def _in_fragments(made: Dataset) -> Dataset:
    frame = get_frame(made.PixelData, 0, number_of_frames=1)
    return with_items(made, [0, 7], pieces(frame, 3))


def as_radiographs(max_bytes: int) -> list[tuple[str, bytes]]:
    """Return pydicom's test files of at most so many bytes, each as CR of one patient."""
    made = []
    for path in sorted(_FOLDER.rglob("*.dcm")):
        try:
            each = pydicom.dcmread(path)
            each.Modality, each.PatientName = "CR", f"{PATIENT}^Jane"
            stream = BytesIO()
            each.save_as(stream)
        except Exception:
            continue
        if len(stream.getvalue()) <= max_bytes:
            made.append((path.name, stream.getvalue()))
    return made
