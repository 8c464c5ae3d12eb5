"""What a classifier returns: which of its tensors are the scores, and the logits behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Probabilities = Literal["exclusive", "independent"]
"""Probabilities of classes of which one is true, or of classes that are true on their own."""


@dataclass(frozen=True)
class OutputFormat:
    """How the output of a classifier is read.

    Args:
        key: which tensor of several holds the scores: an index, a key, or several of them with dots
            between, as "0.logits"; "" for the output itself, None where it has to be found.
        probabilities: what the scores are where they are probabilities; None for logits.
        two_classes: whether the one logit stands for two classes, absence and presence.
    """

    key: str | None = None
    probabilities: Probabilities | None = None
    two_classes: bool = False

    def scores(self, output: object, batch: int | None = None) -> Tensor:
        """Return the scores (N, C) as the classifier gives them.

        Args:
            output: what the classifier returned.
            batch: N, where it is known.

        Raises:
            ValueError: no tensor, or more than one, may be the scores.
        """
        return scores_of(output, find_scores(output) if self.key is None else self.key, batch)

    def logits(self, scores: Tensor) -> Tensor:
        """Return the logits (N, C) of scores (N, C); two columns where one stands for two classes.

        Args:
            scores: of `scores`, or the output of a layer that gives logits.
        """
        logits = scores if self.probabilities is None else as_logits(scores, self.probabilities)
        return as_two_classes(logits) if self.two_classes else logits


def scores_of(output: object, key: str, batch: int | None = None) -> Tensor:
    """Return the scores (N, C) in a classifier's output.

    Args:
        output: what the classifier returned.
        key: which tensor holds the scores, as in `OutputFormat`.
        batch: N, where it is known: a network that ends in `squeeze` gives (C,) for one image, and
            (N,) for one class.

    Raises:
        ValueError: the output has no such key, or no row of scores per image is there.
    """
    found = output
    for part in key.split(".") if key else ():
        try:
            found = _item(found, part)
        except (KeyError, IndexError, ValueError, AttributeError, TypeError):
            names = ", ".join(tensors_in(output)) or "none"
            raise ValueError(
                f"the classifier's output has no {key!r}; its tensors with a row for each image "
                f"are: {names}"
            ) from None
    if batch == 1 and isinstance(found, Tensor) and found.ndim < 2:
        return found.reshape(1, -1)
    if isinstance(found, Tensor) and found.ndim in (1, 2):
        return found[:, None] if found.ndim == 1 else found
    what = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    raise ValueError(
        f"a classifier gives one row of scores per image, (N, C), not {what}: name the tensor that "
        "has them by output=, or wrap the network in a module that returns it"
    )


def find_scores(output: object, batch: int | None = None, widths: Sequence[int] = ()) -> str:
    """Return the key of the scores in a classifier's output.

    The scores are the output itself, what is called "logits", the only tensor that has as many
    columns as there are classes, or the first of a tuple where no other has a row for each image.

    Args:
        output: what the classifier returned.
        batch: N, the number of images; None where it is not known.
        widths: how many columns the scores may have, the likeliest first; empty where it is not
            known.

    Raises:
        ValueError: no tensor, or more than one, may be the scores.

    Example:
        >>> find_scores((torch.zeros(4, 512), torch.zeros(4, 2)), widths=[2])
        '1'
    """
    if isinstance(output, Tensor):
        return ""
    named = _key_of_logits(output)
    if named is not None:
        return named
    rows = tensors_in(output, batch)
    for width in widths:
        fitting = [key for key, tensor in rows.items() if _width(tensor) == width]
        if len(fitting) == 1:
            return fitting[0]
    if [*rows] == ["0"] and isinstance(output, tuple | list):
        return "0"
    first = output[0] if isinstance(output, tuple | list) and output else output
    what = tuple(first.shape) if isinstance(first, Tensor) else type(first).__name__
    listed = ", ".join(f"{key} {tuple(tensor.shape)}" for key, tensor in rows.items())
    raise ValueError(
        f"a classifier gives one row of scores per image, (N, C), not {what}"
        + (
            f": say which are the scores ({listed}), as output={[*rows][-1]!r}"
            if rows
            else ": wrap the network in a module that returns them"
        )
    )


def as_logits(probabilities: Tensor, kind: Probabilities) -> Tensor:
    """Return logits (N, C) whose softmax or sigmoid is the probabilities.

    Args:
        probabilities: (N, C), in [0, 1].
        kind: "exclusive" for a softmax, which gives their logarithms; "independent" for a sigmoid,
            which gives their log-odds.

    Example:
        >>> as_logits(torch.tensor([[0.25, 0.5]]), "independent").sigmoid().tolist()
        [[0.25, 0.5]]
    """
    limits = torch.finfo(probabilities.dtype)
    above_zero = probabilities.clamp_min(limits.tiny)
    if kind == "exclusive":
        return above_zero.log()
    return above_zero.log() - (1 - probabilities).clamp_min(limits.eps / 2).log()


def as_two_classes(logits: Tensor) -> Tensor:
    """Return two logits (N, 2) whose softmax is the sigmoid of one (N, 1), and its complement.

    The logit z becomes (-z/2, z/2), so that what speaks for one class speaks against the other.

    Args:
        logits: (N, 1).
    """
    return torch.cat([-logits / 2, logits / 2], dim=1)


def _key_of_logits(output: object) -> str | None:
    """Return the key of what is called "logits", also inside tuples and lists, or None."""
    if isinstance(output, Mapping):
        return "logits" if "logits" in output else None
    if isinstance(getattr(output, "logits", None), Tensor):
        return "logits"
    if isinstance(output, tuple | list):
        for index, each in enumerate(output):
            inner = None if isinstance(each, Tensor) else _key_of_logits(each)
            if inner is not None:
                return f"{index}.{inner}"
    return None


def _item(value: object, part: str) -> object:
    if isinstance(value, Mapping):
        return value[part if part in value else int(part)]
    if isinstance(value, Sequence) and part.isdigit():
        return value[int(part)]
    return getattr(value, part)


def tensors_in(output: object, batch: int | None = None, prefix: str = "") -> dict[str, Tensor]:
    """Return the tensors (N,) and (N, K) inside an output by their keys.

    Args:
        output: a mapping, tuple or list, also of such.
        batch: N; None for any.
        prefix: what the keys begin with.
    """
    if isinstance(output, Tensor):
        fits = output.ndim in (1, 2) and batch in (None, output.shape[0])
        return {prefix.removesuffix("."): output} if fits and prefix else {}
    items: Iterable[tuple[object, object]] = ()
    if isinstance(output, Mapping):
        items = output.items()
    elif isinstance(output, tuple | list):
        items = enumerate(output)
    found: dict[str, Tensor] = {}
    for key, value in items:
        found |= tensors_in(value, batch, f"{prefix}{key}.")
    return found


def _width(tensor: Tensor) -> int:
    return 1 if tensor.ndim == 1 else tensor.shape[1]
