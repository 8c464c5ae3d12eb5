"""A training run: the network, its average, the optimizer and the losses of each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cxr_gradcam.data.cut_outs import CutOuts
from cxr_gradcam.data.dataset import LabelledImages, sampling_weights
from cxr_gradcam.data.labels import Doubt
from cxr_gradcam.data.split import Split
from cxr_gradcam.models.checkpoint import checksum
from cxr_gradcam.models.library_records import last_linear
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.training.augmentation import augment, degrade
from cxr_gradcam.training.distillation import FeatureMap, PooledFeatures, Teachers
from cxr_gradcam.training.location import gradcam_evidence, location_loss, outputs_of
from cxr_gradcam.training.losses import MeanGap, distillation_loss, evidence, smooth_labels
from cxr_gradcam.training.networks import (
    build_network,
    build_resnet50,
    preprocessing_of,
    statistics,
    zero_residuals,
)
from cxr_gradcam.training.recipe import Recipe
from cxr_gradcam.training.validation import autocast, network_input

EMA_DECAY = 0.995
INSIDE = 0.5
"""A mask with a value above this has a lesion or lungs, even if most of it was moved out."""


@dataclass(frozen=True)
class Start:
    """The initial state of a training.

    Attributes:
        weights: for the ResNet50 a value for `ResNet50FineTuned`; for another network a file; None
            for random weights.
        network: a name that `build_network` takes; None for the package's ResNet50.
        teachers: files that `train` wrote.
    """

    weights: str | None = None
    network: str | None = None
    teachers: Sequence[Path] = ()

    def identity(self) -> dict[str, Any]:
        """Return data that must be the same when a killed run continues."""
        return {
            "initial_weights": self.weights,
            "network": self.network,
            "teachers": [checksum(path) for path in self.teachers],
        }


class Run:
    """The state of a training run.

    Args:
        split: the split into training and validation.
        training: the training images.
        recipe: the settings of the run.
        start: initial weights, network and teachers.

    Attributes:
        epoch: the number of completed epochs.
        aucs: the validation figures of each of these epochs.
        average: the network with averaged weights, which is the result of the run.
        preprocessing: how the network's input is made.

    Raises:
        ValueError: there are fewer images than a batch holds.
    """

    def __init__(
        self, split: Split, training: LabelledImages, recipe: Recipe, start: Start
    ) -> None:
        self.split, self.recipe = split, recipe
        self.epoch, self.aucs = 0, list[dict[str, float]]()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._start(training, start)
        self.steps = len(training) // recipe.batch_size
        if self.steps == 0:
            raise ValueError(
                f"{len(training)} training images are fewer than a batch of {recipe.batch_size}: "
                "add X-rays, or make the batch smaller by --batch-size"
            )
        parameters = [*self.network.parameters(), *self.feature_map.parameters()]
        self.optimizer = torch.optim.AdamW(
            parameters, recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        self.schedule = OneCycleLR(
            self.optimizer, recipe.learning_rate, total_steps=recipe.epochs * self.steps
        )
        self.gaps = [MeanGap(int(groups.max()) + 1) for groups in _groups(training, split)]
        self.cut_outs = CutOuts(
            training.images,
            training.labels,
            split.is_cut_out(training.source_of),
            training.names,
            split.absence,
        )
        weights = sampling_weights(training.labels, training.source_of, training.strata)
        self.sampling_weights = weights * self.cut_outs.usable
        self.smoothing = _smoothing(training, split, recipe)
        is_phantom = training.source_of == len(split.sources)
        self.location_weights = torch.where(is_phantom, recipe.location_weight, recipe.lung_weight)

    def _start(self, training: LabelledImages, start: Start) -> None:
        """Build network, preprocessing, teachers and the map between their features."""
        classes, size = len(self.split.class_names), self.recipe.size
        if start.network is None:
            model = build_resnet50(classes, start.weights)
            if start.weights is None:
                zero_residuals(model)
            preprocessing = replace(model.preprocessing, size=size)
            network: nn.Module = model
        else:
            weights = None if start.weights is None else Path(start.weights)
            network = build_network(start.network, classes, weights)
            preprocessing = preprocessing_of(network, size)
        if start.weights is None:
            preprocessing = statistics(training.images, size)
        self.preprocessing: Preprocessing = preprocessing
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY), use_buffers=True
        )
        self.features = PooledFeatures(self.network)
        self.teachers: Teachers | None = None
        self.feature_map: nn.Module = nn.Identity()
        if start.teachers:
            self.teachers = Teachers(start.teachers, self.split.class_names, self.device)
            width = last_linear(self.network).in_features
            self.feature_map = FeatureMap(width, self.teachers.width).to(self.device)

    def train_epoch(self, training: LabelledImages, epoch: int, console: Console) -> float:
        """Train for one epoch.

        Args:
            training: the training images.
            epoch: 0 for the first epoch.
            console: the console for the progress bar.

        Returns:
            The mean loss.
        """
        size = self.recipe.size_of_epoch(epoch)
        generator = torch.Generator().manual_seed(self.recipe.seed * 10_000 + epoch)
        groups = _groups(training, self.split)
        losses = []
        self.network.train()
        title = f"epoch {epoch + 1} at {size} px"
        batches = list(self._batches(generator))
        for chosen in track(batches, title, console=console, transient=True):
            images = self.cut_outs.exchange(
                training.with_masks(chosen), chosen, generator, self.recipe.graft_share
            )
            images = degrade(images, self.recipe.degrade_share, generator)
            images = augment(images.to(self.device), size, generator)
            losses.append(self._step(images, training.labels[chosen], chosen, groups))
        return float(np.mean(losses))

    def _batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        size = self.recipe.batch_size
        order = torch.multinomial(
            self.sampling_weights, self.steps * size, replacement=True, generator=generator
        )
        yield from order.split(size)

    def _step(
        self, images: Tensor, labels: Tensor, chosen: Tensor, groups: Sequence[Tensor]
    ) -> float:
        """Take one step; the second channel of the images (N, 2, H, W) is a mask."""
        targets = smooth_labels(labels, self.smoothing[chosen], len(self.split.class_names))
        with autocast(self.device), self._third_stage() as stages:
            logits = self.network(network_input(images[:, :1], self.preprocessing)).float()
        loss = F.cross_entropy(logits, targets.to(self.device))
        if self.teachers is not None:
            loss = self._taught(images[:, :1], logits, loss)
        if stages:
            loss = loss + self._location(stages[0], images[:, 1:], chosen, labels)
        absence = self.split.absence
        if self.recipe.shortcut_weight and absence is not None:
            scores = evidence(logits, absence)
            gaps = [
                gap(scores, group[chosen]) for gap, group in zip(self.gaps, groups, strict=True)
            ]
            loss = loss + self.recipe.shortcut_weight * torch.stack(gaps).sum()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.average.update_parameters(self.network)
        return loss.item()

    def _taught(self, grey: Tensor, logits: Tensor, by_labels: Tensor) -> Tensor:
        """Combine the loss from labels with those from the teachers' answers and features."""
        assert self.teachers is not None  # called only with teachers  # noqa: S101
        features = self.features.latest
        with autocast(self.device):
            taught, target = self.teachers.answer(grey, self.recipe.temperature)
        share = self.recipe.teacher_share
        by_teachers = distillation_loss(logits, taught, self.recipe.temperature)
        mapped: Tensor = self.feature_map(features, target)
        return share * by_teachers + (1 - share) * by_labels + self.recipe.feature_weight * mapped

    @contextmanager
    def _third_stage(self) -> Iterator[list[Tensor]]:
        """Collect outputs of the third stage of the package's ResNet50; none for other networks."""
        if not isinstance(self.network, ResNet50FineTuned):
            yield []
            return
        with outputs_of(self.network.resnet50.layer3) as outputs:
            yield outputs

    def _location(self, middle: Tensor, masks: Tensor, chosen: Tensor, labels: Tensor) -> Tensor:
        """Return the weighted loss that moves maps into masks (N, 1, H, W); 0 without masks."""
        assert isinstance(self.network, ResNet50FineTuned)  # only used with it  # noqa: S101
        weights = self.location_weights[chosen].to(self.device)
        shown = (masks.amax(dim=(1, 2, 3)) > INSIDE) & (weights > 0)
        if not shown.any():
            return masks.new_zeros(())
        with autocast(self.device):
            maps = gradcam_evidence(self.network, middle[shown], labels.to(self.device)[shown])
        return (weights[shown] * location_loss(maps, masks[shown])).mean()

    def state(self) -> dict[str, Any]:
        """Return all that a run needs to continue."""
        return {
            "model": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "feature_map": self.feature_map.state_dict(),
            "gaps": [(gap.means, gap.seen) for gap in self.gaps],
            "epoch": self.epoch,
            "aucs": self.aucs,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state.

        Args:
            state: what `state` returned.
        """
        self.network.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.feature_map.load_state_dict(state["feature_map"])
        for gap, (means, seen) in zip(self.gaps, state["gaps"], strict=True):
            gap.means, gap.seen = means, seen
        self.epoch, self.aucs = state["epoch"], state["aucs"]


def _groups(training: LabelledImages, split: Split) -> list[Tensor]:
    """Return each image's source (N,), and its stratum of projection and age (N,).

    Both are -1 for images with a finding; the source is -1 for phantoms, and the stratum is -1 if
    it is not known.
    """
    absence = -1 if split.absence is None else split.absence
    healthy = training.labels == absence
    real = healthy & (training.source_of < len(split.sources))
    known = healthy & (training.strata > 0)
    return [
        torch.where(real, training.source_of, -1),
        torch.where(known, training.strata, -1),
    ]


def _smoothing(training: LabelledImages, split: Split, recipe: Recipe) -> Tensor:
    noisy = (training.source_of >= split.noisy_from) & (training.source_of < len(split.sources))
    smoothing = torch.where(noisy, recipe.noisy_label_smoothing, recipe.label_smoothing)
    smoothing[training.doubts == Doubt.OTHER] = recipe.other_label_smoothing
    smoothing[training.doubts == Doubt.UNREAD] = recipe.unread_label_smoothing
    return smoothing
