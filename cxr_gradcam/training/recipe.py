"""The recipe of a training run."""

from __future__ import annotations

from dataclasses import dataclass


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
        location_weight: how much it counts that the evidence for a phantom's opacity lies in it.
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
    location_weight: float = 0.1
    phantoms: int = 600
    validation_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        least = {"epochs": 1, "size": 32, "start_size": 32, "batch_size": 1, "phantoms": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} {getattr(self, name)}: {bound} at least")
        for name in ("validation_share", "label_smoothing", "noisy_label_smoothing"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)}: a share lies between 0 and 1")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate {self.learning_rate}: it must be above 0")

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
