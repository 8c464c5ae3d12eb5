"""What a caller says of weights, because their file does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cxr_gradcam.models.checkpoint import CheckpointError
from cxr_gradcam.models.preprocessing import Preprocessing


@dataclass(frozen=True)
class Told:
    """What a caller says of weights; None for what he leaves open.

    Args:
        class_names: the classes in the order of the logits.
        input_size: side of the square input in pixels.
        mean: of each channel, or one number for all.
        std: of each channel, or one number for all.
        multi_label: whether several classes can be true at once.

    Raises:
        CheckpointError: two classes of one name.
    """

    class_names: Sequence[str] | None = None
    input_size: int | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    multi_label: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.class_names is not None and len({*self.class_names}) < len(self.class_names):
            raise CheckpointError(f"two classes have one name: {', '.join(self.class_names)}")

    @property
    def changes_logits(self) -> bool:
        """Whether the same image has other logits than without it, or these mean another thing."""
        return (self.input_size, self.mean, self.std, self.multi_label) != (None,) * 4

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return self == Told()

    def preprocessing(self, guess: Preprocessing) -> Preprocessing:
        """Return how the input is made: as said and, for the rest, as guessed.

        Raises:
            CheckpointError: as many numbers as the network has no channels, or none that an input
                can have.
        """
        mean = _per_channel("mean", self.mean, guess.mean)
        std = _per_channel("std", self.std, guess.std)
        size = guess.size if self.input_size is None else self.input_size
        try:
            return Preprocessing(size, mean, std)
        except ValueError as error:
            raise CheckpointError(str(error)) from error

    def check_names(self, num_classes: int) -> None:
        """Refuse another number of names than of classes; one logit may have two.

        Raises:
            CheckpointError: it is another.
        """
        names = self.class_names
        if names is None or len(names) == num_classes or (num_classes, len(names)) == (1, 2):
            return
        raise CheckpointError(
            f"{len(names)} class names for {num_classes} classes: name each class once"
        )


def _per_channel(
    what: str, told: Sequence[float] | None, guess: tuple[float, ...]
) -> tuple[float, ...]:
    if told is None:
        return guess
    if len(told) not in (1, len(guess)):
        raise CheckpointError(
            f"{len(told)} numbers of the {what} for a network of {len(guess)} channels: give one, "
            "or one for each channel"
        )
    return tuple(told) * (len(guess) // len(told))
