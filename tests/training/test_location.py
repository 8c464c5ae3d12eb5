"""The location loss: worked out by hand, and the maps that it leads beside those that are shown."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.data.dataset import load
from cxr_gradcam.data.split import Sources, split_by_patient
from cxr_gradcam.models.stages import DETAIL
from cxr_gradcam.synthetic.chest import draw_phantom
from cxr_gradcam.training.location import gradcam_evidence, location_loss, with_lungs

FINDING = torch.tensor([1])


def lesion(rows: slice, columns: slice) -> torch.Tensor:
    """A mask of 8 by 8 pixels."""
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., rows, columns] = 1
    return mask


def test_flat_maps_have_the_share_of_the_area() -> None:
    flat = [torch.zeros(1, 4, 4), torch.zeros(1, 2, 2)]
    loss = location_loss(flat, lesion(slice(0, 4), slice(0, 4)))
    assert loss.item() == pytest.approx(torch.tensor(4.0).log().item(), abs=1e-3)


def test_evidence_inside_costs_little_and_outside_much() -> None:
    inside, outside = torch.zeros(1, 4, 4), torch.zeros(1, 4, 4)
    inside[0, 0, 0], outside[0, 3, 3] = 1, 1
    mask = lesion(slice(0, 4), slice(0, 4))
    costs = [location_loss([fine, fine[:, ::3, ::3]], mask).item() for fine in (inside, outside)]
    assert costs[0] < 0.5
    assert costs[1] > 2


def test_the_gradient_leads_into_the_lesion_and_knows_no_scale() -> None:
    fine = (torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(0))).requires_grad_()
    coarse = torch.zeros(1, 2, 2)
    mask = lesion(slice(0, 4), slice(4, 8))
    loss = location_loss([fine, coarse], mask)
    loss.backward()
    assert fine.grad is not None
    assert (fine.grad[0, :2, 2:] < 0).all()
    assert (fine.grad[0, 2:, :2] > 0).all()
    scaled = location_loss([fine * 100, coarse], mask)
    torch.testing.assert_close(loss, scaled, rtol=1e-4, atol=1e-4)


def test_the_maps_that_are_led_are_those_that_are_shown() -> None:
    torch.manual_seed(3)
    model = ResNet50FineTuned(2, freeze_features=False, weights=None).eval()
    x = torch.randn(2, 3, 96, 96)
    block = model.resnet50.layer4[-1]
    torch.nn.init.normal_(block.bn3.weight)
    torch.nn.init.uniform_(block.bn3.running_var, 0.5, 2)
    network = model.resnet50
    stem = network.maxpool(network.relu(network.bn1(network.conv1(x))))
    led = gradcam_evidence(
        model, network.layer3(network.layer2(network.layer1(stem))), FINDING.repeat(2)
    )
    model.enable_gradcam_mode()
    for evidence, shown in zip(led, shown_maps(model, x), strict=True):
        torch.testing.assert_close(evidence.detach().relu(), shown, rtol=1e-3, atol=1e-6)


def shown_maps(model: ResNet50FineTuned, x: torch.Tensor) -> list[torch.Tensor]:
    """Grad-CAM of the finding at the layers of the fine map, as `record` makes it."""
    forward_pass = model.record(x, DETAIL["fine"])
    asked = torch.tensor([[0.0, 1.0]]).expand(2, 2)
    return [maps.float() for maps in forward_pass.raw_maps(asked, "gradcam", forward_pass.layers)]


def test_leading_leaves_the_modes_of_the_network_as_they_were() -> None:
    model = ResNet50FineTuned(2, freeze_features=False, weights=None).train()
    middle = torch.randn(1, 1024, 4, 4, requires_grad=True)
    before = {name: module.training for name, module in model.named_modules()}
    statistics = model.resnet50.layer4[-1].bn3.running_mean.clone()
    loss = location_loss(gradcam_evidence(model, middle, FINDING), lesion(slice(0, 4), slice(0, 4)))
    loss.backward()
    assert middle.grad is not None
    assert model.resnet50.fc.weight.grad is not None
    assert {name: module.training for name, module in model.named_modules()} == before
    assert torch.equal(model.resnet50.layer4[-1].bn3.running_mean, statistics)


def test_each_image_is_measured_by_its_own_mask_and_class() -> None:
    model = ResNet50FineTuned(2, freeze_features=False, weights=None)
    middle = torch.randn(2, 1024, 4, 4, generator=torch.Generator().manual_seed(1))
    middle.requires_grad_()
    masks = torch.cat([lesion(slice(0, 4), slice(0, 4)), lesion(slice(0, 8), slice(4, 8))])
    labels = torch.tensor([1, 0])
    together = location_loss(gradcam_evidence(model, middle, labels), masks)
    for index in range(2):
        one = slice(index, index + 1)
        alone = location_loss(gradcam_evidence(model, middle[one], labels[one]), masks[one])
        torch.testing.assert_close(together[one], alone, rtol=1e-3, atol=1e-4)


def test_only_whole_radiographs_with_the_finding_get_lungs(tmp_path: Path) -> None:
    for name in ("children", "cut-outs"):
        for number, label in enumerate(("NORMAL", "PNEUMONIA") * 2):
            folder = tmp_path / name / label
            folder.mkdir(parents=True, exist_ok=True)
            pixels = (draw_phantom(number, size=128).pixels * 255).astype(np.uint8)
            cv2.imwrite(str(folder / f"person{number}_{name}.png"), pixels)
    sources = Sources([tmp_path / "children"], cut_outs=[tmp_path / "cut-outs"])
    split = split_by_patient(sources, 0.5, 0)
    training, _ = load(split, 128, 2, 0.0)
    outlined = with_lungs(training, split)
    everything = torch.arange(len(outlined))
    areas = outlined.with_masks(everything)[:, 1].mean(dim=(1, 2))
    ill = (outlined.labels == 1) & (outlined.source_of == 0)
    assert ((areas[ill] > 0.1) & (areas[ill] < 0.6)).all()
    assert (areas[~ill & (outlined.source_of < 2)] == 0).all()
    lesions = training.with_masks(everything)[-2:, 1]
    torch.testing.assert_close(outlined.with_masks(everything)[-2:, 1], lesions)
