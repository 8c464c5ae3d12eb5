from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cxr_gradcam.cli import main
from cxr_gradcam.data.held_out import held_out_patients
from cxr_gradcam.models.checkpoint import load_checkpoint
from cxr_gradcam.training.lungs import trainer
from cxr_gradcam.training.lungs.trainer import LungRecipe, lung_loss, train_lungs
from cxr_gradcam.training.resume import resume_file

RECIPE = LungRecipe(epochs=2, batch_size=2, phantoms=1, validation_share=0.5)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """Write pictures of two lungs and their cut-outs, of patients of whom some validate."""
    root = tmp_path_factory.mktemp("lungs")
    data, cut_outs = root / "radiographs", root / "cut-outs"
    for folder in (data, cut_outs):
        (folder / "NORMAL").mkdir(parents=True)
    for number in range(8):
        grey, lungs = np.full((90, 90), 150, np.uint8), np.zeros((90, 90), np.uint8)
        for column in (25, 65):
            cv2.ellipse(lungs, (column, 40 + number), (14, 28), 0, 0, 360, 60, cv2.FILLED)
        name = f"NORMAL/{number:08}_000.png"
        cv2.imwrite(str(data / name), np.where(lungs, lungs, grey))
        cv2.imwrite(str(cut_outs / name), lungs)
    return data, cut_outs


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Train a tiny network, and let so few radiographs do for plausible sizes."""
    monkeypatch.setattr(trainer, "LungNetwork", lambda: _Tiny())
    monkeypatch.setattr(trainer, "fit_plausibility", lambda *_, **__: None)


class _Tiny(torch.nn.Conv2d):
    def __init__(self):
        super().__init__(1, 2, 3, padding=1)


def weights(path: Path) -> torch.Tensor:
    return load_checkpoint(path).state_dict["weight"]


def test_a_killed_run_goes_on_as_if_it_had_not_been(folders, tmp_path, monkeypatch):
    data, cut_outs = folders
    whole = train_lungs([data], [cut_outs], tmp_path / "whole.safetensors", RECIPE)
    calls = []

    def killed(output, state):
        write(output, state)
        calls.append(resume_file(output))
        raise KeyboardInterrupt

    write = trainer.write_resume
    monkeypatch.setattr(trainer, "write_resume", killed)
    with pytest.raises(KeyboardInterrupt):
        train_lungs([data], [cut_outs], tmp_path / "parts.safetensors", RECIPE)
    assert len(calls) == 1
    monkeypatch.setattr(trainer, "write_resume", write)
    parts = train_lungs([data], [cut_outs], tmp_path / "parts.safetensors", RECIPE)
    assert parts == whole
    assert torch.equal(
        weights(tmp_path / "parts.safetensors"), weights(tmp_path / "whole.safetensors")
    )
    assert not calls[0].exists()


def test_a_run_is_not_resumed_with_another_recipe(folders, tmp_path):
    data, cut_outs = folders
    output = tmp_path / "lungs.safetensors"
    torch.save({"identity": "of another run"}, output.with_suffix(".resume.pt"))
    with pytest.raises(ValueError, match="another recipe"):
        train_lungs([data], [cut_outs], output, RECIPE)


def test_patients_that_validate_or_are_left_out_do_not_train(folders, tmp_path, monkeypatch):
    data, cut_outs = folders
    seen = {}

    class Run(trainer.LungRun):
        def __init__(self, training, phantoms, recipe):
            seen["training"] = training
            super().__init__(training, phantoms, recipe)

    monkeypatch.setattr(trainer, "LungRun", Run)
    output = tmp_path / "lungs.safetensors"
    figures = train_lungs([data], [cut_outs], output, RECIPE, left_out={"00000003"})
    patients = [f"{number:08}" for number in range(8) if number != 3]
    held_out = held_out_patients(patients, RECIPE.validation_share, RECIPE.seed)
    expected = [name for name, held in zip(patients, held_out, strict=True) if not held]
    assert list(seen["training"].patients) == expected
    assert figures["validation_images"] == held_out.sum()


def test_the_command_trains_and_says_what_came(folders, tmp_path, capsys):
    data, cut_outs = folders
    output = tmp_path / "lungs.safetensors"
    words = ["train-lungs", str(data), "--cut-outs", str(cut_outs), "--output", str(output)]
    options = ["--epochs", "1", "--batch-size", "2", "--phantoms", "1"]
    assert main([*words, *options, "--validation-share", "0.5", "--source", "drawn here"]) == 0
    assert "validation Dice" in capsys.readouterr().out
    checkpoint = load_checkpoint(output)
    assert checkpoint.training["source"] == "drawn here"
    assert checkpoint.training["recipe"]["epochs"] == 1


def test_folders_without_cut_outs_are_refused(folders, tmp_path):
    data, _ = folders
    (tmp_path / "none" / "NORMAL").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "none/NORMAL/other.png"), np.zeros((9, 9), np.uint8))
    with pytest.raises(ValueError, match="no X-ray has a cut-out"):
        train_lungs([data], [tmp_path / "none"], tmp_path / "lungs.safetensors", RECIPE)


def test_the_loss_is_least_for_the_truth():
    targets = torch.zeros(2, 2, 8, 8)
    targets[0, 0, 2:6, 2:6] = 1
    right, wrong = (
        float(lung_loss((2 * sense - 1) * 20, targets)) for sense in (targets, 1 - targets)
    )
    assert right < 0.1 < 5 < wrong
