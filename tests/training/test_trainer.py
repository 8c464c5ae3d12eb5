"""Training on a tiny folder: what it writes, how it splits, and that a killed run goes on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cxr_gradcam import RadiographError, ResNet50FineTuned
from cxr_gradcam.data.dataset import held_out_patients
from cxr_gradcam.models.checkpoint import load_checkpoint
from cxr_gradcam.training import trainer as training_module
from cxr_gradcam.training.trainer import (
    Recipe,
    gradcam_weights,
    location_loss,
    smooth_labels,
    train,
)

TINY = Recipe(epochs=2, size=64, batch_size=4, phantoms=0, validation_share=0.5)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums then come in one order, and two runs give the same bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen patients: noise that is dark in one class and bright in the other."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for name, level in {"NORMAL": 60, "PNEUMONIA": 180}.items():
        (folder / name).mkdir()
        for patient in range(8):
            pixels = rng.normal(level, 20, (48, 64)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{name[0]}{patient}.png")
    return folder


@pytest.fixture(scope="module")
def weights(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "weights.safetensors"
    torch.set_num_threads(1)  # this fixture comes before `one_thread`
    train([data], output, TINY, source="noise")
    return output


def test_the_weights_say_what_they_are(weights: Path) -> None:
    checkpoint = load_checkpoint(weights)
    assert checkpoint.class_names == ("Normal", "Pneumonia")
    assert checkpoint.preprocessing.size == 64
    assert 60 / 255 < checkpoint.preprocessing.mean[0] < 180 / 255
    assert checkpoint.training["recipe"]["epochs"] == 2
    assert checkpoint.training["source"] == "noise"
    assert len(checkpoint.training["validation_auc_by_epoch"]) == 2
    assert checkpoint.training["training_images"] + checkpoint.training["validation_images"] == 16
    assert checkpoint.training["initial_weights"] == "random"
    assert ResNet50FineTuned.from_checkpoint(weights).class_names == ("Normal", "Pneumonia")


def test_nothing_but_the_weights_is_left(weights: Path) -> None:
    assert list(weights.parent.iterdir()) == [weights]


def test_a_killed_run_goes_on_to_the_same_weights(
    data: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "again.safetensors"
    real_auc, calls = training_module.mean_auc, []

    def killed_in_the_second_epoch(*arguments: np.ndarray) -> float:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real_auc(*arguments)

    monkeypatch.setattr(training_module, "mean_auc", killed_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        train([data], output, TINY)
    assert not output.exists()
    figures = train([data], output, TINY)
    assert len(calls) == 3
    whole = load_checkpoint(weights)
    assert figures["validation_auc_by_epoch"] == whole.training["validation_auc_by_epoch"]
    for name, tensor in load_checkpoint(output).state_dict.items():
        torch.testing.assert_close(tensor, whole.state_dict[name], rtol=0, atol=0, msg=name)


def test_the_weights_are_those_of_the_end_whatever_validation_says(
    data: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    falling = iter([0.9, 0.1])
    monkeypatch.setattr(training_module, "mean_auc", lambda *_: next(falling))
    output = tmp_path / "falling.safetensors"
    assert train([data], output, TINY)["validation_auc"] == 0.1
    at_the_end = load_checkpoint(weights).state_dict  # same run, other figures
    for name, tensor in load_checkpoint(output).state_dict.items():
        assert torch.equal(tensor, at_the_end[name]), name


def stop(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("change", ["recipe", "weights"])
def test_an_unfinished_run_goes_on_with_nothing_else(
    data: Path, weights: Path, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "weights.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr(training_module._Run, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            train([data], output, TINY)
    assert output.with_suffix(".resume.pt").exists()
    recipe = replace(TINY, seed=TINY.seed + 1) if change == "recipe" else TINY
    start = str(weights) if change == "weights" else None
    with pytest.raises(ValueError, match="another recipe, other pictures or other weights"):
        train([data], output, recipe, weights=start)


def test_phantoms_are_mixed_in_and_counted(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "weights.safetensors"
    figures = train([data], output, replace(TINY, epochs=1, phantoms=6))
    assert figures["training_phantoms"] == 3
    assert figures["validation_phantoms"] == 3
    assert figures["training_images"] + figures["validation_images"] == 16


def test_training_goes_on_from_given_weights(data: Path, weights: Path, tmp_path: Path) -> None:
    output = tmp_path / "tuned.safetensors"
    calm = replace(TINY, epochs=1, learning_rate=1e-9)
    assert train([data], output, calm, weights=str(weights))["initial_weights"] == weights.name
    before, after = load_checkpoint(weights), load_checkpoint(output)
    assert after.preprocessing == before.preprocessing
    head = "resnet50.fc.weight"
    torch.testing.assert_close(after.state_dict[head], before.state_dict[head], rtol=0, atol=1e-3)


def test_phantoms_of_other_classes_are_refused(data: Path, tmp_path: Path) -> None:
    other = tmp_path / "data"
    other.mkdir()
    for old, new in {"NORMAL": "cat", "PNEUMONIA": "dog"}.items():
        (other / new).symlink_to(data / old)
    with pytest.raises(ValueError, match="Cat"):
        train([other], tmp_path / "weights.safetensors", replace(TINY, phantoms=4))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 0}, "batch_size 0: 1 at least"),
        ({"size": 16}, "size 16: 32 at least"),
        ({"validation_share": -0.1}, "between 0 and 1"),
        ({"noisy_label_smoothing": float("nan")}, "between 0 and 1"),
        ({"learning_rate": 0.0}, "above 0"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe(**wrong)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_side_without_a_class_is_refused(data: Path, tmp_path: Path, share: float) -> None:
    with pytest.raises(ValueError, match="no patient for"):
        train([data], tmp_path / "weights.safetensors", replace(TINY, validation_share=share))


def test_an_unreadable_picture_is_named(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    (folder / "NORMAL" / "broken.png").write_bytes(b"no image")
    with pytest.raises(RadiographError, match=r"broken\.png: "):
        train([folder], tmp_path / "weights.safetensors", TINY)


def test_one_class_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "NORMAL").symlink_to(data / "NORMAL")
    with pytest.raises(ValueError, match="two needed"):
        train([tmp_path / "data"], tmp_path / "weights.safetensors", TINY)


@given(st.integers(1, 30), st.sampled_from([64, 128, 224, 320]))
def test_sizes_grow_to_the_full_one(epochs: int, size: int) -> None:
    sizes = [Recipe(epochs=epochs, size=size).size_of_epoch(epoch) for epoch in range(epochs)]
    assert sizes == sorted(sizes)
    assert sizes[-1] == size
    assert all(side % 32 == 0 and side > 0 for side in sizes)


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
    with training_module._outputs_of(block.conv3, block) as (outputs):
        model(x)
    fc = model.resnet50.fc.weight
    weights = gradcam_weights((fc[1] - fc[0])[None], block.bn3, outputs[1])
    led = torch.einsum("nkhw,nk->nhw", outputs[0], weights).relu() / outputs[0][0, 0].numel()
    forward_pass = model.record(x)
    asked = torch.tensor([[-1.0, 1.0]]).expand(2, 2)
    (maps,) = forward_pass.raw_maps(asked, "gradcam", forward_pass.layers)
    torch.testing.assert_close(led, maps, rtol=1e-4, atol=1e-6)


def test_figures_are_given_per_source(data: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    for name in ("NORMAL", "PNEUMONIA"):
        (second / name).symlink_to(data / name)
    output = tmp_path / "weights.safetensors"
    recipe = replace(TINY, epochs=1, phantoms=8)
    figures = train([data], output, recipe, noisy=[second])
    assert set(figures["validation_auc_by_epoch"][0]) == {data.name, "second", "phantoms"}


def test_a_source_with_one_class_in_validation_has_no_figure(data: Path, tmp_path: Path) -> None:
    files = sorted(data.glob("*/*.png"))
    held_out = held_out_patients([path.name for path in files], 0.5, TINY.seed)
    lone = tmp_path / "lone"
    for folder, validates in (("NORMAL", True), ("PNEUMONIA", False)):
        (lone / folder).mkdir(parents=True)
        chosen = [
            path
            for path, side in zip(files, held_out, strict=True)
            if path.parent.name == folder and side == validates
        ]
        shutil.copy(chosen[0], lone / folder)
    figures = train([data], tmp_path / "weights.safetensors", TINY, noisy=[lone])
    assert set(figures["validation_auc_by_epoch"][0]) == {data.name}
