from contextlib import suppress

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from cxr_gradcam.imaging.pixels import quantize
from cxr_gradcam.imaging.rendering import (
    COLORMAPS,
    as_rgb,
    color_table,
    colorize,
    overlay,
    three_panels,
)

unit_floats = st.floats(0, 1, width=32)
heatmaps = npst.arrays(np.float32, (3, 4), elements=unit_floats)
rgb_images = npst.arrays(np.uint8, (3, 4, 3))


def grey(*values: int) -> np.ndarray:
    """One row of pixels with equal red, green and blue."""
    return np.repeat(np.array([values], dtype=np.uint8)[..., None], 3, axis=-1)


def test_jet_runs_from_blue_to_red():
    table = color_table("jet")
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    assert table[0].tolist() == [0, 0, 128]
    assert table[255].tolist() == [128, 0, 0]


def test_grey_is_the_value_itself():
    assert (color_table("grey") == np.arange(256)[:, None]).all()


@pytest.mark.parametrize("name", [name for name, code in COLORMAPS.items() if code is not None])
def test_constant_and_name_mean_the_same_table(name):
    table = color_table(name)
    assert np.array_equal(table, color_table(getattr(cv2, f"COLORMAP_{name.upper()}")))
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    assert np.array_equal(table, cv2.applyColorMap(ramp, COLORMAPS[name])[:, 0, ::-1])


@pytest.mark.parametrize("name", COLORMAPS)
def test_hottest_pixel_gets_the_last_colour_and_coldest_the_first(name):
    heatmap = np.array([[0.0, 0.5], [0.999, 1.0]], dtype=np.float32)
    colors = colorize(heatmap, name)
    assert colors[1, 1].tolist() == color_table(name)[255].tolist()
    assert colors[0, 0].tolist() == color_table(name)[0].tolist()
    # 0.5 * 255 = 127.5 is rounded up
    assert colors[0, 1].tolist() == color_table(name)[128].tolist()


@pytest.mark.parametrize("name", ["inferno", "viridis", "magma", "cividis", "grey"])
def test_perceptual_tables_grow_brighter(name):
    luma = color_table(name) @ [0.299, 0.587, 0.114]
    assert (np.diff(luma) > -1).all()
    assert luma[255] > luma[0] + 100


def test_tables_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        color_table("jet")[0] = 0


@pytest.mark.parametrize(
    ("colormap", "message"),
    [
        ("rainbows", "no colour map 'rainbows': choose from jet, inferno"),
        (99, "no colour map with the number 99: choose from jet, inferno"),
        (-1, "no colour map with the number -1"),
    ],
)
def test_unknown_colour_map_is_refused(colormap, message):
    with pytest.raises(ValueError, match=message):
        color_table(colormap)


@given(heatmap=heatmaps)
def test_quantizing_errs_by_half_a_step_at_most(heatmap):
    assert np.abs(quantize(heatmap) / 255.0 - heatmap).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.01, 1.01])
def test_map_outside_its_range_is_refused(value):
    heatmap = np.array([[0.5, value]], dtype=np.float32)
    with pytest.raises(ValueError, match=r"heat map .* lie in \[0, 1\]; this one"):
        quantize(heatmap)
    with pytest.raises(ValueError, match=r"heat map .* lie in \[0, 1\]; this one"):
        overlay(grey(0, 0), heatmap)


def test_overlay_by_hand():
    # Jet: 0 is (0, 0, 128) and 1 is (128, 0, 0).
    #   0.75 * 100 + 0.25 * (0, 0, 128) = (75, 75, 107)
    #   0.75 * 201 + 0.25 * (128, 0, 0) = (182.75, 150.75, 150.75), rounded
    blended = overlay(grey(100, 201), np.array([[0.0, 1.0]], dtype=np.float32), alpha=0.25)
    assert blended.dtype == np.uint8
    assert blended.tolist() == [[[75, 75, 107], [183, 151, 151]]]


def test_halves_are_rounded_up():
    # (1 + 0) / 2 and (3 + 0) / 2: half to even would give 0 and 2
    blended = overlay(grey(1, 3), np.zeros((1, 2), dtype=np.float32), 0.5, "grey")
    assert blended[0, :, 0].tolist() == [1, 2]


@pytest.mark.parametrize("name", COLORMAPS)
@settings(deadline=None, max_examples=15)
@given(image=rgb_images, heatmap=heatmaps, alpha=st.floats(0, 1))
def test_overlay_lies_between_image_and_colour(name, image, heatmap, alpha):
    colors = colorize(heatmap, name)
    blended = overlay(image, heatmap, alpha, name)
    assert (blended >= np.minimum(image, colors)).all()
    assert (blended <= np.maximum(image, colors)).all()


@settings(deadline=None, max_examples=15)
@given(image=rgb_images, heatmap=heatmaps)
def test_ends_of_the_opacity_are_image_and_colour_themselves(image, heatmap):
    assert np.array_equal(overlay(image, heatmap, 0), image)
    assert np.array_equal(overlay(image, heatmap, 1), colorize(heatmap))


