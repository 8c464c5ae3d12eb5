"""Teachers: what is learnt from them, and that a killed run goes on with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cxr_gradcam.data.split import Sources
from cxr_gradcam.models.checkpoint import load_checkpoint
from cxr_gradcam.training import trainer
from cxr_gradcam.training.distillation import FeatureMap, PooledFeatures, Teachers
from cxr_gradcam.training.losses import MeanGap, distillation_loss
from cxr_gradcam.training.recipe import Recipe
from cxr_gradcam.training.trainer import train

TINY = Recipe(epochs=2, size=64, batch_size=4, phantoms=4, validation_share=0.5)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def teacher(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    train(
        Sources([data]), output, replace(TINY, epochs=1), network="torchvision:mobilenet_v3_small"
    )
    return output


def test_another_network_says_which_it_is(teacher: Path) -> None:
    checkpoint = load_checkpoint(teacher)
    assert checkpoint.training["network"] == "torchvision:mobilenet_v3_small"
    assert not any(name.startswith("resnet50") for name in checkpoint.state_dict)


def test_teachers_answer_at_their_own_size(teacher: Path) -> None:
    teachers = Teachers([teacher, teacher], ("Normal", "Pneumonia"), CPU)
    images = torch.rand(3, 1, 96, 96)
    answer, features = teachers.answer(images, temperature=2.0)
    assert answer.sum(dim=1).tolist() == pytest.approx([1, 1, 1])
    assert features.shape == (3, teachers.width)
    alone, _ = Teachers([teacher], ("Normal", "Pneumonia"), CPU).answer(images, temperature=2.0)
    torch.testing.assert_close(answer, alone)
    flat, _ = teachers.answer(images, temperature=1e6)
    torch.testing.assert_close(flat, torch.full((3, 2), 0.5), rtol=0, atol=1e-4)


def test_a_teacher_of_other_classes_is_refused(teacher: Path) -> None:
    with pytest.raises(ValueError, match="has the classes Normal, Pneumonia"):
        Teachers([teacher], ("Cat", "Dog"), CPU)


@pytest.mark.slow
def test_a_killed_run_goes_on_with_its_teachers(
    data: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, again = tmp_path / "whole.safetensors", tmp_path / "again.safetensors"
    figures = train(Sources([data]), whole, TINY, teachers=[teacher])
    assert figures["teachers"] == ["teacher.safetensors"]
    real, calls = trainer.validate, []

    def killed_in_the_second_epoch(*arguments: object) -> dict[str, float]:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer, "validate", killed_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(Sources([data]), again, TINY, teachers=[teacher])
    with pytest.raises(ValueError, match="another recipe"):
        train(Sources([data]), again, TINY)
    train(Sources([data]), again, TINY, teachers=[teacher])
    expected = load_checkpoint(whole).state_dict
    for name, tensor in load_checkpoint(again).state_dict.items():
        assert torch.equal(tensor, expected[name]), name


def test_distillation_loss_by_hand() -> None:
    said = torch.tensor([[0.0, 2 * torch.tensor(3.0).log()]])  # 1/4, 3/4 at temperature 2
    taught = torch.tensor([[0.5, 0.5]])
    expected = 4 * 0.5 * (torch.tensor(2.0).log() + torch.tensor(2 / 3).log())
    torch.testing.assert_close(distillation_loss(said, taught, 2.0), expected)
    same = torch.tensor([[0.25, 0.75]])
    assert distillation_loss(said, same, 2.0).item() == pytest.approx(0, abs=1e-6)


def test_groups_are_drawn_together() -> None:
    gap = MeanGap(2)
    scores = torch.tensor([1.0, 3.0, 0.0, 9.0], requires_grad=True)
    gap(scores, torch.tensor([0, 0, 1, -1])).backward()
    # the means are 2 and 0, each 1 from the middle; the last image is of no group
    assert scores.grad is not None
    assert scores.grad.tolist() == [0.5, 0.5, -1.0, 0.0]


def test_a_group_alone_is_left_alone() -> None:
    scores = torch.tensor([1.0, 3.0], requires_grad=True)
    MeanGap(2)(scores, torch.tensor([1, 1])).backward()
    assert scores.grad is not None
    assert scores.grad.tolist() == [0.0, 0.0]


def test_a_linear_map_finds_the_teachers_features() -> None:
    torch.manual_seed(0)
    features, mixing = torch.randn(64, 8), torch.randn(8, 5)
    mapped = FeatureMap(8, 5)
    optimizer = torch.optim.Adam(mapped.parameters(), 0.05)
    for _ in range(200):
        loss = mapped(features, features @ mixing * 100 + 7)  # the scale does not matter
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.01


def test_the_features_are_what_the_head_takes() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    features = PooledFeatures(network)
    x = torch.randn(5, 3)
    logits = network(x)
    torch.testing.assert_close(network[2](features.latest), logits)
    features.remove()
    assert not network[2]._forward_pre_hooks
