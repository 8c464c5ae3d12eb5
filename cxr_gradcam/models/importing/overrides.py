"""The settings that the caller of `load_model` gives; they override file and library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cxr_gradcam.models.checkpoint import CheckpointError
from cxr_gradcam.models.preprocessing import Preprocessing


@dataclass(frozen=True)
class LoadOverrides:
    """The settings that a caller gives for weights; None for a setting that is not given.

    Args:
        class_names: the classes in the order of the logits.
        input_size: side of the square input in pixels.
        mean: mean of each channel, or one number for all channels.
        std: standard deviation of each channel, or one number for all channels.
        multi_label: whether several classes can be true at once.

    Raises:
        CheckpointError: two classes have one name.
    """

    class_names: Sequence[str] | None = None
    input_size: int | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    multi_label: bool | None = None

    def __post_init__(self) -> None:
        """Refuse class names that occur twice."""
        if self.class_names is not None and len({*self.class_names}) < len(self.class_names):
            raise CheckpointError(
                f"two classes have one name: {', '.join(self.class_names)}: name each class "
                "differently"
            )

    @property
    def changes_logits(self) -> bool:
        """Whether the logits of an image, or their meaning, differ from those without overrides."""
        return (self.input_size, self.mean, self.std, self.multi_label) != (None,) * 4

    @property
    def is_empty(self) -> bool:
        """Whether the caller gives no setting."""
        return self == LoadOverrides()

    def preprocessing(self, default: Preprocessing) -> Preprocessing:
        """Return how the input is made: the caller's settings and, for the rest, the default.

        Args:
            default: the settings of file and library, or assumed ones.

        Raises:
            CheckpointError: the number of means or standard deviations is neither one nor the
                number of channels, or a value is out of range.
        """
        mean = _per_channel("mean", self.mean, default.mean)
        std = _per_channel("std", self.std, default.std)
        size = default.size if self.input_size is None else self.input_size
        try:
            return Preprocessing(size, mean, std)
        except ValueError as error:
            raise CheckpointError(str(error)) from error

    def check_names(self, num_classes: int) -> None:
        """Refuse a number of names that is not the number of classes; one logit may have two.

        Args:
            num_classes: outputs of the network.

        Raises:
            CheckpointError: the numbers differ.
        """
        names = self.class_names
        if names is None or len(names) == num_classes or (num_classes, len(names)) == (1, 2):
            return
        raise CheckpointError(
            f"{len(names)} class names for {num_classes} classes: name each class once, in the "
            "order of the outputs"
        )


def _per_channel(
    what: str, values: Sequence[float] | None, default: tuple[float, ...]
) -> tuple[float, ...]:
    if values is None:
        return default
    if len(values) not in (1, len(default)):
        raise CheckpointError(
            f"{len(values)} numbers of the {what} for a network of {len(default)} channels: give "
            "one, or one for each channel"
        )
    return tuple(values) * (len(default) // len(values))
