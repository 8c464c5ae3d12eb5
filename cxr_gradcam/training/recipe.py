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
_WEIGHTS = ("location_weight", "lung_weight", "feature_weight", "shortcut_weight", "weight_decay")


@dataclass(frozen=True)
class Recipe:
    """The settings of a training run.

    Attributes:
        epochs: number of passes over the training images.
        size: side of the network's input in the last epoch, in pixels.
        start_size: side of the input in the first epoch, in pixels.
        batch_size: number of images in a step.
        learning_rate: the highest learning rate of the one-cycle schedule.
        weight_decay: the weight decay of AdamW.
        label_smoothing: the share of each label that is spread over all classes, in [0, 1].
        noisy_label_smoothing: the share that is spread in sources whose labels are often wrong.
        other_label_smoothing: the share that is spread for radiographs read as another finding,
            which are labelled as without the finding. 1 leaves them out.
        unread_label_smoothing: the share that is spread for radiographs that a table lists but
            nobody read, which keep the label of their folder. 1 leaves them out.
        location_weight: weight of the loss that moves maps to the opacities of phantoms.
        lung_weight: weight of the loss that moves maps of the finding into the lungs, for whole
            radiographs with it.
        shortcut_weight: weight of the loss that equalises the mean answer on radiographs without
            the finding, between sources, projections and age groups.
        degrade_share: the share of the images that is shrunk or compressed, as in a transfer.
        graft_share: the share of the cut-outs that is grafted into healthy radiographs, if the
            radiograph of a healthy cut-out is in another source.
        temperature: temperature of the teachers' answers (Hinton et al. 2015).
        teacher_share: the share of the teachers' answers in the loss; labels have the rest.
        feature_weight: weight of the loss that makes the features map linearly to the first
            teacher's features (Romero et al. 2015).
        phantoms: number of synthetic radiographs that are added, half of them with an opacity.
        validation_share: the share of the patients, and of the phantoms, kept for validation.
        seed: seed of the split, the order, the augmentation and the initial weights.
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
    lung_weight: float = 0.0
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
        """Raise an error for settings out of range."""
        for name, bound in _LEAST.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be {bound} or more")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must lie between 0 and 1")
        for name in _WEIGHTS:
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be 0 or more")
        for name in ("learning_rate", "temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be above 0")

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Self:
        """Return the recipe in a checkpoint's header; earlier releases stored fewer settings.

        Args:
            stored: the settings in the header.

        Raises:
            KeyError: the share of validation or the seed is missing.
        """
        for name in ("validation_share", "seed"):
            if name not in stored:
                raise KeyError(name)
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})

    @property
    def kept_doubts(self) -> frozenset[Doubt]:
        """The kinds of doubtful labels that are used in training."""
        smoothing = {
            Doubt.OTHER: self.other_label_smoothing,
            Doubt.UNREAD: self.unread_label_smoothing,
        }
        return frozenset(doubt for doubt, share in smoothing.items() if share < 1)

    def size_of_epoch(self, epoch: int) -> int:
        """Return the input size of an epoch in pixels, a multiple of 32.

        The size grows quadratically from `start_size` to `size`, so that most epochs are fast.

        Args:
            epoch: 0 for the first epoch.
        """
        if epoch + 1 >= self.epochs:
            return self.size
        progress = (epoch / (self.epochs - 1)) ** 2
        start = min(self.start_size, self.size)
        return round((start + (self.size - start) * progress) / 32) * 32
