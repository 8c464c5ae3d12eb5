"""Stored values with their windows: what a viewer makes of them is what the model saw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from cxr_gradcam.imaging.pixels import quantize
from cxr_gradcam.imaging.reading import read_for_viewing, read_radiograph
from cxr_gradcam.imaging.stored_values import AS_SEEN, StoredValues, Window
from tests.imaging.dicom.dicom_files import NOISE, dataset, file_of

RAMP = np.arange(100, 164, dtype=np.uint16).reshape(8, 8)


def stored(pixels: NDArray[Any], **attributes: Any) -> StoredValues:
    return read_for_viewing(file_of(dataset(pixels, **attributes)))[1]


def looked_at(image: StoredValues, window: Window) -> NDArray[np.integer]:
    """The greys of a picture, by the rule that the browser follows."""
    if window.greys is not None:
        return window.greys[image.values].astype(int)
    share = (image.values - window.low) / (window.high - window.low)
    greys = np.clip(np.floor(share * 255 + 0.5), 0, 255).astype(int)
    greys = 255 - greys if image.is_inverted else greys
    first, last = image.padding or (1, 0)
    return np.where((image.values >= first) & (image.values <= last), 0, greys)


def table(first: int, entries: NDArray[np.uint16], explanation: str = "") -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries), first, 16])
    item.add_new("LUTData", "OW", entries.tobytes())
    if explanation:
        item.LUTExplanation = explanation
    return item


@settings(max_examples=60, deadline=None)
@given(
    interpretation=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    center=st.floats(-500, 5000),
    width=st.floats(2, 9000),
    rescale=st.sampled_from([None, (1, -1024), (0.5, 10), (-1, 4095)]),
    padding=st.sampled_from([None, 0, 4095]),
    window=st.booleans(),
)
def test_the_first_window_shows_what_the_model_saw(
    interpretation: str,
    function: str,
    center: float,
    width: float,
    rescale: tuple[float, float] | None,
    padding: int | None,
    window: bool,
) -> None:
    made = dataset(NOISE, PhotometricInterpretation=interpretation)
    if window:
        made.WindowCenter, made.WindowWidth = round(center, 3), round(width, 3)
        made.VOILUTFunction = function
    if rescale is not None:
        made.RescaleSlope, made.RescaleIntercept = rescale
    if padding is not None:
        made.PixelPaddingValue = padding
    radiograph, image = read_for_viewing(file_of(made))
    shown = looked_at(image, image.windows[0])
    assert np.abs(shown - quantize(radiograph.pixels).astype(int)).max() <= 1
    slope, intercept = rescale or (1, 0)
    np.testing.assert_allclose(
        image.values * image.slope + image.offset, NOISE * float(slope) + intercept
    )


def test_tables_give_their_greys_for_every_value() -> None:
    entries = np.array([0, 65535, 20000, 40000], np.uint16).repeat(16)
    image = stored(RAMP, VOILUTSequence=[table(100, entries, "Thorax")])
    first = image.windows[0]
    assert first.label == f"{AS_SEEN} (Thorax)"
    assert first.greys is not None
    np.testing.assert_array_equal(first.greys, (entries / 65535 * 255 + 0.5).astype(np.uint8))


def test_a_modality_table_has_no_slope() -> None:
    entries = (np.arange(64, dtype=np.uint16) ** 2).astype(np.uint16)
    image = stored(RAMP, ModalityLUTSequence=[table(100, entries)], RescaleSlope=None)
    radiograph, _ = read_for_viewing(
        file_of(dataset(RAMP, ModalityLUTSequence=[table(100, entries)]))
    )
    assert (image.slope, image.offset) == (1, 100)
    np.testing.assert_array_equal(looked_at(image, image.windows[0]), quantize(radiograph.pixels))


def test_every_window_of_the_file_is_offered_with_its_explanation() -> None:
    image = stored(
        RAMP,
        WindowCenter=[130, 0, 120],
        WindowWidth=[40, 0, 11],
        WindowCenterWidthExplanation=["NORMAL", "UNUSABLE", "HARDER"],
    )
    first, second = image.windows[:2]
    assert (first.label, first.low, first.high) == (f"{AS_SEEN} (NORMAL)", 10, 49)
    assert (second.label, second.low, second.high) == ("Stored 2 (HARDER)", 14.5, 24.5)


@pytest.mark.parametrize("text", ["<b>Doe</b>", "Doe^Jane", "x" * 40, "=cmd"])
def test_no_other_text_passes_as_an_explanation(text: str) -> None:
    image = stored(RAMP, WindowCenter=130, WindowWidth=40, WindowCenterWidthExplanation=text)
    assert image.windows[0].label == AS_SEEN


def test_lungs_bones_and_equalised_are_offered_by_density() -> None:
    labels = [window.label for window in stored(RAMP).windows]
    assert labels == [AS_SEEN, "Full range", "Lungs", "Bones", "Equalised"]
    _, full, lungs, bones, even = stored(RAMP).windows
    assert (full.low, full.high) == (0, 63)
    assert (lungs.low, lungs.high) == (0, 38)
    assert (bones.low, bones.high) == (25, 63)
    assert even.greys is not None
    assert even.greys[[0, 21, 63]].tolist() == [0, 85, 255]


def test_of_an_inverted_picture_the_lungs_are_the_high_values() -> None:
    _, _, lungs, bones, even = stored(RAMP, PhotometricInterpretation="MONOCHROME1").windows
    assert (lungs.low, lungs.high) == (25, 63)
    assert (bones.low, bones.high) == (0, 38)
    assert even.greys is not None
    assert even.greys[[0, 63]].tolist() == [255, 0]


SPACINGS = [
    ({}, None),
    ({"ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1, "on the detector")),
    (
        {"ImagerPixelSpacing": [0.22, 0.11], "EstimatedRadiographicMagnificationFactor": 1.1},
        (0.2, 0.1, "in the patient"),
    ),
    (
        {"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.2, 0.2]},
        (0.2, 0.2, "on the detector"),
    ),
    (
        {"PixelSpacing": [0.18, 0.18], "PixelSpacingCalibrationType": "GEOMETRY"},
        (0.18, 0.18, "geometry"),
    ),
    (
        {"PixelSpacing": [0.18, 0.18], "PixelSpacingCalibrationType": "FIDUCIAL"},
        (0.18, 0.18, "known size"),
    ),
    ({"PixelSpacing": [0.18, 0.18]}, (0.18, 0.18, "does not say how")),
    ({"PixelSpacing": [0, 0.18]}, None),
    ({"PixelSpacing": 0.18}, None),
]


@pytest.mark.parametrize(("attributes", "expected"), SPACINGS)
def test_spacing_says_where_it_holds(
    attributes: dict[str, Any], expected: tuple[float, float, str] | None
) -> None:
    spacing = stored(RAMP, **attributes).spacing
    if expected is None:
        assert spacing is None
        return
    assert spacing is not None
    assert (spacing.row, spacing.column) == pytest.approx(expected[:2])
    assert expected[2] in spacing.says


@pytest.mark.parametrize(
    ("value", "expected"), [(["L", "F"], ("L", "F")), (["L"], None), (["L", "X1"], None)]
)
def test_orientation_is_directions_or_nothing(
    value: list[str], expected: tuple[str, str] | None
) -> None:
    assert stored(RAMP, PatientOrientation=value).orientation == expected


@pytest.mark.parametrize(
    ("value", "side"), [(["L", "F"], "left"), (["RA", "H"], "right"), (["A", "F"], None)]
)
def test_rows_say_at_which_side_the_patients_right_is(value: list[str], side: str | None) -> None:
    radiograph = read_radiograph(file_of(dataset(RAMP, PatientOrientation=value)))
    assert radiograph.right_side == side
    assert read_radiograph(file_of(dataset(RAMP))).right_side is None


def test_small_ranges_take_eight_bits() -> None:
    assert stored(RAMP).values.dtype == np.uint8
    assert stored(RAMP).values.max() == 63
    assert stored(NOISE).values.dtype == np.uint16
