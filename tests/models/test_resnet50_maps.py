"""The maps of ResNet50FineTuned: by rules, and as others make them."""

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from cxr_gradcam.cam.maps import upsample
from tests.helpers.resnet50 import CLASSES, DEVICES


@pytest.mark.parametrize("device", DEVICES)
def test_shapes_types_and_ranges(model, images, device):
    x = images.to(device)
    logits, heatmaps = model.to(device)(x, return_gradcam=True)
    assert logits.shape == (4, 3)
    assert heatmaps.shape == (4, 64, 96)
    assert heatmaps.dtype == torch.float32
    assert heatmaps.device == x.device
    assert not heatmaps.requires_grad
    assert heatmaps.min() >= 0
    assert heatmaps.amax(dim=(1, 2)).tolist() == [1, 1, 1, 1]
    assert torch.equal(logits, model(x))


def test_the_plain_call_gives_logits_alone(shared_model, images):
    assert torch.equal(shared_model(images, False, 1), shared_model(images))


def test_the_map_is_the_scaled_gradcam_at_the_images_size(shared_model, images):
    logits, maps = shared_model.gradcam(images, 1)
    assert maps.shape == (4, 2, 3)
    expected_logits, heatmaps = shared_model(images, True, 1)
    assert torch.equal(logits, expected_logits)
    assert torch.equal(heatmaps, upsample(maps, (64, 96))[0])


def test_none_explains_the_predicted_class_of_each(shared_model, images):
    logits, heatmaps = shared_model(images, return_gradcam=True)
    predicted = logits.argmax(dim=1)
    assert len(predicted.unique()) > 1
    assert torch.equal(heatmaps, shared_model(images, True, predicted)[1])


@pytest.fixture(scope="module")
def single_heatmaps(shared_model, images):
    """The heat map of each image for each class, made one by one: (4, 3, H, W)."""
    return torch.stack(
        [
            torch.cat([shared_model(image[None], True, class_idx)[1] for class_idx in range(3)])
            for image in images
        ]
    )


def test_classes_have_maps_of_their_own(single_heatmaps):
    for first, second in ((0, 1), (0, 2), (1, 2)):
        difference = single_heatmaps[:, first] - single_heatmaps[:, second]
        assert difference.abs().amax(dim=(1, 2)).min() > 0.01


@pytest.mark.parametrize(
    ("class_idx", "classes"),
    [
        (2, [2, 2, 2, 2]),
        (torch.tensor(1), [1, 1, 1, 1]),
        ([2, 0, 1, 0], [2, 0, 1, 0]),
        ((1, 1, 0, 2), [1, 1, 0, 2]),
        (torch.tensor([0, 2, 2, 1], dtype=torch.int32), [0, 2, 2, 1]),
        (list(np.array([0, 2, 2, 1])), [0, 2, 2, 1]),
    ],
)
def test_each_sample_is_explained_for_the_class_asked_for(
    shared_model, images, single_heatmaps, class_idx, classes
):
    heatmaps = shared_model(images, return_gradcam=True, gradcam_class_idx=class_idx)[1]
    expected = single_heatmaps[range(4), classes]
    torch.testing.assert_close(heatmaps, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("class_idx", "message"),
    [
        (3, r"class index 3 is outside the range 0\.\.2"),
        (-1, r"class index -1 is outside the range 0\.\.2"),
        (torch.tensor([0, 0, 7, 0]), r"class index 7 is outside the range 0\.\.2"),
        ([0, 1], "2 class indices for 4 images"),
        (1.0, "whole number"),
        (True, "whole number"),
    ],
)
def test_impossible_class_index_is_refused(shared_model, images, class_idx, message):
    with pytest.raises(ValueError, match=message):
        shared_model(images, return_gradcam=True, gradcam_class_idx=class_idx)


def test_a_map_of_what_is_no_batch_is_refused(shared_model, images):
    with pytest.raises(ValueError, match=r"images \(N, 3, H, W\) are needed, not \(3, 64, 96\)"):
        shared_model(images[0], return_gradcam=True)


def test_where_nothing_speaks_for_a_class_its_map_is_empty(model, images):
    with torch.no_grad():
        model.resnet50.fc.weight[1] = 0
    heatmaps = model(images, True, [0, 1, 1, 2])[1]
    assert heatmaps.amax(dim=(1, 2)).tolist() == [1, 0, 0, 1]


def test_an_empty_batch_has_no_maps(shared_model, images):
    logits, heatmaps = shared_model(images[:0], return_gradcam=True)
    assert logits.shape == (0, 3)
    assert heatmaps.shape == (0, 64, 96)


@pytest.fixture(scope="module", params=[1, 4, 5], ids="seed {}".format)
def network(request, random_network):
    return random_network(request.param)


def test_maps_equal_those_of_pytorch_grad_cam(network, images):
    maps = network.gradcam(images, CLASSES)[1].numpy()
    assert maps.max(axis=(1, 2)).min() > 1e-3
    targets = [ClassifierOutputTarget(class_idx) for class_idx in CLASSES]
    with GradCAM(model=network, target_layers=[network.target_layer]) as peer:
        scaled = peer(input_tensor=images, targets=targets)
        captured = peer.activations_and_grads
        raw = peer.get_cam_image(
            images,
            network.target_layer,
            targets,
            captured.activations[0].numpy(),
            captured.gradients[0].numpy(),
        )
    assert np.abs(maps - raw.clip(min=0)).max() < 1e-5
    # Its own way of scaling: from minimum to maximum, before and after the map is enlarged.
    ours = scale_cam_image(scale_cam_image(maps, (96, 64)))
    assert np.abs(ours - scaled).max() < 1e-5
    heatmaps, theirs = (upsample(torch.tensor(m), (64, 96))[0] for m in (maps, raw.clip(min=0)))
    assert (heatmaps - theirs).abs().max() < 1e-5


def test_maps_equal_those_of_captum(network, images):
    logits, maps = network.gradcam(images, CLASSES)
    assert maps.amax(dim=(1, 2)).min() > 1e-3
    peer = LayerGradCam(network, network.target_layer)
    theirs = peer.attribute(images, target=CLASSES, relu_attributions=True)[:, 0].detach()
    assert (maps - theirs).abs().max() < 1e-5
    heatmaps = network(images, True, CLASSES)[1]
    assert (heatmaps - upsample(theirs, (64, 96))[0]).abs().max() < 1e-5
    assert torch.equal(logits, network(images))
