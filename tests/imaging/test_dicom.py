"""Reading DICOM: every step of the grey scale on arrays small enough to be worked out by hand."""

import logging
import struct
import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    JPEG2000,
    MPEG2MPML,
    UID,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from cxr_gradcam.imaging import dicom
from cxr_gradcam.imaging.dicom import RadiographError, read_dicom

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


def shown(pixels: ArrayLike, **attributes: Any) -> NDArray[np.float32]:
    return read_dicom(file_of(dataset(pixels, **attributes)))


def lut(first: int, bits: int, entries: Sequence[int]) -> list[Dataset]:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", list(entries))
    return [item]


def test_without_a_window_the_least_and_greatest_values_are_black_and_white() -> None:
    result = shown([[10, 11], [12, 14]])
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, [[0, 0.25], [0.5, 1]])


def test_signed_values() -> None:
    np.testing.assert_array_equal(shown([[-4, 0], [2, 4]]), [[0, 0.5], [0.75, 1]])


def test_unused_bits_are_no_part_of_the_value() -> None:
    overlaid = [[0x1000, 0xF001], [2, 4]]
    result = shown(overlaid, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(result, [[0, 0.25], [0.5, 1]])


def test_a_constant_image_is_read() -> None:
    np.testing.assert_array_equal(shown([[7, 7]]), [[0, 0]])


def test_monochrome1_is_inverted_after_the_window() -> None:
    result = shown(
        [[0, 5], [10, 90]],
        PhotometricInterpretation="MONOCHROME1",
        VOILUTFunction="LINEAR_EXACT",
        WindowCenter=5,
        WindowWidth=10,
    )
    np.testing.assert_array_equal(result, [[1, 0.5], [0, 0]])


def test_presentation_lut_shape_repeats_the_inversion_of_monochrome1() -> None:
    result = shown(
        [[0, 1], [2, 4]], PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"
    )
    np.testing.assert_array_equal(result, [[1, 0.75], [0.5, 0]])


def test_linear_window() -> None:
    # From 4.5 - 0.5 - (5 - 1) / 2 = 2 to 4.5 - 0.5 + (5 - 1) / 2 = 6
    result = shown([[0, 2], [4, 9]], WindowCenter=4.5, WindowWidth=5)
    np.testing.assert_array_equal(result, [[0, 0], [0.5, 1]])


def test_linear_window_of_width_one_is_a_threshold() -> None:
    result = shown([[3, 4], [5, 9]], WindowCenter=4.5, WindowWidth=1)
    np.testing.assert_array_equal(result, [[0, 0], [1, 1]])


def test_the_window_and_not_the_image_sets_the_range() -> None:
    result = shown([[4, 6], [8, 10]], VOILUTFunction="LINEAR_EXACT", WindowCenter=8, WindowWidth=16)
    np.testing.assert_array_equal(result, [[0.25, 0.375], [0.5, 0.625]])


def test_sigmoid_window() -> None:
    # 1 / (1 + exp(-4 (x - 4) / 4))
    result = shown([[3, 4], [5, 0]], VOILUTFunction="SIGMOID", WindowCenter=4, WindowWidth=4)
    expected = [[0.26894143, 0.5], [0.73105857, 0.01798621]]
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_the_first_of_several_windows_counts() -> None:
    result = shown([[0, 2], [4, 9]], WindowCenter=[4.5, 100], WindowWidth=[5, 300])
    np.testing.assert_array_equal(result, [[0, 0], [0.5, 1]])


@pytest.mark.parametrize("missing", [{"WindowWidth": 5}, {"WindowCenter": 5, "WindowWidth": None}])
def test_half_a_window_is_none(missing: dict[str, Any]) -> None:
    np.testing.assert_array_equal(shown([[0, 1], [2, 4]], **missing), [[0, 0.25], [0.5, 1]])


def test_rescale_comes_before_the_window() -> None:
    result = shown(
        [[0, 5], [10, 20]],
        RescaleSlope=2,
        RescaleIntercept=-10,
        VOILUTFunction="LINEAR_EXACT",
        WindowCenter=0,
        WindowWidth=20,
    )
    np.testing.assert_array_equal(result, [[0, 0.5], [1, 1]])


def test_a_negative_slope_turns_the_order_round() -> None:
    result = shown([[0, 1], [2, 4]], RescaleSlope=-1, RescaleIntercept=0)
    np.testing.assert_array_equal(result, [[1, 0.75], [0.5, 0]])


def test_modality_lut_comes_before_the_window() -> None:
    result = shown(
        [[0, 1], [2, 9]],
        ModalityLUTSequence=lut(0, 8, [10, 20, 30, 40]),
        VOILUTFunction="LINEAR_EXACT",
        WindowCenter=20,
        WindowWidth=20,
    )
    np.testing.assert_array_equal(result, [[0, 0.5], [1, 1]])


def test_voi_lut_goes_before_a_window_and_sets_the_range() -> None:
    result = shown(
        [[0, 10], [12, 99]],
        VOILUTSequence=lut(10, 8, [51, 60, 102, 204]),
        WindowCenter=1,
        WindowWidth=1,
    )
    np.testing.assert_allclose(result, [[0.2, 0.2], [0.4, 0.8]], rtol=1e-6)


def test_voi_lut_after_rescale_and_from_a_negative_value() -> None:
    result = shown(
        [[-9, -2], [-1, 9]],
        RescaleSlope=1,
        RescaleIntercept=0,
        VOILUTSequence=lut(-2, 12, [0, 819, 4095]),
    )
    np.testing.assert_allclose(result, [[0, 0], [0.2, 1]], rtol=1e-6)


def test_voi_lut_takes_the_nearest_entry() -> None:
    # The stored 3 and 6 become 0.999999 and 1.999998.
    result = shown(
        [[0, 3], [6, 9]],
        RescaleSlope="0.333333",
        RescaleIntercept=0,
        VOILUTSequence=lut(0, 8, [0, 51, 255]),
    )
    np.testing.assert_allclose(result, [[0, 0.2], [1, 1]], rtol=1e-6)


def test_an_8_bit_lut_of_more_than_256_entries() -> None:
    result = shown([[0, 300], [600, 1023]], VOILUTSequence=lut(0, 8, [i // 4 for i in range(1024)]))
    np.testing.assert_allclose(result * 255, [[0, 75], [150, 255]], rtol=1e-6)


@pytest.mark.parametrize(
    ("syntax", "data"),
    [
        (ExplicitVRLittleEndian, b"\x00\x00\x33\x00\xff\x00"),
        (ExplicitVRBigEndian, b"\x00\x00\x00\x33\x00\xff"),
        (ExplicitVRLittleEndian, b"\x00\x33\xff\x00"),
    ],
    ids=["little", "big", "packed"],
)
def test_lut_as_bytes(syntax: UID, data: bytes) -> None:
    table = lut(0, 8, [0, 0, 0])
    table[0].add_new("LUTData", "OW", data)
    made = dataset(np.array([[0, 1, 2]], dtype=np.uint8), VOILUTSequence=table)
    made.file_meta.TransferSyntaxUID = syntax
    np.testing.assert_allclose(read_dicom(file_of(made)), [[0, 0.2, 1]], rtol=1e-6)


def test_a_lut_shorter_than_it_announces() -> None:
    table = lut(0, 8, [0, 10, 20])
    table[0].LUTDescriptor = [9, 0, 8]
    with pytest.raises(RadiographError, match="announces 9 entries but holds 3"):
        shown([[0, 1]], VOILUTSequence=table)


def test_padding_is_black_and_outside_the_range() -> None:
    result = shown([[0, 1], [3, 5]], PixelPaddingValue=0)
    np.testing.assert_array_equal(result, [[0, 0], [0.5, 1]])


def test_padding_is_black_in_monochrome1_too() -> None:
    pixels = np.array([[255, 1], [3, 5]], dtype=np.uint8)
    result = shown(pixels, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=255)
    np.testing.assert_array_equal(result, [[0, 1], [0.5, 0]])


@pytest.mark.parametrize(("value", "limit"), [(0, 2), (2, 0)])
def test_padding_range_holds_its_ends(value: int, limit: int) -> None:
    result = shown([[0, 1, 2], [3, 5, 7]], PixelPaddingValue=value, PixelPaddingRangeLimit=limit)
    np.testing.assert_array_equal(result, [[0, 0, 0], [0, 0.5, 1]])


def test_padding_is_found_in_the_stored_values() -> None:
    result = shown(
        [[0, 1], [3, 5]], RescaleSlope=2, RescaleIntercept=1, PixelPaddingValue=5
    )  # 5 is what the stored 2 would become; the stored 5 is the padding.
    np.testing.assert_allclose(result, [[0, 1 / 3], [1, 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("pixels", "representation", "value"),
    [([[-2000, 1], [3, 5]], "US", 63536), ([[63536, 1], [3, 5]], "SS", -2000)],
)
def test_padding_written_with_the_other_sign(
    pixels: list[list[int]], representation: str, value: int
) -> None:
    made = dataset(pixels)
    made.add_new("PixelPaddingValue", representation, value)
    np.testing.assert_array_equal(read_dicom(file_of(made)), [[0, 0], [0.5, 1]])


def test_nothing_but_padding() -> None:
    with pytest.raises(RadiographError, match="Every pixel"):
        shown([[7, 7]], PixelPaddingValue=7)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_uncompressed_and_deflated_syntaxes(syntax: UID) -> None:
    # The byte order of the pixels is the syntax's; 8 bits have none.
    made = dataset(np.array([[0, 51], [204, 255]], dtype=np.uint8), WindowCenter=128)
    made.WindowWidth = 256
    made.file_meta.TransferSyntaxUID = syntax
    np.testing.assert_allclose(read_dicom(file_of(made)), [[0, 0.2], [0.8, 1]], rtol=1e-6)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_lossless_compression_gives_the_same_pixels(syntax: UID) -> None:
    np.testing.assert_array_equal(read_dicom(file_of(compressed(NOISE, syntax))), shown(NOISE))


def test_lossy_jpeg_2000_is_close() -> None:
    made = dataset(NOISE)
    made.compress(JPEG2000, j2k_cr=[2], generate_instance_uid=False)
    np.testing.assert_allclose(read_dicom(file_of(made)), shown(NOISE), atol=0.05)


def baseline(pixels: NDArray[np.uint8]) -> Dataset:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=100)
    made = dataset(pixels)
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    made.PixelData = encapsulate([stream.getvalue()])
    return made


def test_jpeg_baseline_is_close() -> None:
    pixels = np.linspace(0, 255, 16 * 24).reshape(16, 24).astype(np.uint8)
    np.testing.assert_allclose(
        read_dicom(file_of(baseline(pixels))), shown(pixels), atol=2.01 / 255
    )


def test_jpeg_2000_inside_the_boxes_of_a_file() -> None:
    stream = BytesIO()
    Image.fromarray(NOISE.astype(np.uint8)).save(stream, "JPEG2000", no_jp2=False)
    made = dataset(NOISE.astype(np.uint8))
    made.file_meta.TransferSyntaxUID = JPEG2000Lossless
    made.PixelData = encapsulate([stream.getvalue()])
    np.testing.assert_array_equal(read_dicom(file_of(made)), shown(NOISE.astype(np.uint8)))


@pytest.mark.parametrize("modality", ["CR", "DX", "DR", "RG", "XC"])
def test_radiography_is_read(modality: str) -> None:
    assert shown([[0, 1]], Modality=modality).shape == (1, 2)


@pytest.mark.parametrize("modality", ["CT", "MR", "US", "MG", "PX", "RF", "OT", "SR"])
def test_other_modalities_are_refused(modality: str) -> None:
    with pytest.raises(RadiographError, match=rf"\(0008,0060\) Modality is '{modality}'"):
        shown([[0, 1]], Modality=modality)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"Modality": ""}, r"\(0008,0060\) Modality is missing or empty"),
        ({"Modality": "Doe^Jane"}, r"\(0008,0060\) Modality is invalid"),
        ({"PhotometricInterpretation": "RGB"}, r"\(0028,0004\) PhotometricInterp.* is 'RGB'"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "is 'PALETTE COLOR'"),
        ({"PresentationLUTShape": "INVERSE"}, r"\(2050,0020\) PresentationLUTShape is 'INVERSE'"),
        ({"NumberOfFrames": 2}, r"\(0028,0008\) NumberOfFrames is '2'"),
        ({"Rows": 65535, "Columns": 65535}, "65535 by 65535"),
        ({"Rows": 0}, "2 by 0"),
        ({"WindowCenter": 5, "WindowWidth": 0}, r"\(0028,1051\) WindowWidth is '0\.0'"),
        ({"WindowCenter": 5, "WindowWidth": 0.5}, "WindowWidth is '0.5'"),
        ({"WindowCenter": 5, "WindowWidth": 2, "VOILUTFunction": "CUBIC"}, "Function is 'CUBIC'"),
        ({"BitsAllocated": 12}, "cannot be decoded"),
        ({"Rows": 3}, "cannot be decoded"),
    ],
)
def test_refusals_name_what_was_received(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(RadiographError, match=message):
        shown([[0, 1]], **attributes)


def test_several_samples_are_refused() -> None:
    made = dataset(np.zeros((1, 6), dtype=np.uint8), SamplesPerPixel=3, PlanarConfiguration=0)
    made.Columns = 2
    with pytest.raises(RadiographError, match="SamplesPerPixel is '3'"):
        read_dicom(file_of(made))


@pytest.mark.parametrize("keyword", ["PixelData", "Modality", "PhotometricInterpretation"])
def test_missing_elements_are_named(keyword: str) -> None:
    made = dataset([[0, 1]])
    delattr(made, keyword)
    with pytest.raises(RadiographError, match=f"{keyword} is missing"):
        read_dicom(file_of(made))


def test_an_undecodable_syntax_is_named() -> None:
    made = dataset([[0, 1]])
    made.file_meta.TransferSyntaxUID = MPEG2MPML
    made.PixelData = encapsulate([bytes(8)])
    message = r"\(0002,0010\) TransferSyntaxUID is '1\.2\.840\.10008\.1\.2\.4\.100' \(MPEG2 "
    with pytest.raises(RadiographError, match=message):
        read_dicom(file_of(made))


def test_a_codestream_larger_than_announced_is_not_decoded() -> None:
    small = np.zeros((64, 64), dtype=np.uint8)
    huge = struct.pack(">2I", 40_000, 40_000)
    for made, marker, position, size in [
        (compressed(small, JPEG2000Lossless), b"\xff\x51", 6, huge),
        (compressed(small, JPEGLSLossless), b"\xff\xf7", 5, struct.pack(">2H", 40_000, 40_000)),
        (baseline(small), b"\xff\xc0", 5, struct.pack(">2H", 40_000, 40_000)),
    ]:
        frame = bytearray(get_frame(made.PixelData, 0, number_of_frames=1))
        start = frame.index(marker) + position
        frame[start : start + len(size)] = size
        made.PixelData = encapsulate([bytes(frame)])
        with pytest.raises(RadiographError, match=r"40000 by 40000 pixels, .* 64 by 64"):
            read_dicom(file_of(made))


def test_a_damaged_rle_segment_is_refused() -> None:
    made = dataset(np.zeros((4, 4), dtype=np.uint8))
    made.file_meta.TransferSyntaxUID = RLELossless
    # One segment, whose first byte announces 128 literals of which 3 follow
    made.PixelData = encapsulate([struct.pack("<16I", 1, 64, *[0] * 14) + b"\x7f\x00\x01\x02"])
    with pytest.raises(RadiographError, match="RLE Lossless"):
        read_dicom(file_of(made))


def test_a_deflated_bomb_is_not_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    made = dataset(np.zeros((100, 100), dtype=np.uint8))
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data = file_of(made)
    monkeypatch.setattr(dicom, "MAX_BYTES", 9_000)
    with pytest.raises(RadiographError, match="more than 9,000 bytes"):
        read_dicom(data)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_nothing_of_the_patient_leaves(caplog: pytest.LogCaptureFixture) -> None:
    made = dataset([[0, 1]], PatientID="Doe-1")
    for keyword in ("PatientBirthDate", "StudyDate", "PatientAge", "PatientSize", "SeriesNumber"):
        # Not valid for the type of any of these, which pydicom would warn of with the value
        made.add_new(keyword, "LO", "Doe" * 30)
    data = file_of(made)
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_dicom(data)
        with pytest.raises(RadiographError) as refused:
            read_dicom(data[:-1])
    said = [str(refused.value), repr(refused.value.__cause__), caplog.text]
    assert not any("Doe" in text for text in said + [str(warning.message) for warning in caught])
    assert "Doe" not in str(dicom._parse(data))


FILES = {
    "uncompressed": file_of(dataset(NOISE)),
    "RLE": file_of(compressed(NOISE, RLELossless)),
    "JPEG-LS": file_of(compressed(NOISE, JPEGLSLossless)),
    "JPEG 2000": file_of(compressed(NOISE, JPEG2000Lossless)),
    "JPEG": file_of(baseline(NOISE.astype(np.uint8))),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", FILES)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_a_file_cut_short_is_refused_or_complete(name: str, data: st.DataObject) -> None:
    whole = FILES[name]
    kept = data.draw(st.integers(0, len(whole) - 1))
    try:
        result = read_dicom(whole[:kept])
    except RadiographError:
        return
    np.testing.assert_array_equal(result, read_dicom(whole))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", FILES)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_in_range(name: str, data: st.DataObject) -> None:
    damaged = bytearray(FILES[name])
    places = st.tuples(st.integers(132, len(damaged) - 1), st.integers(0, 255))
    for position, value in data.draw(st.lists(places, min_size=1, max_size=8)):
        damaged[position] = value
    try:
        result = read_dicom(bytes(damaged))
    except RadiographError:
        return
    assert result.dtype == np.float32


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(rest=st.binary())
def test_any_bytes_after_the_preamble_are_refused(rest: bytes) -> None:
    with pytest.raises(RadiographError):
        read_dicom(bytes(128) + b"DICM" + rest)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CT_small.dcm", "Modality is 'CT'"),
        ("MR_truncated.dcm", "Modality is 'MR'"),
        ("rtplan.dcm", "Modality is 'RTPLAN'"),
        ("SC_rgb_rle_2frame.dcm", "Modality is 'OT'"),
        ("examples_palette.dcm", "Modality is 'US'"),
        ("test-SR.dcm", "Modality is 'SR'"),
    ],
)
def test_real_files_of_other_kinds_are_refused(name: str, message: str) -> None:
    data = (Path(pydicom.__file__).parent / "data/test_files" / name).read_bytes()
    with pytest.raises(RadiographError, match=message):
        read_dicom(data)