@pytest.mark.parametrize("alpha", [-0.01, 1.01, np.nan, np.inf])
def test_opacity_outside_its_range_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha is an opacity from 0 to 1"):
        overlay(grey(0), np.zeros((1, 1), dtype=np.float32), alpha)


def test_map_on_another_grid_is_refused():
    with pytest.raises(ValueError, match=r"\(1, 2\) and heat map \(2, 1\) differ in size"):
        overlay(grey(0, 0), np.zeros((2, 1), dtype=np.float32))


@pytest.mark.parametrize(
    "picture",
    [
        np.array([[0, 128, 255]], dtype=np.uint8),
        np.array([[0, 128, 255]], dtype=np.uint8)[..., None],
        grey(0, 128, 255),
        np.array([[0, 128 * 257, 65535]], dtype=np.uint16),
        np.array([[0, 128 * 257, 65535]], dtype=">u2"),
        np.array([[0, 128 / 255, 1]], dtype=np.float32),
        np.array([[0, 128 / 255, 1]], dtype=np.float64),
        Image.frombytes("L", (3, 1), bytes([0, 128, 255])),
        Image.fromarray(grey(0, 128, 255)),
        Image.fromarray(grey(0, 128, 255)).convert("RGBA"),
        Image.frombytes("L", (3, 1), bytes([0, 128, 255])).convert("P"),
        Image.fromarray(np.array([[0, 128 * 257, 65535]], dtype=np.uint16)),
        Image.frombytes("I;16B", (3, 1), np.array([0, 128 * 257, 65535], dtype=">u2").tobytes()),
    ],
    ids=lambda picture: getattr(picture, "mode", None) or f"{picture.dtype}{picture.shape}",
)
def test_every_kind_of_picture_becomes_the_same_rgb_image(picture):
    image = as_rgb(picture)
    assert image.dtype == np.uint8
    assert image.tolist() == grey(0, 128, 255).tolist()


@pytest.mark.parametrize("values", [np.int32([[0, 128 * 257, 65535]]), np.float32([[0, 0.5, 1]])])
def test_deep_picture_of_pil_is_never_clipped_in_silence(values):
    with suppress(ValueError):
        assert as_rgb(Image.fromarray(values)).tolist() == grey(0, 128, 255).tolist()


def test_colours_keep_their_order():
    red = np.array([[[255, 0, 1]]], dtype=np.uint8)
    assert as_rgb(red).tolist() == as_rgb(Image.fromarray(red)).tolist() == red.tolist()


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((2, 2, 2), dtype=np.uint8), r"\(H, W\) or \(H, W, 3\); received \(2, 2, 2\)"),
        (np.zeros(4, dtype=np.uint8), r"\(H, W\) or \(H, W, 3\); received \(4,\)"),
        (np.zeros((3, 4, 5, 3), dtype=np.uint8), r"received \(3, 4, 5, 3\)"),
        (np.zeros((2, 2), dtype=np.int64), "received int64"),
        (np.zeros((2, 2), dtype=bool), "received bool"),
        (np.full((2, 2), 255.0), r"\[0, 1\]"),
        (np.full((2, 2), np.nan), r"\[0, 1\]"),
    ],
)
def test_what_is_no_picture_is_refused(picture, message):
    with pytest.raises(ValueError, match=message):
        as_rgb(picture)


def test_three_panels_show_original_map_and_overlay():
    original, heatmap = grey(10, 200), np.array([[0.0, 1.0]], dtype=np.float32)
    figure = three_panels(original, heatmap, "Pneumonia 93 %", 0.3, "viridis")
    *panels, bar = figure.axes
    expected = [
        original,
        colorize(heatmap, "viridis"),
        overlay(original, heatmap, 0.3, "viridis"),
    ]
    for panel, image in zip(panels, expected, strict=True):
        assert np.array_equal(panel.images[0].get_array(), image)
    assert [panel.get_title() for panel in panels] == ["Original", "Heat map", "Overlay"]
    assert figure.get_suptitle() == "Pneumonia 93 %"
    assert bar.get_ylim() == (0, 1)


def test_a_fading_map_is_as_opaque_as_it_is_strong() -> None:
    picture = np.full((1, 3, 3), 200, np.uint8)
    heatmap = np.array([[0, 102 / 255, 1]])
    shown = overlay(picture, heatmap, 0.5, "grey", fading=True)
    # Opacities 0, 0.2 and 0.5 of the greys 0, 102 and 255 over 200
    assert shown[0, :, 0].tolist() == [200, 180, 228]


def test_below_the_threshold_the_picture_stays_clear() -> None:
    picture = np.full((1, 3, 3), 200, np.uint8)
    heatmap = np.array([[0, 127 / 255, 128 / 255]])
    shown = overlay(picture, heatmap, 1, "grey", threshold=0.5)
    assert shown[0, :, 0].tolist() == [200, 200, 128]
    with pytest.raises(ValueError, match="threshold"):
        overlay(picture, heatmap, threshold=1.5)
