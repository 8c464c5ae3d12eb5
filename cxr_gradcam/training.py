"""Training: a folder of radiographs per class goes in, weights with their metadata come out.

The pictures are read once and kept in memory as 8-bit squares (50 kB each at 224 pixels);
augmentation runs on whole batches on the model's device. After each epoch everything needed to go
on is written beside the output, so that a killed run resumes where it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
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
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision.models.resnet import Bottleneck

from cxr_gradcam.augment import augment
from cxr_gradcam.checkpoint import Checkpoint, save_checkpoint
from cxr_gradcam.evaluation import list_folder, mean_auc, read_listed
from cxr_gradcam.phantom import draw_phantom
from cxr_gradcam.preprocess import Preprocessing, resize
from cxr_gradcam.resnet50 import ResNet50FineTuned
from cxr_gradcam.trunk import fast_dtype

PATIENT_PATTERN = r"^(person\d+|(?:NORMAL\d+-)?IM-\d+|\d{8}(?=_))"
"""The part of a file name that stands for the patient, in the Kermany and NIH data sets."""

PHANTOM_CLASSES = ("Normal", "Pneumonia")
_FIRST_PHANTOM = 1_000_000


@dataclass(frozen=True)
class Recipe:
    """How a training run goes.

    Attributes:
        epochs: passes over the training images.
        size: side of the model's input in pixels, that of the last epoch.
        start_size: that of the first epoch.
        batch_size: images a step.
        learning_rate: the highest of the one-cycle schedule.
        weight_decay: AdamW's.
        label_smoothing: the share of each label spread over all classes.
        phantoms: synthetic radiographs added, half of them with an opacity.
        validation_share: the share of the patients, and of the phantoms, kept for validation.
        seed: of the split, the order, the augmentation and the initial weights.
    """

    epochs: int = 8
    size: int = 224
    start_size: int = 96
    batch_size: int = 32
    learning_rate: float = 3e-4
    weight_decay: float = 0.05
    label_smoothing: float = 0.05
    phantoms: int = 600
    validation_share: float = 0.1
    seed: int = 0

    def size_of_epoch(self, epoch: int) -> int:
        """Give the input size of an epoch, in steps of 32 from the first to the last.

        Small images are cheap and teach the coarse; the growth is quadratic, so most epochs are
        cheap ones and the last has the full size.
        """
        if epoch + 1 >= self.epochs:
            return self.size
        progress = (epoch / (self.epochs - 1)) ** 2
        start = min(self.start_size, self.size)
        return round((start + (self.size - start) * progress) / 32) * 32


@dataclass(frozen=True)
class LabelledImages:
    """Pictures in memory with their classes: uint8 (N, 1, size, size) and int64 (N,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self.labels)


