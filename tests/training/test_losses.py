"""Losses, worked out by hand, and beside the maps that they lead."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.training.losses import gradcam_weights, location_loss, smooth_labels
from cxr_gradcam.training.run import outputs_of


def test_labels_are_smoothed_each_by_its_own_share() -> None:
    targets = smooth_labels(torch.tensor([0, 1]), torch.tensor([0.0, 0.2]), 2)
    torch.testing.assert_close(targets, torch.tensor([[1.0, 0.0], [0.1, 0.9]]))


def places(*evidence: float) -> torch.Tensor:
    """One image's features: one channel, four places."""
    return torch.tensor(evidence, dtype=torch.float32).view(1, 1, 2, 2).requires_grad_()


def test_location_loss_by_hand() -> None:
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2, :2] = 1  # the first of the four places
    features = places(np.log(3.0), 0, 0, 0)
    loss = location_loss(features, torch.ones(1, 1), mask)
    # a softmax over 3, 1, 1, 1: half of the evidence is where the lesion is
    assert loss.item() == pytest.approx(np.log(2))
    loss.backward()
    assert features.grad is not None
    assert features.grad[0, 0, 0, 0] < 0 < features.grad[0, 0, 1, 1]


def test_a_lesion_in_two_places_wants_evidence_in_both() -> None:
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2, :] = 1
    both, one = places(5, 5, 0, 0), places(10, 0, 0, 0)
    direction = torch.ones(1, 1)
    assert location_loss(both, direction, mask) < location_loss(one, direction, mask)


def test_images_without_a_lesion_have_no_location_loss() -> None:
    loss = location_loss(places(1, 2, 3, 4), torch.ones(1, 1), torch.zeros(1, 1, 4, 4))
    assert loss.item() == 0


def test_the_weights_led_in_training_are_those_of_grad_cam() -> None:
    torch.manual_seed(3)
    model = ResNet50FineTuned(2, freeze_features=False, enable_gradcam=True, weights=None).eval()
    x = torch.randn(2, 3, 96, 96)
    block = model.resnet50.layer4[-1]
    torch.nn.init.normal_(block.bn3.weight)
    torch.nn.init.uniform_(block.bn3.running_var, 0.5, 2)
    with outputs_of(block.conv3, block) as outputs:
        model(x)
    fc = model.resnet50.fc.weight
    weights = gradcam_weights((fc[1] - fc[0])[None], block.bn3, outputs[1])
    led = torch.einsum("nkhw,nk->nhw", outputs[0], weights).relu() / outputs[0][0, 0].numel()
    forward_pass = model.record(x)
    asked = torch.tensor([[-1.0, 1.0]]).expand(2, 2)
    (maps,) = forward_pass.raw_maps(asked, "gradcam", forward_pass.layers)
    torch.testing.assert_close(led, maps, rtol=1e-4, atol=1e-6)
