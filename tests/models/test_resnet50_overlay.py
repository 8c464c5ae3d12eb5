"""get_gradcam_overlay."""

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from cxr_gradcam.cam.eval_mode import evaluating
from cxr_gradcam.cam.maps import upsample
from cxr_gradcam.imaging.rendering import as_rgb, color_table, overlay
from cxr_gradcam.models.preprocessing import Preprocessing
from tests.helpers.resnet50 import assert_same_tensors, buffers

HEIGHT, WIDTH = 50, 70
PICTURE = np.linspace(0, 255, HEIGHT * WIDTH).astype(np.uint8).reshape(HEIGHT, WIDTH)
ORIGINALS = {
    "PIL grey": Image.fromarray(PICTURE),
    "PIL RGB": Image.fromarray(np.stack([PICTURE, PICTURE[::-1], PICTURE], axis=-1)),
    "PIL 16 bit": Image.fromarray(PICTURE.astype(np.uint16) * 257),
    "grey": PICTURE,
    "grey float": PICTURE / 255.0,
    "grey 16 bit": PICTURE.astype(np.uint16) * 257,
    "RGB": np.stack([PICTURE, PICTURE[::-1], PICTURE], axis=-1),
}


@pytest.mark.parametrize("original", ORIGINALS.values(), ids=ORIGINALS)
def test_overlay_lies_on_the_originals_grid(shared_model, images, original):
    colored, blended = shared_model.get_gradcam_overlay(images[0], original, 0.3, "viridis")
    heatmap = upsample(shared_model.gradcam(images[:1])[1], (HEIGHT, WIDTH))[0][0].numpy()
    for image in (colored, blended):
        assert image.dtype == np.uint8
        assert image.shape == (HEIGHT, WIDTH, 3)
    assert np.array_equal(blended, overlay(as_rgb(original), heatmap, 0.3, "viridis"))
    hottest = np.unravel_index(heatmap.argmax(), heatmap.shape)
    assert colored[hottest].tolist() == color_table("viridis")[255].tolist()


def test_one_image_may_come_with_or_without_a_batch_axis(shared_model, images):
    three, four = (shared_model.get_gradcam_overlay(x) for x in (images[2], images[2:3]))
    assert np.array_equal(three[0], four[0])
    assert np.array_equal(three[1], four[1])


def test_without_an_original_the_input_itself_is_shown(model):
    model.preprocessing = Preprocessing(64, (0.2, 0.3, 0.4), (0.5, 0.25, 0.125))
    grey = torch.arange(64.0).expand(1, 1, 48, 64) / 63
    x = model.preprocessing.normalize(grey)
    blended = model.get_gradcam_overlay(x, alpha=0)[1]
    expected = np.floor(np.arange(64) / 63 * 255 + 0.5)
    assert blended.shape == (48, 64, 3)
    # 1: where rounding in float32 tips a half
    assert np.abs(blended - expected[None, :, None]).max() <= 1


def test_ends_of_the_opacity(shared_model, images):
    original = ORIGINALS["RGB"]
    assert np.array_equal(shared_model.get_gradcam_overlay(images[0], original, 0)[1], original)
    colored, blended = shared_model.get_gradcam_overlay(images[0], original, 1.0)
    assert np.array_equal(blended, colored)


def test_the_original_is_not_written_to(shared_model, images):
    original = ORIGINALS["RGB"].copy()
    shared_model.get_gradcam_overlay(images[0], original)
    assert np.array_equal(original, ORIGINALS["RGB"])


def test_jet_at_half_opacity_is_the_default(shared_model, images):
    default = shared_model.get_gradcam_overlay(images[0])
    named = shared_model.get_gradcam_overlay(images[0], None, 0.5, "jet")
    by_constant = shared_model.get_gradcam_overlay(images[0], None, 0.5, cv2.COLORMAP_JET)
    for given, constant, result in zip(named, by_constant, default, strict=True):
        assert np.array_equal(given, result)
        assert np.array_equal(constant, result)


def test_there_is_no_overlay_without_gradcam(model, images):
    model.disable_gradcam_mode()
    assert model.get_gradcam_overlay(images[0]) is None


@pytest.mark.parametrize("count", [0, 2])
def test_overlay_of_other_than_one_image_is_refused(shared_model, images, count):
    with pytest.raises(ValueError, match=rf"one image.* is needed, not \({count}, 3, 64, 96\)"):
        shared_model.get_gradcam_overlay(images[:count])


@pytest.mark.parametrize("alpha", [-0.1, 1.5])
def test_overlay_with_an_impossible_opacity_is_refused(shared_model, images, alpha):
    with pytest.raises(ValueError, match="opacity from 0 to 1"):
        shared_model.get_gradcam_overlay(images[0], alpha=alpha)


def test_overlay_of_a_model_in_training_is_made_in_eval_mode(model, shared_model, images):
    model.train()
    model.resnet50.layer3[2].eval()
    modes = [module.training for module in model.modules()]
    before = buffers(model)
    made = model.get_gradcam_overlay(images[0])
    assert [module.training for module in model.modules()] == modes
    assert_same_tensors(before, buffers(model))
    assert np.array_equal(made[1], shared_model.get_gradcam_overlay(images[0])[1])


def fail_unless_evaluating(model):
    assert not any(module.training for module in model.modules())
    raise ZeroDivisionError


def test_eval_mode_is_left_even_after_an_error(model):
    model.train().resnet50.layer1.eval()
    modes = [module.training for module in model.modules()]
    with pytest.raises(ZeroDivisionError), evaluating(model):
        fail_unless_evaluating(model)
    assert [module.training for module in model.modules()] == modes
