"""What a classifier returns: which of its tensors are the scores, and their logits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Probabilities = Literal["exclusive", "independent"]
"""Probabilities of classes of which exactly one is true, or of independent classes."""


@dataclass(frozen=True)
class OutputFormat:
    """How the scores are found in the output of a classifier.

    Args:
        key: which of several tensors holds the scores: an index, a key, or several of them joined
            by dots, such as "0.logits"; "" for the output itself, None to find it.
        probabilities: the kind of probabilities that the scores are; None for logits.
        two_classes: whether a single logit represents two classes, absence and presence.
    """

    key: str | None = None
    probabilities: Probabilities | None = None
    two_classes: bool = False

    def scores(self, output: object, batch: int | None = None) -> Tensor:
        """Return the scores (N, C) as the classifier gives them.

        Args:
            output: what the classifier returned.
            batch: N, if it is known.

        Raises:
            ValueError: no tensor, or more than one, may be the scores.
        """
        return scores_of(output, find_scores(output) if self.key is None else self.key, batch)

    def logits(self, scores: Tensor) -> Tensor:
        """Return the logits (N, C) of scores (N, C); two columns if one represents two classes.

        Args:
            scores: returned by `scores`, or the output of a layer that gives logits.
        """
        logits = scores if self.probabilities is None else as_logits(scores, self.probabilities)
        return as_two_classes(logits) if self.two_classes else logits


def scores_of(output: object, key: str, batch: int | None = None) -> Tensor:
    """Return the scores (N, C) in a classifier's output.

    Args:
        output: what the classifier returned.
        key: which tensor holds the scores, as in `OutputFormat`.
        batch: N, if it is known: a network that ends in `squeeze` gives (C,) for one image, and
            (N,) for one class.

    Raises:
        ValueError: the output has no such key, or not one row of scores per image.
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

    The scores are the output itself, the tensor called "logits", the only tensor with as many
    columns as classes, or the first of a tuple if no other tensor has a row for each image.

    Args:
        output: what the classifier returned.
        batch: N, the number of images; None if it is not known.
        widths: the possible numbers of columns of the scores, the likeliest first; empty if not
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

    The logit z becomes (-z/2, z/2): evidence for one class is evidence against the other.

    Args:
        logits: (N, 1).
    """
    return torch.cat([-logits / 2, logits / 2], dim=1)


def _key_of_logits(output: object) -> str | None:
    """Return the key of the tensor called "logits", also inside tuples and lists, or None."""
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
        output: a mapping, tuple or list, which may be nested.
        batch: N; None for any.
        prefix: the start of the keys.
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
