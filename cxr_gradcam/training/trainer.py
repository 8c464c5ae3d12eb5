"""Training: from folders of radiographs to a file of weights with its metadata.

After each epoch the whole state of the run is written beside the output, so that a run that was
killed continues after its last completed epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from cxr_gradcam.data.dataset import LabelledImages, load
from cxr_gradcam.data.patients import print_notes
from cxr_gradcam.data.split import Sources, split_by_patient
from cxr_gradcam.models.checkpoint import Checkpoint, architecture_of, save_checkpoint
from cxr_gradcam.training.location import with_lungs
from cxr_gradcam.training.recipe import Recipe
from cxr_gradcam.training.resume import read_resume, resume_file, write_resume
from cxr_gradcam.training.run import Run, Start
from cxr_gradcam.training.validation import validate


def train(
    sources: Sources,
    output: Path,
    recipe: Recipe,
    *,
    weights: str | None = None,
    network: str | None = None,
    teachers: Sequence[Path] = (),
    source: str = "",
) -> dict[str, Any]:
    """Train a network and write the running average of its weights at the end of the training.

    Within each source every class is drawn equally often. The area under the ROC curve on the
    validation patients is measured after each epoch and stored. It is not used to choose an epoch,
    because early epochs use smaller images and the learning rate falls until the end. Notes on
    patients, copies and parts are printed to stderr.

    Args:
        sources: folders with one folder of radiographs per class, and further data about them.
        output: the .safetensors file to write.
        recipe: the settings of the run.
        weights: the initial weights: for the ResNet50 a value for `ResNet50FineTuned`, for another
            network a file (`build_network`); None for random weights.
        network: the name of another network (`build_network`), which can serve as a teacher; None
            for the package's ResNet50.
        teachers: files that `train` wrote, whose answers and features are learnt too.
        source: origin and licence of the radiographs, in words.

    Returns:
        The figures that are stored with the weights.

    Raises:
        ValueError: the folders cannot be split (`split_by_patient`), the classes do not fit the
            phantoms or a teacher, the network is not known, or an unfinished run has other
            radiographs, another recipe or other initial weights.
        CheckpointError: weights cannot be read or do not fit.
        RadiographError: a file cannot be read.
    """
    torch.manual_seed(recipe.seed)
    share = recipe.validation_share
    split = split_by_patient(sources, share, recipe.seed, recipe.kept_doubts)
    print_notes(split.notes)
    start = Start(weights, network, teachers)
    identity = {"recipe": asdict(recipe), "split": split.digest()} | start.identity()
    state = read_resume(output, identity)
    training, validation = load(split, recipe.size, recipe.phantoms, share)
    if recipe.lung_weight:
        training = with_lungs(training, split)
    run, console = Run(split, training, recipe, start), Console()
    if state is not None:
        run.restore(state)
        console.print(f"resuming after epoch {run.epoch}")
    for epoch in range(run.epoch, recipe.epochs):
        loss = run.train_epoch(training, epoch, console)
        aucs = validate(run.average, run.preprocessing, validation, split)
        console.print(f"epoch {epoch + 1}: loss {loss:.4f}, validation AUC {aucs}")
        run.epoch, run.aucs = epoch + 1, [*run.aucs, aucs]
        write_resume(output, identity | run.state())
    figures = (
        {"source": source, "notes": split.notes} | identity | _figures(run, training, validation)
    )
    figures["initial_weights"] = Path(weights).name if weights else "random"
    figures["teachers"] = [path.name for path in teachers]
    save_checkpoint(
        output,
        Checkpoint(
            run.average.module.state_dict(),
            split.class_names,
            run.preprocessing,
            figures,
            architecture=architecture_of(network),
            finding=split.finding,
        ),
    )
    resume_file(output).unlink(missing_ok=True)
    return figures


def _figures(run: Run, training: LabelledImages, validation: LabelledImages) -> dict[str, Any]:
    return {
        "training_images": training.radiographs,
        "training_phantoms": len(training.masks),
        "validation_images": validation.radiographs,
        "validation_phantoms": len(validation.masks),
        "validation_auc": float(np.mean(list(run.aucs[-1].values()))),
        "validation_auc_by_epoch": run.aucs,
    }
