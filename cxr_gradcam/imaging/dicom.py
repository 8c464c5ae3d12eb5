"""From a DICOM file to grey values as a viewer shows them; the limits and the error of reading.

PS3.x stands for that part of the DICOM standard. Only the elements that the picture needs are
parsed, so that nothing of the patient can reach a message, a warning or a log.
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.filereader import read_dataset
from pydicom.pixels.utils import pixel_array
from pydicom.tag import Tag
from pydicom.uid import (
    AllTransferSyntaxes,
    DeflatedExplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

# The finest chest detectors have 18.5 million pixels (43 cm at 0.1 mm), the photograph of a film
# has up to 48 million.
MAX_PIXELS: int = 50_000_000
# Eight bytes for each pixel: more than any of the formats needs.
MAX_BYTES: int = 8 * MAX_PIXELS

# PS3.3 C.7.3.1.1.1. DR is not defined there but met in practice; XC is the photograph of a film.
MODALITIES: frozenset[str] = frozenset({"CR", "DX", "DR", "RG", "XC"})

_TAGS = [
    *("Modality", "PresentationLUTShape", "PhotometricInterpretation", "NumberOfFrames"),
    *("SamplesPerPixel", "PlanarConfiguration", "Rows", "Columns", "PixelRepresentation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept"),
    *("VOILUTSequence", "VOILUTFunction", "WindowCenter", "WindowWidth"),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths", "PixelData"),
]

_CODE = re.compile(r"[A-Z0-9_ .+-]{1,64}")
_JPEG_SEGMENT = re.compile(rb"\xff+([^\x00\xff])(..)", re.DOTALL)
_JPEG_FRAME_HEADERS = frozenset(b"\xc0\xc1\xc2\xc3\xc5\xc6\xc7\xc9\xca\xcb\xcd\xce\xcf\xf7")
_JPEG_2000_START = b"\xff\x4f\xff\x51"


class RadiographError(ValueError):
    """Something cannot be read as a radiograph; says what came and what to do."""


@contextmanager
def refusing(message: str) -> Iterator[None]:
    """Turn every exception of a decoder into one error.

    Args:
        message: What the error says.

    Raises:
        RadiographError: With that message; or as it was raised, where it is one already.
    """
    try:
        yield
    except RadiographError:
        raise
    except Exception as error:
        raise RadiographError(message) from error


def check_size(rows: int, columns: int) -> None:
    """Refuse a picture without pixels, or with too many.

    Args:
        rows: Height in pixels.
        columns: Width in pixels.

    Raises:
        RadiographError: If there are none, or more than `MAX_PIXELS`.
    """
    if not 0 < rows * columns <= MAX_PIXELS:
        raise RadiographError(
            f"The image announces {columns} by {rows} pixels; 1 to {MAX_PIXELS:,} can be read. "
            "Export it at a size within that limit."
        )


def read_dicom(data: bytes) -> NDArray[np.float32]:
    """Read a single-frame projection radiograph as it is meant to be displayed.

    The steps, in the order of PS3.4 N.2.1: padding is masked in the stored values (PS3.3
    C.7.5.1.1.2), then come the modality LUT or rescale (C.11.1), the VOI LUT or window (C.11.2)
    and the inversion of MONOCHROME1 (C.7.6.3.1.2).

    A VOI LUT goes before a window, and of several the first counts. 0 and 1 are the ends of the
    window or of the LUT's output, whatever the image holds; without either, they are the least and
    the greatest value that is not padding. Padding is shown as 0. The pixels are taken as square:
    pixel spacing and aspect ratio are not applied, and neither are overlays and shutters.

    Args:
        data: A DICOM file (PS3.10) with its preamble.

    Returns:
        Grey values (H, W) in [0, 1], high = dense.

    Raises:
        RadiographError: If the modality is not in `MODALITIES`; if the image is colour, has no or
            several frames, is too large, damaged, or compressed in a way that cannot be decoded.
    """
    with refusing("The DICOM file is damaged or cut short. Export it again."):
        dataset = _parse(data)
        _require_radiograph(dataset)
        undecodable = _undecodable(dataset)
    with refusing(undecodable):
        stored = _decode(dataset)
    with refusing("The grey scale attributes of the DICOM file are damaged. Export it again."):
        return _display(stored, dataset)


def _parse(data: bytes) -> Dataset:
    stream = BytesIO(data)
    stream.seek(132)
    meta = read_dataset(stream, False, True, stop_when=lambda tag, *_: tag.group != 2)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        _require_bounded_inflation(stream.read())
    return dcmread(BytesIO(data), specific_tags=_TAGS)


def _require_bounded_inflation(deflated: bytes) -> None:
    # pydicom inflates without a limit, and a megabyte can become a gigabyte.
    if len(zlib.decompressobj(-zlib.MAX_WBITS).decompress(deflated, MAX_BYTES + 1)) > MAX_BYTES:
        raise RadiographError(
            f"The deflated DICOM file holds more than {MAX_BYTES:,} bytes. Export it uncompressed."
        )


def _require_radiograph(dataset: Dataset) -> None:
    if dataset.get("Modality") not in MODALITIES:
        _refuse(dataset, "Modality", f"only projection radiographs ({_modalities()}) can be read")
    if "PixelData" not in dataset:
        _refuse(dataset, "PixelData", "the file holds no image or was cut short")
    if dataset.get("PhotometricInterpretation") not in ("MONOCHROME1", "MONOCHROME2"):
        _refuse(dataset, "PhotometricInterpretation", "a radiograph is MONOCHROME1 or MONOCHROME2")
    if _is_contradictory(dataset):
        _refuse(dataset, "PresentationLUTShape", "MONOCHROME2 goes with IDENTITY alone")
    if int(dataset.get("NumberOfFrames") or 1) != 1:
        _refuse(dataset, "NumberOfFrames", "one frame at a time can be read")
    check_size(int(dataset.Rows), int(dataset.Columns))


def _modalities() -> str:
    return ", ".join(sorted(MODALITIES))


def _is_contradictory(dataset: Dataset) -> bool:
    # PS3.3 C.7.6.1: INVERSE shall be used with MONOCHROME1, whose inversion it repeats. Beside
    # MONOCHROME2 it leaves open whether bone is white.
    pair = (dataset.PhotometricInterpretation, dataset.get("PresentationLUTShape"))
    return pair == ("MONOCHROME2", "INVERSE")


def _refuse(dataset: Dataset, keyword: str, reason: str) -> None:
    raise RadiographError(
        f"DICOM {_element(dataset, keyword)}; {reason}. "
        "Choose another image, or export this one from its viewer as PNG."
    )


def _element(dataset: Dataset, keyword: str) -> str:
    # A value that is no code or number is not shown: in a damaged file it may be anything.
    value = str(dataset.get(keyword, ""))
    shown = f"'{value}'" if _CODE.fullmatch(value) else "invalid" if value else "missing or empty"
    return f"{Tag(keyword)} {keyword} is {shown}"


def _undecodable(dataset: Dataset) -> str:
    uid = dataset.file_meta.get("TransferSyntaxUID")
    name = f" ({uid.name})" if uid in AllTransferSyntaxes else ""
    return (
        "The pixel data of the DICOM file cannot be decoded; they are damaged, or there is no "
        f"decoder: {_element(dataset.file_meta, 'TransferSyntaxUID')}{name}. "
        "Export the image uncompressed (Explicit VR Little Endian) or as PNG."
    )


def _decode(dataset: Dataset) -> NDArray[np.integer]:
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in JPEG2000TransferSyntaxes:
        _require_size(dataset, _jpeg_2000_size)
    elif syntax in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes):
        _require_size(dataset, _jpeg_size)
    # The other RLE decoder that may be installed panics at damaged data, which is no Exception.
    plugin = "pydicom" if syntax == RLELossless else ""
    stored = pixel_array(dataset, index=0, decoding_plugin=plugin)
    if stored.shape != (dataset.Rows, dataset.Columns):
        _refuse(dataset, "SamplesPerPixel", "a radiograph has 1")
    return stored


def _require_size(dataset: Dataset, measure: Callable[[bytes], tuple[int, int]]) -> None:
    # The decoders reserve what the codestream announces, which can be gigabytes.
    rows, columns = measure(get_frame(dataset.PixelData, 0, number_of_frames=1))
    if (rows, columns) != (dataset.Rows, dataset.Columns):
        raise RadiographError(
            f"The compressed DICOM image announces {columns} by {rows} pixels, but Columns and "
            f"Rows {dataset.Columns} by {dataset.Rows}. Export it again."
        )


def _jpeg_2000_size(frame: bytes) -> tuple[int, int]:
    # ISO/IEC 15444-1 A.5.1: the extent of the reference grid and the image's offset on it.
    start = frame.index(_JPEG_2000_START) + 8
    right, bottom, left, top = struct.unpack_from(">4I", frame, start)
    return bottom - top, right - left


def _jpeg_size(frame: bytes) -> tuple[int, int]:
    # ISO/IEC 10918-1 B.2.2 and ISO/IEC 14495-1 C.2.2: the frame header follows other segments.
    position = 2
    while segment := _JPEG_SEGMENT.match(frame, position):
        if segment[1][0] in _JPEG_FRAME_HEADERS:
            rows, columns = struct.unpack_from(">2H", frame, segment.end() + 1)
            return rows, columns
        position = segment.start(2) + int.from_bytes(segment[2])
    raise ValueError("no frame header")


def _display(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.float32]:
    padding = _padding(stored, dataset)
    if padding.all():
        raise RadiographError("Every pixel of the DICOM image is padding. Choose another image.")
    shown = _voi(_modality(stored, dataset), ~padding, dataset)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        shown = 1 - shown
    shown[padding] = 0
    return shown.astype(np.float32)


def _padding(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.bool_]:
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, dtype=bool)
    limit = dataset.get("PixelPaddingRangeLimit")
    ends = [_as_stored(end, stored) for end in (value, value if limit is None else limit)]
    return (stored >= min(ends)) & (stored <= max(ends))


def _as_stored(value: int, stored: NDArray[np.integer]) -> int:
    # Files exist that write a signed value with an unsigned representation, and the reverse.
    signed = stored.dtype.kind == "i"
    return (value + 2**15) % 2**16 - 2**15 if signed else value % 2**16


def _modality(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.float64]:
    if sequence := dataset.get("ModalityLUTSequence"):
        return _look_up(stored, sequence[0], dataset)
    values = stored.astype(np.float64)
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    if slope is not None and intercept is not None:
        values *= float(slope)
        values += float(intercept)
    return values


def _voi(
    values: NDArray[np.float64], valid: NDArray[np.bool_], dataset: Dataset
) -> NDArray[np.float64]:
    if sequence := dataset.get("VOILUTSequence"):
        white = 2.0 ** sequence[0].LUTDescriptor[2] - 1
        return _ramp(_look_up(values, sequence[0], dataset), 0, white)
    center, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if center is None or width is None:
        return _ramp(values, values[valid].min(), values[valid].max())
    return _window(values, center, width, dataset)


def _first(value: object) -> float | None:
    values = np.atleast_1d(np.asarray([] if value in (None, "") else value, dtype=np.float64))
    return float(values[0]) if values.size else None


def _window(
    values: NDArray[np.float64], center: float, width: float, dataset: Dataset
) -> NDArray[np.float64]:
    # PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT)
    function = dataset.get("VOILUTFunction") or "LINEAR"
    if not (width >= 1 or (width > 0 and function != "LINEAR")):
        _refuse(dataset, "WindowWidth", "it must be at least 1, or above 0 where not LINEAR")
    if function == "LINEAR":
        return _ramp(values, center - width / 2, center + width / 2 - 1)
    if function == "LINEAR_EXACT":
        return _ramp(values, center - width / 2, center + width / 2)
    if function != "SIGMOID":
        _refuse(dataset, "VOILUTFunction", "LINEAR, LINEAR_EXACT and SIGMOID can be read")
    # The logistic function 1 / (1 + exp(-4 (x - c) / w)) in a form that cannot overflow
    return (1 + np.tanh(2 * (values - center) / width)) / 2


def _ramp(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    if high <= low:
        return (values > low).astype(np.float64)
    shown = values - low
    shown /= high - low
    return np.clip(shown, 0, 1, out=shown)


def _look_up(
    values: NDArray[np.integer] | NDArray[np.float64], item: Dataset, dataset: Dataset
) -> NDArray[np.float64]:
    # PS3.3 C.11.1.1 and C.11.2.1.1. pydicom's apply_voi wraps the index of an 8-bit table.
    table = _lut_table(item, dataset.file_meta.TransferSyntaxUID.is_little_endian)
    index = np.clip(np.rint(values) - int(item.LUTDescriptor[1]), 0, len(table) - 1)
    return np.asarray(table[index.astype(np.intp)], dtype=np.float64)


def _lut_table(item: Dataset, is_little_endian: bool) -> NDArray[np.integer]:
    entries = item.LUTDescriptor[0] % 2**16 or 2**16
    data = item.LUTData
    if isinstance(data, bytes):
        word = "<u2" if is_little_endian else ">u2"
        data = np.frombuffer(data, dtype=word if len(data) >= 2 * entries else np.uint8)
    table: NDArray[np.integer] = np.atleast_1d(data)[:entries]
    if len(table) < entries:
        raise RadiographError(
            f"A DICOM look-up table announces {entries} entries but holds {len(table)}. "
            "Export the image again."
        )
    return table
