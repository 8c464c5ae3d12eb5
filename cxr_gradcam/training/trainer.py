"""Training: folders of radiographs go in, weights with their metadata come out.

Augmentation runs on whole batches on the model's device. After each epoch everything needed to go
on is written beside the output, so that a killed run resumes where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision.models.resnet import Bottleneck

from cxr_gradcam.data.dataset import PHANTOMS, LabelledImages, load, sampling_weights
from cxr_gradcam.data.image_folder import PATIENT_PATTERN
from cxr_gradcam.data.split import Split, split_by_patient
from cxr_gradcam.models.checkpoint import Checkpoint, save_checkpoint
from cxr_gradcam.models.fast_trunk import fast_dtype
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.training.augmentation import augment
from cxr_gradcam.training.losses import gradcam_weights, location_loss, smooth_labels
from cxr_gradcam.training.recipe import Recipe

EMA_DECAY = 0.995


def train(
    data: Sequence[Path],
    output: Path,
    recipe: Recipe,
    *,
    noisy: Sequence[Path] = (),
    weights: str | None = None,
    source: str = "",
    patient_pattern: str = PATIENT_PATTERN,
) -> dict[str, Any]:
    """Train a ResNet50 and write its averaged weights as they are at the end.

    Within each source every class is drawn equally often. The area under the ROC curve on the
    validation patients is measured after each epoch and stored; it chooses none, because the early
    epochs see smaller images and the learning rate falls to the end. An unfinished run with the
    same recipe goes on after its last whole epoch.

    Args:
        data: folders of one source each, with one folder of radiographs per class.
        output: the .safetensors file to write.
        recipe: how the run goes.
        noisy: further such folders, whose labels are often wrong.
        weights: where the training starts, as in `ResNet50FineTuned`; None for random weights.
        source: where the pictures come from and their licence, in words.
        patient_pattern: a regular expression; its first group names the patient in a file name.

    Returns:
        The figures that are stored with the weights.

    Raises:
        ValueError: fewer than two classes, a class that lacks patients on one side of the split,
            phantoms for classes that are not theirs, a pattern that is none, or an unfinished run
            with other pictures, another recipe or other weights to start from.
        RadiographError: a picture that cannot be read.
    """
    torch.manual_seed(recipe.seed)
    share = recipe.validation_share
    split = split_by_patient(data, noisy, share, recipe.seed, patient_pattern)
    resume = output.with_suffix(".resume.pt")
    state = _read_resume(resume, split, recipe, weights)
    training, validation = load(split, recipe.size, recipe.phantoms, share)
    run = _Run(split, training, recipe, weights, resume, state)
    for epoch in range(run.epoch, recipe.epochs):
        loss = run.train_epoch(training, epoch)
        aucs = run.validate(validation)
        run.console.print(f"epoch {epoch + 1}: loss {loss:.4f}, validation AUC {aucs}")
        run.finish_epoch(epoch, aucs)
    return run.write(output, training, validation, source)


def _read_resume(
    resume: Path, split: Split, recipe: Recipe, weights: str | None
) -> dict[str, Any] | None:
    if not resume.exists():
        return None
    state: dict[str, Any] = torch.load(resume, map_location="cpu", weights_only=True)
    begun_with = state["recipe"], state["split"], state["initial_weights"]
    if begun_with != (asdict(recipe), split.digest(), weights):
        raise ValueError(
            f"{resume.name} belongs to a run with another recipe, other pictures or other weights: "
            "delete it to start anew, or choose another output"
        )
    return state


class _Run:
    """A training run between two epochs: the model, its average, the optimiser."""

    def __init__(
        self,
        split: Split,
        training: LabelledImages,
        recipe: Recipe,
        weights: str | None,
        resume: Path,
        state: dict[str, Any] | None,
    ) -> None:
        self.split, self.recipe, self.resume, self.weights = split, recipe, resume, weights
        self.console = Console()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = ResNet50FineTuned(len(split.class_names), freeze_features=False, weights=weights)
        if weights is None:
            self.preprocessing = _statistics(training.images, recipe.size)
            _zero_residuals(model)
        else:
            self.preprocessing = replace(model.preprocessing, size=recipe.size)
        self.model = model.to(self.device).to(memory_format=torch.channels_last)
        self.average = AveragedModel(
            self.model, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY), use_buffers=True
        )
        self.steps = len(training) // recipe.batch_size
        if self.steps == 0:
            raise ValueError(
                f"{len(training)} images are fewer than a batch of {recipe.batch_size}"
            )
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self.schedule = OneCycleLR(
            self.optimizer, recipe.learning_rate, total_steps=recipe.epochs * self.steps
        )
        self.shares = sampling_weights(training.labels, training.source_of)
        noisy = (training.source_of >= split.noisy_from) & (training.source_of < len(split.sources))
        self.smoothing = torch.where(noisy, recipe.noisy_label_smoothing, recipe.label_smoothing)
        self.epoch, self.aucs = 0, list[dict[str, float]]()
        if state is not None:
            self._restore(state)

    def train_epoch(self, training: LabelledImages, epoch: int) -> float:
        size = self.recipe.size_of_epoch(epoch)
        generator = torch.Generator().manual_seed(self.recipe.seed * 10_000 + epoch)
        losses = []
        self.model.train()
        with _progress(self.console) as progress:
            task = progress.add_task(f"epoch {epoch + 1} at {size} px", total=self.steps)
            for chosen in self._batches(generator):
                images = augment(training.with_masks(chosen).to(self.device), size, generator)
                losses.append(self._step(images, training.labels[chosen], self.smoothing[chosen]))
                progress.advance(task)
        return float(np.mean(losses))

    def _batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        size = self.recipe.batch_size
        order = torch.multinomial(
            self.shares, self.steps * size, replacement=True, generator=generator
        )
        yield from order.split(size)

    def _step(self, images: Tensor, labels: Tensor, smoothing: Tensor) -> float:
        """Take one step; the second channel of the images (N, 2, H, W) is the lesion's mask."""
        network = self.model.resnet50
        last = network.layer4[-1]
        with _autocast(self.device), outputs_of(last.conv3, last) as outputs:
            logits = self.model(self._inputs(images[:, :1]))
        targets = smooth_labels(labels, smoothing, logits.shape[1]).to(self.device)
        loss = F.cross_entropy(logits.float(), targets)
        if self.recipe.location_weight:
            direction = (network.fc.weight[-1] - network.fc.weight[0])[None]
            maps = (
                (outputs[1], direction),
                (outputs[0], gradcam_weights(direction, last.bn3, outputs[1])),
            )
            for features, weights in maps:
                location = location_loss(features, weights, images[:, 1:])
                loss = loss + self.recipe.location_weight * location
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.average.update_parameters(self.model)
        return loss.item()

    def _inputs(self, images: Tensor) -> Tensor:
        return self.preprocessing.normalize(images).contiguous(memory_format=torch.channels_last)

    def validate(self, data: LabelledImages) -> dict[str, float]:
        """Return the AUC of each source that has every class, else of all, to four places."""
        probabilities = self._predict(data.images)
        aucs = {}
        for index, name in enumerate((*self.split.sources, PHANTOMS)):
            members = data.source_of == index
            labels = data.labels[members].numpy()
            if len(np.unique(labels)) == len(self.split.class_names):
                aucs[name] = round(mean_auc(labels, probabilities[members.numpy()]), 4)
        return aucs or {"all": round(mean_auc(data.labels.numpy(), probabilities), 4)}

    @torch.inference_mode()
    def _predict(self, images: Tensor) -> NDArray[np.float32]:
        self.average.eval()
        probabilities = []
        for batch in images.split(self.recipe.batch_size):
            with _autocast(self.device):
                logits = self.average(self._inputs(batch.to(self.device).float() / 255))
            probabilities.append(logits.float().softmax(dim=1).cpu())
        return torch.cat(probabilities).numpy()

    def finish_epoch(self, epoch: int, aucs: dict[str, float]) -> None:
        self.aucs.append(aucs)
        self.epoch = epoch + 1
        partial = self.resume.with_suffix(".part")
        partial.parent.mkdir(parents=True, exist_ok=True)
        torch.save(self._state(), partial)
        partial.replace(self.resume)

    def _state(self) -> dict[str, Any]:
        return {
            "recipe": asdict(self.recipe),
            "split": self.split.digest(),
            "initial_weights": self.weights,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "epoch": self.epoch,
            "aucs": self.aucs,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.epoch, self.aucs = state["epoch"], state["aucs"]
        self.console.print(f"resuming after epoch {self.epoch}")

    def write(
        self, output: Path, training: LabelledImages, validation: LabelledImages, source: str
    ) -> dict[str, Any]:
        figures: dict[str, Any] = {
            "source": source,
            "recipe": asdict(self.recipe),
            "split": self.split.digest(),
            "initial_weights": Path(self.weights).name if self.weights else "random",
            "training_images": len(training) - len(training.masks),
            "training_phantoms": len(training.masks),
            "validation_images": len(validation) - len(validation.masks),
            "validation_phantoms": len(validation.masks),
            "validation_auc": float(np.mean(list(self.aucs[-1].values()))),
            "validation_auc_by_epoch": self.aucs,
        }
        save_checkpoint(
            output,
            Checkpoint(
                self.average.module.state_dict(),
                self.split.class_names,
                self.preprocessing,
                figures,
            ),
        )
        self.resume.unlink(missing_ok=True)
        return figures


@contextmanager
def outputs_of(*modules: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the modules' outputs in the order in which they come."""
    outputs: list[Tensor] = []
    handles = [
        module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
        for module in modules
    ]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def mean_auc(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> float:
    """Return the area under the ROC curve, of several classes the mean of each against the rest.

    Args:
        labels: (N,), every class among them.
        probabilities: (N, C).
    """
    scores = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities
    return float(roc_auc_score(labels, scores, multi_class="ovr"))


def _zero_residuals(model: ResNet50FineTuned) -> None:
    """Let each residual branch start at zero (Goyal et al. 2017, section 5.1): Adam stays calm."""
    for block in model.modules():
        if isinstance(block, Bottleneck):
            nn.init.zeros_(block.bn3.weight)


def _statistics(images: Tensor, size: int) -> Preprocessing:
    """Return the input's mean and std over all training pixels, the same for the three channels."""
    counts = torch.bincount(images.flatten().int(), minlength=256).double()
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = float((counts * values).sum() / counts.sum())
    std = float(((counts * (values - mean) ** 2).sum() / counts.sum()).sqrt())
    return Preprocessing(size, (round(mean, 4),) * 3, (round(std, 4),) * 3)


def _autocast(device: torch.device) -> torch.autocast:
    """Compute in bf16 where the processor has instructions for it."""
    enabled = fast_dtype(device) is torch.bfloat16
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
