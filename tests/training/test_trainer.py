"""Training on a tiny folder: what it writes, how it splits, and that a killed run goes on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cxr_gradcam import RadiographError, ResNet50FineTuned
from cxr_gradcam.data.held_out import held_out_patients
from cxr_gradcam.data.split import Sources
from cxr_gradcam.models.checkpoint import load_checkpoint
from cxr_gradcam.training import trainer as training_module
from cxr_gradcam.training import validation
from cxr_gradcam.training.recipe import Recipe
from cxr_gradcam.training.trainer import train

TINY = Recipe(epochs=2, size=64, batch_size=4, phantoms=0, validation_share=0.5)


@pytest.fixture(scope="module")
def weights(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "weights.safetensors"
    torch.set_num_threads(1)  # this fixture comes before `one_thread`
    train(Sources([data]), output, TINY, source="noise")
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
    real_auc, calls = validation.mean_auc, []

    def killed_in_the_second_epoch(*arguments: np.ndarray) -> float:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real_auc(*arguments)

    monkeypatch.setattr(validation, "mean_auc", killed_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(Sources([data]), output, TINY)
    assert not output.exists()
    figures = train(Sources([data]), output, TINY)
    assert len(calls) == 3
    whole = load_checkpoint(weights)
    assert figures["validation_auc_by_epoch"] == whole.training["validation_auc_by_epoch"]
    for name, tensor in load_checkpoint(output).state_dict.items():
        torch.testing.assert_close(tensor, whole.state_dict[name], rtol=0, atol=0, msg=name)


@pytest.mark.slow
def test_the_weights_are_those_of_the_end_whatever_validation_says(
    data: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    falling = iter([0.9, 0.1])
    monkeypatch.setattr(validation, "mean_auc", lambda *_: next(falling))
    output = tmp_path / "falling.safetensors"
    assert train(Sources([data]), output, TINY)["validation_auc"] == 0.1
    at_the_end = load_checkpoint(weights).state_dict  # same run, other figures
    for name, tensor in load_checkpoint(output).state_dict.items():
        assert torch.equal(tensor, at_the_end[name]), name


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_unfinished_run_goes_on_with_nothing_else(
    data: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "weights.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr(training_module, "save_checkpoint", stop)
        with pytest.raises(KeyboardInterrupt):
            train(Sources([data]), output, TINY)
    assert output.with_suffix(".resume.pt").exists()
    other_recipe = replace(TINY, seed=TINY.seed + 1)
    for recipe, start in ((other_recipe, None), (TINY, str(weights))):
        with pytest.raises(ValueError, match="another recipe, other pictures, weights or teachers"):
            train(Sources([data]), output, recipe, weights=start)


def test_phantoms_are_mixed_in_and_counted(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "weights.safetensors"
    figures = train(Sources([data]), output, replace(TINY, epochs=1, phantoms=6))
    assert figures["training_phantoms"] == 3
    assert figures["validation_phantoms"] == 3
    assert figures["training_images"] + figures["validation_images"] == 16


def test_training_goes_on_from_given_weights(data: Path, weights: Path, tmp_path: Path) -> None:
    output = tmp_path / "tuned.safetensors"
    calm = replace(TINY, epochs=1, learning_rate=1e-9)
    assert (
        train(Sources([data]), output, calm, weights=str(weights))["initial_weights"]
        == weights.name
    )
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
        train(
            Sources([other], finding="dog"),
            tmp_path / "weights.safetensors",
            replace(TINY, phantoms=4),
        )


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_side_without_a_class_is_refused(data: Path, tmp_path: Path, share: float) -> None:
    with pytest.raises(ValueError, match="no patient for"):
        train(
            Sources([data]), tmp_path / "weights.safetensors", replace(TINY, validation_share=share)
        )


def test_an_unreadable_picture_is_named(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    (folder / "NORMAL" / "broken.png").write_bytes(b"no image")
    with pytest.raises(RadiographError, match=r"broken\.png: "):
        train(Sources([folder]), tmp_path / "weights.safetensors", TINY)


def test_one_class_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "NORMAL").symlink_to(data / "NORMAL")
    with pytest.raises(ValueError, match="two are needed"):
        train(Sources([tmp_path / "data"]), tmp_path / "weights.safetensors", TINY)


def test_figures_are_given_per_source(data: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    for name in ("NORMAL", "PNEUMONIA"):
        (second / name).symlink_to(data / name)
    output = tmp_path / "weights.safetensors"
    recipe = replace(TINY, epochs=1, phantoms=8)
    figures = train(Sources([data], noisy=[second]), output, recipe)
    assert set(figures["validation_auc_by_epoch"][0]) == {data.name, "second", "phantoms"}


@pytest.mark.slow
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
    figures = train(Sources([data], noisy=[lone]), tmp_path / "weights.safetensors", TINY)
    assert set(figures["validation_auc_by_epoch"][0]) == {data.name}
