"""The recipe of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from cxr_gradcam.data.labels import Doubt

_LEAST = {"epochs": 1, "size": 32, "start_size": 32, "batch_size": 1, "phantoms": 0}
_SHARES = (
    "validation_share",
    "label_smoothing",
    "noisy_label_smoothing",
    "other_label_smoothing",
    "unread_label_smoothing",
    "teacher_share",
    "degrade_share",
    "graft_share",
)
_WEIGHTS = ("location_weight", "feature_weight", "shortcut_weight", "weight_decay")


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
        noisy_label_smoothing: that of the labels known to be noisy.
        other_label_smoothing: that of radiographs read as something else than the finding or its
            absence, which count as without it; 1 leaves them out.
        unread_label_smoothing: that of radiographs that a table lists and nobody read, which keep
            their folder's label; 1 leaves them out.
        location_weight: how much it counts that the evidence for a phantom's opacity lies in it.
        shortcut_weight: how much it counts that radiographs without the finding get one mean
            answer, whatever their source, projection and age.
        degrade_share: of the pictures, made small or compressed as a transfer may do.
        graft_share: of the cut-outs, grafted into healthy films, where the film that a cut-out was
            cut from is in another source.
        temperature: of teachers' answers (Hinton et al. 2015).
        teacher_share: of the loss by teachers' answers, the rest being that by labels.
        feature_weight: how much it counts that the features lead to the first teacher's by a
            linear map (Romero et al. 2015).
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
    noisy_label_smoothing: float = 0.2
    other_label_smoothing: float = 1.0
    unread_label_smoothing: float = 1.0
    location_weight: float = 0.1
    shortcut_weight: float = 0.1
    degrade_share: float = 0.3
    graft_share: float = 0.6
    temperature: float = 2.0
    teacher_share: float = 0.85
    feature_weight: float = 0.2
    phantoms: int = 600
    validation_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        for name, bound in _LEAST.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} {getattr(self, name)}: {bound} at least")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)}: a share lies between 0 and 1")
        for name in _WEIGHTS:
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} {getattr(self, name)}: 0 at least")
        for name in ("learning_rate", "temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} {getattr(self, name)}: it must be above 0")

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Self:
        """Return the recipe that a checkpoint's header holds; older ones know fewer settings.

        Raises:
            KeyError: it holds no share of validation or no seed.
        """
        for name in ("validation_share", "seed"):
            if name not in stored:
                raise KeyError(name)
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})

    @property
    def kept_doubts(self) -> frozenset[Doubt]:
        """The doubtful labels that train."""
        smoothing = {
            Doubt.OTHER: self.other_label_smoothing,
            Doubt.UNREAD: self.unread_label_smoothing,
        }
        return frozenset(doubt for doubt, share in smoothing.items() if share < 1)

    def size_of_epoch(self, epoch: int) -> int:
        """Return the input size of an epoch, in steps of 32 from the first to the last.

        Small images are cheap and teach the coarse; the growth is quadratic, so most epochs are
        cheap ones and the last has the full size.
        """
        if epoch + 1 >= self.epochs:
            return self.size
        progress = (epoch / (self.epochs - 1)) ** 2
        start = min(self.start_size, self.size)
        return round((start + (self.size - start) * progress) / 32) * 32
