"""Train the network that outlines the lungs, from radiographs and cut-outs.

After each epoch the state of the run is written beside the output, so that a killed run can resume.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cxr_gradcam.anatomy.network import SIDE, LungNetwork, network_input, stretch
from cxr_gradcam.anatomy.outline import ARCHITECTURE
from cxr_gradcam.data.held_out import held_out_patients
from cxr_gradcam.data.lung_pairs import (
    AT_LEFT,
    AT_RIGHT,
    LungPairs,
    are_whole,
    phantom_pairs,
    read_pairs,
)
from cxr_gradcam.data.patients import PatientRules
from cxr_gradcam.models.checkpoint import Checkpoint, save_checkpoint
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.training.lungs.drawing import exposed, moved, whitened
from cxr_gradcam.training.lungs.foreign import foreign
from cxr_gradcam.training.lungs.plausibility import fit_plausibility
from cxr_gradcam.training.resume import read_resume, resume_file, write_resume

CLASS_NAMES = ("Lung at the left of the picture", "Lung at the right of the picture")
EMA_DECAY = 0.99
COOLDOWN = 4
"""Epochs in which the learning rate falls to 0."""
FIRST_PHANTOM = 2_000_000


@dataclass(frozen=True)
class LungRecipe:
    """The settings of a training.

    Attributes:
        epochs: number of epochs; each draws as many pictures as there are radiographs.
        batch_size: number of pictures in a step.
        learning_rate: the highest learning rate of AdamW.
        phantoms: number of synthetic chests, every other one with an opacity.
        phantom_share: share of synthetic chests among the drawn pictures.
        foreign_share: share of pictures without lungs to outline among the drawn pictures.
        validation_share: share of the patients kept for validation.
        seed: seed of all random draws.
    """

    epochs: int = 12
    batch_size: int = 16
    learning_rate: float = 6e-3
    phantoms: int = 240
    phantom_share: float = 0.15
    foreign_share: float = 0.12
    validation_share: float = 0.1
    seed: int = 0


def train_lungs(
    data: Sequence[Path],
    cut_outs: Sequence[Path],
    output: Path,
    recipe: LungRecipe,
    *,
    left_out: Collection[str] = (),
    rules: PatientRules | None = None,
    source: str = "",
) -> dict[str, Any]:
    """Train the network that outlines the lungs, and write its averaged weights.

    An unfinished run with the same pictures and recipe continues after its last completed epoch;
    the number of epochs may then be changed.

    Args:
        data: folders with one folder of radiographs per class. Those with a cut-out are for
            training; all are used to fit the detector of implausible lungs.
        cut_outs: such folders of lungs alone on black, with the names of the radiographs.
        output: the .safetensors file to write.
        recipe: the settings of the run.
        left_out: names of patients that are excluded from training.
        rules: how patients are identified; None for the usual layouts.
        source: origin and licence of the pictures, in words.

    Returns:
        The figures that are stored with the weights.

    Raises:
        ValueError: no radiograph has a cut-out, none is left on one side of the split, or an
            unfinished run has other pictures or another recipe.
        RadiographError: a picture cannot be read.
    """
    torch.manual_seed(recipe.seed)
    console = Console()
    pairs = read_pairs(data, cut_outs, left_out, rules)
    held_out = held_out_patients(pairs.patients, recipe.validation_share, recipe.seed)
    whole = np.array([are_whole(labels) for labels in pairs.labels])
    training, validation = pairs.only(~held_out & whole), pairs.only(held_out)
    if len(training) < recipe.batch_size or not len(validation):
        raise ValueError(
            f"{len(training)} X-rays train and {len(validation)} validate: at least "
            f"{recipe.batch_size} and 1 are needed"
        )
    console.print(f"{len(training)} X-rays train, {len(validation)} validate")
    phantoms = phantom_pairs(range(FIRST_PHANTOM, FIRST_PHANTOM + max(recipe.phantoms, 1)))
    run = LungRun(training, phantoms, recipe)
    identity = _identity(training, validation, recipe)
    state = read_resume(output, identity)
    if state is not None:
        run.restore(state)
        console.print(f"resuming after epoch {run.epoch}")
    while run.epoch < recipe.epochs:
        loss = run.train_epoch()
        run.dice.append(float(np.mean(dice(run.average.module, validation))))
        console.print(f"epoch {run.epoch}: loss {loss:.4f}, validation Dice {run.dice[-1]:.4f}")
        write_resume(output, identity | run.state())
    figures = {
        "source": source,
        "recipe": asdict(recipe),
        "training_images": len(training),
        "training_phantoms": len(phantoms),
        "validation_images": len(validation),
        "validation_dice": run.dice[-1],
        "validation_dice_by_epoch": run.dice,
        "preprocessing": "stretched to 128 x 128 pixels; 1st and 99th percentile become 0 and 1",
    }
    weights = run.average.module.state_dict()
    side = Preprocessing(size=SIDE, mean=(0.0,), std=(1.0,))
    save_checkpoint(
        output,
        Checkpoint(
            weights, CLASS_NAMES, side, figures, architecture=ARCHITECTURE, multi_label=True
        ),
    )
    resume_file(output).unlink(missing_ok=True)
    fit_plausibility(
        output,
        data,
        validation_share=recipe.validation_share,
        seed=recipe.seed,
        left_out=left_out,
        rules=rules or PatientRules(),
    )
    return figures


class LungRun:
    """A training run between two epochs.

    Attributes:
        epoch: number of completed epochs.
        dice: Dice coefficients on the validation patients after each epoch.
        average: the averaged network, which is the result of the run.
    """

    def __init__(self, training: LungPairs, phantoms: LungPairs, recipe: LungRecipe) -> None:
        self.training, self.phantoms, self.recipe = training, phantoms, recipe
        self.epoch, self.dice = 0, list[float]()
        self.network = LungNetwork().to(memory_format=torch.channels_last)
        self.average = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY), use_buffers=True
        )
        self.steps = len(training) // recipe.batch_size
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), recipe.learning_rate, weight_decay=1e-4, fused=True
        )

    def train_epoch(self) -> float:
        """Train for an epoch, and return its mean loss."""
        rng = np.random.default_rng((self.recipe.seed, self.epoch))
        order = rng.permutation(len(self.training))[: self.steps * self.recipe.batch_size]
        self.network.train()
        losses = []
        for number, chosen in enumerate(np.split(order, self.steps)):
            self.optimizer.param_groups[0]["lr"] = self._rate(self.epoch + number / self.steps)
            losses.append(self._step(*self._batch(chosen, rng)))
        self.epoch += 1
        return float(np.mean(losses))

    def _rate(self, done: float) -> float:
        """Return the learning rate after `done` epochs: it rises, is constant, falls at the end."""
        left = (self.recipe.epochs - done) / min(COOLDOWN, self.recipe.epochs)
        return self.recipe.learning_rate * min(1.0, done + 0.1, left)

    def _batch(self, chosen: NDArray[np.intp], rng: Generator) -> tuple[Tensor, Tensor]:
        drawn = [self._draw(int(index), rng) for index in chosen]
        pictures, labels = (np.stack(column) for column in zip(*drawn, strict=True))
        sides = torch.from_numpy(labels)
        targets = torch.stack([sides == AT_LEFT, sides == AT_RIGHT], dim=1).float()
        return torch.from_numpy(pictures)[:, None], targets

    def _draw(self, index: int, rng: Generator) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        if rng.random() < self.recipe.phantom_share:
            picture, labels = self.phantoms.pair(int(rng.integers(len(self.phantoms))))
        else:
            picture, labels = self.training.pair(index)
        picture, labels = moved(picture, labels, rng)
        picture = whitened(picture, labels, rng)
        if rng.random() < self.recipe.foreign_share:
            picture, labels = foreign(picture, rng), np.zeros_like(labels)
        return stretch(exposed(picture, rng)), labels

    def _step(self, pictures: Tensor, targets: Tensor) -> float:
        loss = lung_loss(self.network(pictures), targets)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.average.update_parameters(self.network)
        return loss.item()

    def state(self) -> dict[str, Any]:
        """Return the state needed to continue."""
        states = [part.state_dict() for part in self._parts()]
        return {"epoch": self.epoch, "dice": self.dice, "states": states}

    def _parts(self) -> tuple[Any, ...]:
        return self.network, self.average, self.optimizer

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self.epoch, self.dice = state["epoch"], state["dice"]
        for part, stored in zip(self._parts(), state["states"], strict=True):
            part.load_state_dict(stored)


def lung_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy plus one minus the mean soft Dice of the lungs present.

    Args:
        logits: (N, 2, H, W).
        targets: (N, 2, H, W), 0 or 1.
    """
    shares = torch.sigmoid(logits)
    overlap, total = ((part).sum((2, 3)) for part in (shares * targets, shares + targets))
    soft_dice = (2 * overlap + 1) / (total + 1)
    there = (targets.sum((2, 3)) > 0).float()
    missing = ((1 - soft_dice) * there).sum() / there.sum().clamp_min(1)
    return 2 * F.binary_cross_entropy_with_logits(logits, targets) + missing


@torch.inference_mode()
def dice(network: torch.nn.Module, pairs: LungPairs) -> NDArray[np.float64]:
    """Return the Dice coefficient (N,) of both lungs together, at the network's size."""
    network.eval()
    found = []
    for index in range(len(pairs)):
        picture, labels = pairs.pair(index)
        lungs = (
            F.interpolate(network(network_input(picture)), labels.shape, mode="bilinear")
            .amax(dim=1)[0]
            .numpy()
            > 0
        )
        known = labels > 0
        found.append(2 * (lungs & known).sum() / max((lungs.sum() + known.sum()), 1))
    return np.array(found)


def _identity(training: LungPairs, validation: LungPairs, recipe: LungRecipe) -> dict[str, Any]:
    """Return data that identify a run; the number of epochs is not included."""
    settings = {name: value for name, value in asdict(recipe).items() if name != "epochs"}
    names = "\n".join([*training.names, "", *validation.names])
    return {"recipe": settings, "pictures": sha256(names.encode()).hexdigest()}
