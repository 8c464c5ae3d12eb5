"""The score that a map explains: for a class, against it, or for one class rather than another.

Every question is a weight for each logit; the score is the weighted sum of the logits. Its gradient
is the same weighted sum of the logits' gradients, so each CAM method answers each question.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ClassIdx = int | Sequence[int] | NDArray[np.integer] | Tensor | None


def target_weights(
    logits: Tensor, class_idx: ClassIdx, contrast_idx: ClassIdx = None, *, against: bool = False
) -> Tensor:
    """Return weights for the logits so that the weighted sum is the score to explain.

    Args:
        logits: (N, C).
        class_idx: the class: None for each sample's highest logit, one index for all samples, or
            one per sample.
        contrast_idx: explain the class rather than this one, by the difference of their logits
            (Finer-CAM with one class for comparison and full strength: Zhang et al., CVPR 2025).
        against: explain evidence that lowers the score instead of raising it (the counterfactual of
            Selvaraju et al., ICCV 2017, section 3.3).

    Returns:
        Weights (N, C) of the logits' type and device, each 1, 0 or -1.

    Raises:
        ValueError: an index is out of range or not a whole number, the number of indices is not
            that of samples, or a class is contrasted with itself.
    """
    explained = explained_classes(logits, class_idx)
    weights = torch.zeros_like(logits).scatter_(1, explained[:, None], 1)
    contrast = class_indices(contrast_idx, *logits.shape)
    if contrast is not None:
        contrast = contrast.to(logits.device)
        if (contrast == explained).any():
            raise ValueError(
                "a class cannot be contrasted with itself: choose two different classes"
            )
        weights.scatter_(1, contrast[:, None], -1)
    return -weights if against else weights


def explained_classes(logits: Tensor, class_idx: ClassIdx) -> Tensor:
    """Return one class index per sample, int64 (N,), on the logits' device.

    Args:
        logits: (N, C).
        class_idx: the class: None for each sample's highest logit, one index for all samples, or
            one per sample.

    Returns:
        The requested classes, or each sample's class with the highest logit.
    """
    asked = class_indices(class_idx, *logits.shape)
    return logits.detach().argmax(dim=1) if asked is None else asked.to(logits.device)


def class_indices(class_idx: ClassIdx, batch: int, num_classes: int) -> Tensor | None:
    """Return one class index per sample, or None for each sample's predicted class.

    Args:
        class_idx: None, one index for all samples, or one per sample: sequence, array or tensor.
        batch: N, the number of samples.
        num_classes: C; an index lies in 0..C-1.

    Returns:
        int64 tensor (N,) on the CPU, or None.

    Raises:
        ValueError: an index is out of range or not a whole number, or there is not one per sample.
    """
    if class_idx is None:
        return None
    values = class_idx.tolist() if isinstance(class_idx, Tensor | np.ndarray) else class_idx
    try:
        indices = (
            [_whole_number(value) for value in values]
            if isinstance(values, Sequence)
            else [_whole_number(values)] * batch
        )
    except TypeError:
        raise ValueError(f"a class index is a whole number, not {class_idx!r}") from None
    if len(indices) != batch:
        raise ValueError(
            f"{len(indices)} class indices for {batch} images: give one for all, or one per image"
        )
    for index in indices:
        if not 0 <= index < num_classes:
            raise ValueError(
                f"class index {index} is outside the range 0..{num_classes - 1} of the network's "
                "classes"
            )
    return torch.tensor(indices)


def _whole_number(value: SupportsIndex) -> int:
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)