def train(
    data: Path,
    output: Path,
    recipe: Recipe,
    *,
    weights: str | None = None,
    source: str = "",
    patient_pattern: str = PATIENT_PATTERN,
) -> dict[str, Any]:
    """Train a ResNet50 and write the best epoch's averaged weights.

    The best epoch is the one with the highest area under the ROC curve on the validation
    patients. An unfinished run with the same recipe goes on after its last whole epoch.

    Args:
        data: a folder with one folder of radiographs per class.
        output: the .safetensors file to write.
        recipe: how the run goes.
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
    plan = _plan(data, recipe, patient_pattern)
    resume = output.with_suffix(".resume.pt")
    state = _read_resume(resume, plan, recipe, weights)
    training, validation = _load(plan, recipe)
    run = _Run(plan, training, recipe, weights, resume, state)
    for epoch in range(run.epoch, recipe.epochs):
        loss = run.train_epoch(training, epoch)
        auc = mean_auc(*run.predict(validation))
        run.console.print(f"epoch {epoch + 1}: loss {loss:.4f}, validation AUC {auc:.4f}")
        run.finish_epoch(epoch, auc)
    return run.write(output, training, validation, source)


def patient_of(file_name: str, pattern: str = PATIENT_PATTERN) -> str:
    """Name the patient of a file: the pattern's first group, else the name itself.

    Raises:
        ValueError: the pattern is no regular expression with a group.
    """
    try:
        match = re.search(pattern, file_name)
        return match.group(1) if match else file_name
    except (re.error, IndexError) as error:
        raise ValueError(
            f"{pattern!r} is no regular expression with a group for the patient: {error}"
        ) from None


def split_by_patient(patients: Sequence[str], share: float, seed: int) -> NDArray[np.bool_]:
    """Choose whole patients for validation.

    Args:
        patients: one name per image.
        share: of the patients, in [0, 1].
        seed: of the choice.

    Returns:
        (N,), True where an image is for validation; no patient stands on both sides.
    """
    names = np.unique(np.asarray(patients))
    chosen = np.random.default_rng(seed).permutation(names)[: round(share * len(names))]
    return np.isin(np.asarray(patients), chosen)


@dataclass(frozen=True)
class _Plan:
    """Which pictures train and which validate, known before the first is read."""

    class_names: tuple[str, ...]
    paths: list[str]
    labels: Tensor
    held_out: Tensor

    def digest(self) -> str:
        """Name the split, so that a run is never resumed with another one."""
        sides = zip(self.paths, self.held_out.tolist(), strict=True)
        lines = sorted(f"{Path(path).parent.name}/{Path(path).name} {side}" for path, side in sides)
        return sha256("\n".join(lines).encode()).hexdigest()


def _plan(data: Path, recipe: Recipe, pattern: str) -> _Plan:
    folder = list_folder(data)
    class_names = tuple(name.replace("_", " ").capitalize() for name in folder.classes)
    if len(class_names) < 2:
        raise ValueError(f"one class ({class_names[0]}) cannot be told from another: two needed")
    if recipe.phantoms and class_names != PHANTOM_CLASSES:
        raise ValueError(
            f"phantoms show the classes {', '.join(PHANTOM_CLASSES)}, the data "
            f"{', '.join(class_names)}: train with --phantoms 0"
        )
    paths, labels = [path for path, _ in folder.samples], torch.tensor(folder.targets)
    patients = [patient_of(Path(path).name, pattern) for path in paths]
    held_out = torch.from_numpy(split_by_patient(patients, recipe.validation_share, recipe.seed))
    for side, name in ((labels[held_out], "validation"), (labels[~held_out], "training")):
        if len(side.unique()) < len(class_names):
            raise ValueError(f"a class has no patient for {name}: change the share or add pictures")
    return _Plan(class_names, paths, labels, held_out)


def _read_resume(
    resume: Path, plan: _Plan, recipe: Recipe, weights: str | None
) -> dict[str, Any] | None:
    if not resume.exists():
        return None
    state: dict[str, Any] = torch.load(resume, map_location="cpu", weights_only=True)
    begun_with = state["recipe"], state["split"], state["initial_weights"]
    if begun_with != (asdict(recipe), plan.digest(), weights):
        raise ValueError(
            f"{resume.name} belongs to a run with another recipe, other pictures or other weights: "
            "delete it to start anew, or choose another output"
        )
    return state


def _load(plan: _Plan, recipe: Recipe) -> tuple[LabelledImages, LabelledImages]:
    images = _read_all(plan.paths, recipe.size)
    training, validation = (
        LabelledImages(images[side], plan.labels[side]) for side in (~plan.held_out, plan.held_out)
    )
    held_out = round(recipe.phantoms * recipe.validation_share)
    drawn = range(_FIRST_PHANTOM, _FIRST_PHANTOM + recipe.phantoms)
    return (
        _with_phantoms(training, drawn[held_out:], recipe.size),
        _with_phantoms(validation, drawn[:held_out], recipe.size),
    )


def _read_all(paths: Sequence[str], size: int) -> Tensor:
    def read(path: str) -> Tensor:
        return _as_bytes(torch.tensor(read_listed(path).pixels), size)

    with ThreadPoolExecutor() as pool:
        return torch.stack(list(pool.map(read, paths)))


def _as_bytes(pixels: Tensor, size: int) -> Tensor:
    return (resize(pixels[None, None], (size, size))[0] * 255).round().to(torch.uint8)


def _with_phantoms(data: LabelledImages, seeds: range, size: int) -> LabelledImages:
    """Add the phantoms of the seeds; the odd ones have an opacity."""
    if not seeds:
        return data

    def draw(seed: int) -> Tensor:
        phantom = draw_phantom(seed, size=size, opacity=seed % 2 == 1)
        return _as_bytes(torch.from_numpy(phantom.pixels), size)

    with ThreadPoolExecutor() as pool:
        images = torch.stack(list(pool.map(draw, seeds)))
    labels = torch.tensor(seeds) % 2
    return LabelledImages(torch.cat([data.images, images]), torch.cat([data.labels, labels]))


class _Run:
    """A training run between two epochs: the model, its average, the optimiser, the best so far."""

    def __init__(
        self,
        plan: _Plan,
        training: LabelledImages,
        recipe: Recipe,
        weights: str | None,
        resume: Path,
        state: dict[str, Any] | None,
    ) -> None:
        self.plan, self.recipe, self.resume = plan, recipe, resume
        self.console = Console()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.weights = weights
        model = ResNet50FineTuned(len(plan.class_names), freeze_features=False, weights=weights)
        if weights is None:
            self.preprocessing = _statistics(training.images, recipe.size)
            _silence_residuals(model)
        else:
            self.preprocessing = replace(model.preprocessing, size=recipe.size)
        self.model = model.to(self.device).to(memory_format=torch.channels_last)
        self.average = AveragedModel(
            self.model, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True
        )
        self.steps = len(training) // recipe.batch_size
        if self.steps == 0:
            raise ValueError(
                f"{len(training)} images are fewer than a batch of {recipe.batch_size}"
            )
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(),
            recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self.schedule = OneCycleLR(
            self.optimiser, recipe.learning_rate, total_steps=recipe.epochs * self.steps
        )
        self.class_weights = _class_weights(training.labels, len(plan.class_names)).to(self.device)
        self.epoch, self.aucs = 0, list[float]()
        self.best: dict[str, Tensor] = {}
        if state is not None:
            self._restore(state)

    def train_epoch(self, training: LabelledImages, epoch: int) -> float:
        size = self.recipe.size_of_epoch(epoch)
        generator = torch.Generator().manual_seed(self.recipe.seed * 10_000 + epoch)
        losses = []
        self.model.train()
        with _progress(self.console) as progress:
            task = progress.add_task(f"epoch {epoch + 1} at {size} px", total=self.steps)
            for images, labels in self._batches(training, generator):
                losses.append(self._step(augment(images, size, generator), labels))
                progress.advance(task)
        return float(np.mean(losses))

    def _batches(
        self, data: LabelledImages, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(data), generator=generator)
        for chosen in order[: self.steps * self.recipe.batch_size].split(self.recipe.batch_size):
            yield (
                data.images[chosen].to(self.device).float() / 255,
                data.labels[chosen].to(self.device),
            )

    def _step(self, images: Tensor, labels: Tensor) -> float:
        inputs = self.preprocessing.normalise(images).contiguous(memory_format=torch.channels_last)
        with _autocast(self.device):
            logits = self.model(inputs)
        loss = F.cross_entropy(
            logits.float(), labels, self.class_weights, label_smoothing=self.recipe.label_smoothing
        )
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        self.average.update_parameters(self.model)
        return loss.item()

    @torch.inference_mode()
    def predict(self, data: LabelledImages) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        self.average.eval()
        probabilities = []
        for images in data.images.split(self.recipe.batch_size):
            inputs = self.preprocessing.normalise(images.to(self.device).float() / 255)
            with _autocast(self.device):
                logits = self.average(inputs.contiguous(memory_format=torch.channels_last))
            probabilities.append(logits.float().softmax(dim=1).cpu())
        return data.labels.numpy(), torch.cat(probabilities).numpy()

    def finish_epoch(self, epoch: int, auc: float) -> None:
        if not self.aucs or auc > max(self.aucs):
            self.best = {
                name: tensor.detach().cpu().clone()
                for name, tensor in self.average.module.state_dict().items()
            }
        self.aucs.append(auc)
        self.epoch = epoch + 1
        partial = self.resume.with_suffix(".part")
        partial.parent.mkdir(parents=True, exist_ok=True)
        torch.save(self._state(), partial)
        partial.replace(self.resume)

    def _state(self) -> dict[str, Any]:
        return {
            "recipe": asdict(self.recipe),
            "split": self.plan.digest(),
            "initial_weights": self.weights,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "best": self.best,
            "epoch": self.epoch,
            "aucs": self.aucs,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.best, self.epoch, self.aucs = state["best"], state["epoch"], state["aucs"]
        self.console.print(f"resuming after epoch {self.epoch}")

    def write(
        self, output: Path, training: LabelledImages, validation: LabelledImages, source: str
    ) -> dict[str, Any]:
        held_out = int(self.plan.held_out.sum())
        trained_on = len(self.plan.held_out) - held_out
        figures: dict[str, Any] = {
            "source": source,
            "recipe": asdict(self.recipe),
            "initial_weights": Path(self.weights).name if self.weights else "random",
            "training_images": trained_on,
            "training_phantoms": len(training) - trained_on,
            "validation_images": held_out,
            "validation_phantoms": len(validation) - held_out,
            "validation_auc": max(self.aucs),
            "validation_auc_by_epoch": self.aucs,
        }
        save_checkpoint(
            output, Checkpoint(self.best, self.plan.class_names, self.preprocessing, figures)
        )
        self.resume.unlink(missing_ok=True)
        return figures


def _silence_residuals(model: ResNet50FineTuned) -> None:
    """Let each residual branch start at zero (Goyal et al. 2017, section 5.1): Adam stays calm."""
    for block in model.modules():
        if isinstance(block, Bottleneck):
            nn.init.zeros_(block.bn3.weight)


def _statistics(images: Tensor, size: int) -> Preprocessing:
    """Give the input's mean and std over all training pixels, the same for the three channels."""
    counts = torch.bincount(images.flatten().int(), minlength=256).double()
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = float((counts * values).sum() / counts.sum())
    std = float(((counts * (values - mean) ** 2).sum() / counts.sum()).sqrt())
    return Preprocessing(size, (round(mean, 4),) * 3, (round(std, 4),) * 3)


def _class_weights(labels: Tensor, num_classes: int) -> Tensor:
    """Weigh each class so that all count the same together; the mean weight of an image is 1."""
    counts = torch.bincount(labels, minlength=num_classes).float()
    return counts.sum() / (num_classes * counts)


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
