"""Grad modes, precision and training around a map."""

import copy
from contextlib import nullcontext
from itertools import product

import pytest
import torch
from torch import nn

from cxr_gradcam.cam.gradient_methods import gradcam
from tests.helpers.resnet50 import (
    CALLERS,
    CLASSES,
    assert_same_tensors,
    buffers,
    freeze,
    parameter_gradients,
)


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "unfrozen"])
@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
def test_callers_grad_mode_changes_neither_logits_nor_map(
    model, shared_model, images, caller, frozen
):
    expected = shared_model(images, True, 1)
    freeze(model, trunk=frozen, head=False)
    with caller():
        before = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        logits, heatmaps = model(images, return_gradcam=True, gradcam_class_idx=1)
        assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == before
        plain = model(images)
    assert torch.equal(logits, plain)
    assert torch.equal(logits, expected[0])
    torch.testing.assert_close(heatmaps, expected[1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("caller", [nullcontext, torch.inference_mode])
def test_an_image_made_in_inference_mode_can_be_explained(model, shared_model, images, caller):
    with torch.inference_mode():
        x = images.clone()
    with caller():
        logits, heatmaps = freeze(model, trunk=True, head=True)(x, True, 1)
    assert x.is_inference()
    expected = shared_model(images, True, 1)
    assert torch.equal(logits, expected[0])
    torch.testing.assert_close(heatmaps, expected[1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
@pytest.mark.parametrize(
    "frozen", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["frozen", "unfrozen"]
)
def test_autocast(model, shared_model, images, caller, frozen):
    images = images[:2]  # most processors only imitate bfloat16, slowly
    freeze(model, trunk=frozen, head=False)
    with caller(), torch.autocast("cpu", dtype=torch.bfloat16):
        plain = model(images)
        logits, heatmaps = model(images, return_gradcam=True, gradcam_class_idx=1)
    assert logits.dtype == torch.bfloat16
    assert torch.equal(logits, plain)
    assert heatmaps.dtype == torch.float32
    assert heatmaps.min() >= 0
    assert heatmaps.amax(dim=(1, 2)).tolist() == [1, 1]
    # bfloat16 has 8 bits; the error of 50 layers stays far from the contrast of the map.
    precise = shared_model(images, True, 1)[1]
    assert (heatmaps - precise).abs().mean() < 0.05


@pytest.mark.slow
def test_training_in_autocast_is_the_same_with_a_map(model, images):
    steps = []
    for return_gradcam in (False, True):
        network = copy.deepcopy(model).train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = network(images[:2], return_gradcam)
        logits = output[0] if return_gradcam else output
        nn.functional.cross_entropy(logits.float(), torch.tensor(CLASSES[:2])).backward()
        steps.append(parameter_gradients(network))
    assert_same_tensors(*steps)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_model_of_another_precision_gives_float32_maps(model, shared_model, images, dtype):
    logits, heatmaps = model.to(dtype)(images.to(dtype), True, 1)
    assert logits.dtype == dtype
    assert heatmaps.dtype == torch.float32
    expected = shared_model(images, True, 1)[1]
    tolerance = 1e-3 if dtype == torch.float64 else 0.3
    torch.testing.assert_close(heatmaps, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
def test_logits_have_a_graph_exactly_where_they_have_one_without_a_map(model, images, caller):
    for trunk, head, x_requires_grad in product([True, False], repeat=3):
        freeze(model, trunk, head)
        x = images[:1].clone().requires_grad_(x_requires_grad)
        with caller():
            plain = model(x)
            logits = model(x, return_gradcam=True)[0]
        assert logits.requires_grad == plain.requires_grad, (trunk, head, x_requires_grad)
        assert torch.equal(logits, plain)


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "unfrozen"])
def test_training_is_the_same_with_and_without_a_map(model, images, frozen):
    freeze(model, trunk=frozen, head=False)
    steps = []
    for return_gradcam in (False, True):
        network = copy.deepcopy(model).train()
        output = network(images, return_gradcam)
        logits = output[0] if return_gradcam else output
        nn.functional.cross_entropy(logits, torch.tensor(CLASSES)).backward()
        steps.append((parameter_gradients(network), buffers(network), logits.detach()))
    plain, mapped = steps
    assert_same_tensors(plain[0], mapped[0])
    assert_same_tensors(plain[1], mapped[1])
    assert torch.equal(plain[2], mapped[2])
    trained = [name for name, grad in mapped[0].items() if grad is not None and grad.any()]
    assert len(trained) == (2 if frozen else len(mapped[0]))
    assert frozen == all(torch.equal(b, mapped[1][name]) for name, b in model.named_buffers())


def test_a_gradient_reaches_the_image_as_without_a_map(model, images):
    freeze(model, trunk=True, head=True)
    found = []
    for return_gradcam in (False, True):
        x = images.clone().requires_grad_()
        output = model(x, return_gradcam)
        (output[0] if return_gradcam else output).sum().backward()
        found.append(x.grad)
    assert found[0].any()
    assert torch.equal(*found)


def test_train_mode_explains_what_train_mode_computes(model, images):
    model.train()
    activations = []
    model.target_layer.register_forward_hook(lambda *args: activations.append(args[2]))
    logits, maps = copy.deepcopy(model).gradcam(images, 1)
    plain = model(images)
    gradients = torch.autograd.grad(plain[:, 1].sum(), activations[-1])[0]
    assert torch.equal(logits, plain)
    assert maps.any()
    torch.testing.assert_close(maps, gradcam(activations[-1].detach(), gradients))
