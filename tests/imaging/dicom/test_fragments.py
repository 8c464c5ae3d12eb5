"""One frame in any number of fragments, and offset tables that are right, wrong or missing."""

import struct
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.encaps import get_frame
from pydicom.uid import (
    MPEG2MPML,
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from cxr_gradcam.imaging.dicom.file import read_dicom
from cxr_gradcam.imaging.radiograph import RadiographError
from tests.imaging.dicom.dicom_files import (
    NOISE,
    baseline,
    compressed,
    dataset,
    file_of,
    item,
    pieces,
    shown,
    with_items,
)
from tests.imaging.dicom.jpeg_files import encapsulated, lossless, ramp

ENCAPSULATED_UNCOMPRESSED = UID("1.2.840.10008.1.2.1.98")
FILES = {
    "RLE": compressed(NOISE, RLELossless),
    "JPEG-LS": compressed(NOISE, JPEGLSLossless),
    "JPEG 2000": compressed(NOISE, JPEG2000Lossless),
    "JPEG Baseline": baseline((NOISE >> 4).astype(np.uint8)),
    "JPEG Lossless": encapsulated(lossless(NOISE, 12), NOISE, BitsStored=12),
    "JPEG Extended": ramp([0, 819, 2048, 4095])[1],
}
FRAMES = {
    name: get_frame(made.PixelData, 0, number_of_frames=1).rstrip(b"\0") + b"\0"
    for name, made in FILES.items()
}
EXPECTED = {name: read_dicom(file_of(made)) for name, made in FILES.items()}


def offsets(fragments: Iterable[bytes]) -> list[int]:
    ends = np.cumsum([len(item(fragment)) for fragment in fragments])
    return [0, *ends[:-1].tolist()]


TABLES: dict[str, Callable[[list[bytes]], list[int]] | list[int] | None] = {
    "empty": [],
    "one entry": [0],
    "an entry for each fragment": offsets,
    "wrong entries": [0, 7, 1_000_000],
    "a wrong first entry": [64],
    "missing": None,
}


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", FILES)
def test_the_fragments_of_a_frame_belong_together(name: str, table: str, count: int) -> None:
    fragments, entries = pieces(FRAMES[name], count), TABLES[table]
    made = with_items(FILES[name], entries(fragments) if callable(entries) else entries, fragments)
    np.testing.assert_array_equal(read_dicom(file_of(made)), EXPECTED[name])


@pytest.mark.parametrize("entries", [[0], [0, 99], [5]])
@pytest.mark.parametrize("name", ["RLE", "JPEG 2000", "JPEG Baseline"])
def test_an_extended_offset_table_is_not_needed(name: str, entries: list[int]) -> None:
    made = with_items(FILES[name], [], pieces(FRAMES[name], 3))
    made.ExtendedOffsetTable = np.array(entries, "<u8").tobytes()
    made.ExtendedOffsetTableLengths = np.array([len(FRAMES[name])] * len(entries), "<u8").tobytes()
    np.testing.assert_array_equal(read_dicom(file_of(made)), EXPECTED[name])


@pytest.mark.parametrize("name", FILES)
def test_the_end_of_the_fragments_may_be_unmarked(name: str) -> None:
    data = file_of(with_items(FILES[name], [], pieces(FRAMES[name], 2)))
    assert data.endswith(b"\xfe\xff\xdd\xe0\0\0\0\0")
    np.testing.assert_array_equal(read_dicom(data[:-8]), EXPECTED[name])


@pytest.mark.parametrize("name", FILES)
def test_fragments_may_be_padded_to_a_block(name: str) -> None:
    made = with_items(FILES[name], [0], [FRAMES[name] + bytes(511)])
    np.testing.assert_array_equal(read_dicom(file_of(made)), EXPECTED[name])


@pytest.mark.parametrize("with_item", [True, False])
@pytest.mark.parametrize("name", FILES)
def test_compressed_pixel_data_may_have_a_defined_length(name: str, with_item: bool) -> None:
    made = with_items(FILES[name], [0], [FRAMES[name]])
    value = made.PixelData if with_item else FRAMES[name] + b"\0" * (len(FRAMES[name]) % 2)
    data = file_of(made)
    start = data.index(b"\xe0\x7f\x10\0O") + 8
    defined = data[:start] + struct.pack("<I", len(value)) + value
    np.testing.assert_array_equal(read_dicom(defined), EXPECTED[name])


@pytest.mark.parametrize("declared", [JPEG2000Lossless, JPEGBaseline8Bit, RLELossless, MPEG2MPML])
@pytest.mark.parametrize("name", FILES)
def test_the_code_stream_and_not_the_declared_syntax_counts(name: str, declared: UID) -> None:
    made = with_items(FILES[name], [0], [FRAMES[name]])
    data = file_of(made).replace(*renaming(made.file_meta.TransferSyntaxUID, declared))
    np.testing.assert_array_equal(read_dicom(data), EXPECTED[name])


def renaming(before: UID, after: UID) -> tuple[bytes, bytes]:
    """The element of the transfer syntax before and after, which both have an even length."""
    return element(before), element(after)


def element(syntax: UID) -> bytes:
    name = syntax.encode() + b"\0" * (len(syntax) % 2)
    return b"\x02\0\x10\0UI" + struct.pack("<H", len(name)) + name


@pytest.mark.parametrize(
    "declared", [ENCAPSULATED_UNCOMPRESSED, ExplicitVRLittleEndian, ImplicitVRLittleEndian]
)
def test_uncompressed_pixels_may_stand_in_fragments(declared: UID) -> None:
    made = with_items(FILES["JPEG 2000"], [], pieces(NOISE.tobytes(), 3))
    data = file_of(made).replace(*renaming(JPEG2000Lossless, declared))
    np.testing.assert_array_equal(read_dicom(data), shown(NOISE))


@pytest.mark.parametrize("table", [[], [0], [0, 64]])
@pytest.mark.parametrize("name", ["RLE", "JPEG 2000"])
def test_an_offset_table_alone_is_no_image(name: str, table: list[int]) -> None:
    with pytest.raises(RadiographError, match="no fragment holds any of the image"):
        read_dicom(file_of(with_items(FILES[name], table, [])))


@pytest.mark.parametrize("name", FILES)
def test_a_fragment_that_is_cut_short_is_named(name: str) -> None:
    data = file_of(with_items(FILES[name], [], pieces(FRAMES[name], 2)))
    with pytest.raises(RadiographError, match="compressed PixelData ends within a fragment"):
        read_dicom(data[:-20])


def cut(frame: bytes, share: float) -> bytes:
    return frame[: int(len(frame) * share) // 2 * 2]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("name", FILES)
def test_a_code_stream_that_is_cut_short_is_refused(name: str, share: float) -> None:
    made = with_items(FILES[name], [], [cut(FRAMES[name], share)])
    with pytest.raises(RadiographError, match=r"compressed pixel data .* cannot be decoded; .*cut"):
        read_dicom(file_of(made))


@pytest.mark.parametrize("pixels", [NOISE, NOISE.astype(np.uint8), NOISE.astype(np.uint32)])
@pytest.mark.parametrize("missing", [2, 34, 600])
def test_uncompressed_pixels_that_are_missing_are_counted(
    pixels: NDArray[np.unsignedinteger], missing: int
) -> None:
    made = dataset(pixels)
    made.PixelData = made.PixelData[:-missing]
    with pytest.raises(RadiographError) as refused:
        read_dicom(file_of(made))
    held, needed = pixels.nbytes - missing, pixels.nbytes
    assert f"has {held:,} bytes, and 33 by 40 pixels need {needed:,}" in str(refused.value)
    assert "uncompressed (Explicit" not in str(refused.value)


@pytest.mark.parametrize("with_padding", [True, False])
def test_an_odd_number_of_pixels_is_padded_or_not(with_padding: bool) -> None:
    pixels = np.array([[0, 51, 255]], dtype=np.uint8)
    data = file_of(dataset(pixels))
    if not with_padding:
        start = data.index(b"\xe0\x7f\x10\0OB")
        data = data[: start + 8] + struct.pack("<I", 3) + pixels.tobytes()
    np.testing.assert_allclose(read_dicom(data), [[0, 0.2, 1]], rtol=1e-6)
