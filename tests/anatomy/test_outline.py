import cv2
import numpy as np
import pytest
import torch

from cxr_gradcam.anatomy.network import LungNetwork, network_input, stretch
from cxr_gradcam.anatomy.outline import (
    CLOSED,
    LEAST_PROBABILITY,
    LungOutliner,
    load_outliner,
    lung_shares,
    outline_lungs,
)
from cxr_gradcam.bundled import assets, bundled_checkpoint
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.checkpoint import CheckpointError, load_checkpoint
from tests.anatomy.conftest import chest


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


@pytest.mark.parametrize("seed", range(4))
def test_the_outlines_go_round_opacities(seed):
    phantom = chest(seed)
    lungs = outline_lungs(Radiograph(phantom.pixels))
    assert lungs.is_plausible
    assert dice(lungs.right, phantom.right_lung) > 0.95
    assert dice(lungs.left, phantom.left_lung) > 0.95
    hidden = phantom.lesion_mask & (phantom.right_lung | phantom.left_lung)
    assert (lungs.right | lungs.left)[hidden].mean() > 0.9
    assert not (lungs.right & lungs.left).any()


def test_the_outlines_lie_on_the_radiographs_own_pixels(phantom):
    wide = np.repeat(phantom.pixels, 3, axis=1)
    lungs = outline_lungs(Radiograph(wide))
    assert lungs.right.shape == lungs.left.shape == wide.shape
    assert lungs.right.dtype == np.bool_
    assert dice(lungs.right, np.repeat(phantom.right_lung, 3, axis=1)) > 0.95


def test_a_mirrored_file_that_says_so_has_its_right_lung_at_the_right(phantom):
    mirrored = Radiograph(np.ascontiguousarray(phantom.pixels[:, ::-1]), right_side="right")
    lungs = outline_lungs(mirrored)
    assert lungs.side_is_stated
    assert dice(lungs.right, phantom.right_lung[:, ::-1]) > 0.93


@pytest.mark.parametrize(
    "change",
    [
        np.flipud,
        np.rot90,
        lambda pixels: 1 - pixels,
        lambda pixels: np.random.default_rng(0).random(pixels.shape, np.float32),
        np.zeros_like,
    ],
    ids=["upside down", "turned", "black for white", "noise", "black"],
)
def test_what_is_no_upright_chest_has_no_plausible_lungs(phantom, change):
    lungs = outline_lungs(Radiograph(np.ascontiguousarray(change(phantom.pixels))))
    assert not lungs.is_plausible
    assert lungs.score > 1


def test_the_weights_are_small_and_say_where_they_come_from():
    path = assets() / "lungs.safetensors"
    assert path.stat().st_size < 2_000_000
    figures = load_checkpoint(path).training
    assert "NIH" in figures["source"]
    assert figures["validation_dice"] > 0.96


def test_only_weights_of_lungs_are_loaded(tmp_path):
    with pytest.raises(CheckpointError, match="outlines lungs"):
        load_outliner(bundled_checkpoint())
    with pytest.raises(CheckpointError, match="no weights"):
        load_outliner(tmp_path / "lungs.safetensors")


def test_joined_layers_give_the_networks_own_answer():
    torch.manual_seed(0)
    network = LungNetwork((4, 8, 8, 8))
    network(torch.rand(4, 1, 128, 128))  # BatchNorm statistics that are not those of the start
    network.eval()
    pixels = np.random.default_rng(1).random((70, 90), np.float32)
    with torch.no_grad():
        logits = network(network_input(pixels))
    expected = lung_shares(logits, LEAST_PROBABILITY, CLOSED)
    found = LungOutliner(network).outline(pixels, pixels.shape).shares
    assert np.abs(found - expected).max() < 1e-4


def test_a_lung_is_filled_and_loses_its_crumbs():
    logits = torch.full((1, 2, 128, 128), -5.0)
    logits[0, 0, 20:100, 10:50] = 5
    logits[0, 0, 40:44, 20:24] = -5  # a hole
    logits[0, 0, 110:114, 100:104] = 5  # a crumb
    shares = lung_shares(logits)
    expected = np.zeros((128, 128), bool)
    expected[20:100, 10:50] = True
    assert np.array_equal(shares[0] > 0.5, expected)
    assert not (shares[1] > 0.5).any()


def test_what_an_opacity_takes_from_a_lung_is_given_back():
    logits = torch.full((1, 2, 128, 128), -5.0)
    logits[0, 0, 20:100, 10:50] = 5
    logits[0, 1, 20:100, 70:120] = 5
    logits[0, 0, 60:75, 10:30] = -5  # a notch
    logits[0, 1, 85:100, 70:120] = -0.5  # doubted
    shares = lung_shares(logits, LEAST_PROBABILITY, CLOSED)
    assert (shares[0, 62:73, 10:50] > 0.5).mean() > 0.9
    assert (shares[1, 86:98, 75:115] > 0.5).all()
    assert not (shares[0] > 0.5)[:, 60:].any()
    assert not ((shares[0] > 0.5) & (shares[1] > 0.5)).any()


def test_an_outline_is_the_edge_of_its_lung(phantom):
    lungs = outline_lungs(Radiograph(phantom.pixels))
    right, left = lungs.outlines
    for line, lung in ((right, lungs.right), (left, lungs.left)):
        drawn = np.zeros(lung.shape, np.uint8)
        points = np.round(line * lung.shape[::-1]).astype(np.int32)
        cv2.fillPoly(drawn, [points], 1)
        common = (drawn > 0) & lung
        assert 2 * common.sum() / (drawn.sum() + lung.sum()) > 0.97


def test_brightness_and_contrast_do_not_matter(phantom):
    dull = Radiograph(phantom.pixels * np.float32(0.3) + np.float32(0.2))
    bright, dulled = (outline_lungs(each).shares for each in (Radiograph(phantom.pixels), dull))
    assert np.abs(bright - dulled).max() < 0.02


def test_a_single_grey_is_stretched_to_one():
    assert np.unique(stretch(np.full((4, 4), 0.7, np.float32))).size == 1
