"""The network, its Grad-CAM mode, and what is frozen."""

import pytest
import torch
import torchvision

from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from tests.helpers.resnet50 import assert_same_tensors, batch_norms, buffers, hooks


def test_positional_order_and_defaults_of_the_constructor():
    model = ResNet50FineTuned(5, False, True, weights=None)
    assert model.resnet50.fc.out_features == 5
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert model.gradcam_enabled
    with pytest.raises(TypeError):
        ResNet50FineTuned(2, True, False, None)


def test_state_dict_is_that_of_torchvision_under_resnet50(shared_model):
    with torch.device("meta"):
        keys = torchvision.models.resnet50().state_dict().keys()
    assert list(shared_model.state_dict()) == [f"resnet50.{key}" for key in keys]


def test_without_a_map_it_is_torchvisions_network(shared_model, images):
    plain = torchvision.models.resnet50(num_classes=3).eval()
    plain.load_state_dict(shared_model.resnet50.state_dict())
    assert torch.equal(shared_model(images), plain(images))


def test_the_target_layer_is_the_last_convolution(shared_model):
    assert shared_model.target_layer is shared_model.resnet50.layer4[-1].conv3
    assert list(shared_model.target_layer._forward_hooks.values())


def test_enabling_and_disabling_twice_changes_nothing(model, images):
    assert len(hooks(model)) == 1
    model.enable_gradcam_mode()
    assert len(hooks(model)) == 1
    model(images, return_gradcam=True)
    for _ in range(2):
        model.disable_gradcam_mode()
        assert hooks(model) == []
        assert not model.gradcam_enabled
    model.enable_gradcam_mode()
    assert len(hooks(model)) == 1
    assert model.gradcam_enabled


def test_disabling_leaves_the_hooks_of_others(model):
    model.target_layer.register_forward_hook(lambda *_: None)
    model.disable_gradcam_mode()
    assert len(hooks(model)) == 1


def test_map_without_gradcam_enabled_names_both_remedies(model, images):
    model.disable_gradcam_mode()
    with pytest.raises(RuntimeError, match=r"enable_gradcam_mode\(\).*enable_gradcam=True"):
        model(images, return_gradcam=True)
    assert model(images).shape == (4, 3)


def test_freezing_trains_exactly_the_head():
    model = ResNet50FineTuned(2, True, weights=None)
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert trained == ["resnet50.fc.weight", "resnet50.fc.bias"]


@pytest.mark.parametrize("call_train", [True, False], ids=["train()", "as built"])
def test_frozen_batch_norm_statistics_stay_still(images, call_train):
    model = ResNet50FineTuned(2, True, True, weights=None)
    if call_train:
        model.train()
        assert model.training
        assert model.resnet50.layer1.training
    before = buffers(model)
    model(images)
    model(images, return_gradcam=True)
    assert_same_tensors(before, buffers(model))


def test_unfrozen_batch_norm_statistics_follow_the_images(model, images):
    before = buffers(model)
    model.train()(images)
    assert not any(torch.equal(before[name], buffer) for name, buffer in model.named_buffers())


def test_batch_norm_layers_are_frozen_one_by_one(model):
    model.resnet50.layer1.requires_grad_(False)
    model.train()
    assert not any(module.training for module in batch_norms(model.resnet50.layer1))
    assert all(module.training for module in batch_norms(model.resnet50.layer2))
