"""Class activation maps: the capture of a layer's activations, and the maps made of them.

A map needs the target layer's activations A and the gradient of the class score with respect to
A, nothing in front of the layer. So the graph is cut there: the hook puts a fresh leaf in the
place of the layer's output, the trunk records nothing, and only the tail is differentiated.

What is captured belongs to the call that asked for it and to its thread (a context variable);
nothing is kept on a module.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import SupportsIndex

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cxr_gradcam.preprocess import resize

ClassIdx = int | Sequence[int] | NDArray[np.integer] | Tensor | None


@dataclass
class Capture:
    """The activations that one forward pass left at the target layer, (N, K, h, w).

    `is_cut` says whether the graph begins there, because nobody trains what comes before.
    """

    activations: Tensor | None = None
    is_cut: bool = False


_capture: ContextVar[Capture | None] = ContextVar("capture", default=None)


@contextmanager
def capturing() -> Iterator[Capture]:
    """Let `capture_activations` hooks capture what runs inside, in this thread alone."""
    capture = Capture()
    token = _capture.set(capture)
    grad_enabled = torch.is_grad_enabled()
    try:
        # Tensors of inference mode can never be differentiated, so it is left; no_grad stays.
        with torch.inference_mode(mode=False), torch.set_grad_enabled(grad_enabled):
            yield capture
    finally:
        _capture.reset(token)


def capture_activations(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Forward hook of the target layer: capture its output and make it differentiable.

    Where the caller trains the trunk, the output is part of the graph already and stays so: cut
    there, the trunk would get no gradient.
    """
    capture = _capture.get()
    if capture is None:
        return output
    if not output.requires_grad:
        output = output.detach().requires_grad_()
        capture.is_cut = True
        torch.set_grad_enabled(True)  # for the tail; `capturing` restores it
    capture.activations = output
    return output


def class_indices(class_idx: ClassIdx, batch: int, num_classes: int) -> Tensor | None:
    """Give one class index per sample, or None where each sample's predicted class is meant.

    Args:
        class_idx: None, one index for all samples, or one per sample: sequence, array or tensor.
        batch: N, the number of samples.
        num_classes: C; an index lies in 0..C-1.

    Returns:
        int64 tensor (N,) on the CPU, or None.

    Raises:
        ValueError: an index out of range, no whole number, or not one per sample.
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
        raise ValueError(f"{len(indices)} class indices for {batch} images: give one per image")
    for index in indices:
        if not 0 <= index < num_classes:
            raise ValueError(f"class index {index} is outside the range 0..{num_classes - 1}")
    return torch.tensor(indices)


def _whole_number(value: SupportsIndex) -> int:
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)


def class_gradients(
    logits: Tensor, class_idx: Tensor, activations: Tensor, *, retain_graph: bool
) -> Tensor:
    """Differentiate each sample's class score with respect to its activations.

    Args:
        logits: (N, C), with a graph that reaches back to `activations`.
        class_idx: (N,), the class explained for each sample.
        activations: (N, K, h, w).
        retain_graph: keep the graph, for a loss that the caller still wants to differentiate.

    Returns:
        Gradients (N, K, h, w). No `.grad` is touched.
    """
    scores = logits.gather(1, class_idx.to(logits.device)[:, None]).sum()
    return torch.autograd.grad(scores, activations, retain_graph=retain_graph)[0]


def gradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM: the activations' sum, weighted by the mean gradient of each channel, above zero.

    Args:
        activations: (N, K, h, w).
        gradients: (N, K, h, w), of the class score.

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised.

    Source: Selvaraju et al., "Grad-CAM", ICCV 2017, equations 1 and 2.
    """
    weights = gradients.float().mean(dim=(2, 3), keepdim=True)
    return (weights * activations.float()).sum(dim=1).relu()


def upsample(maps: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Bring maps to an image's grid and scale each to a maximum of 1.

    An empty map stays empty: it is not divided by its maximum of 0.

    Args:
        maps: (N, h, w), at least 0.
        size: (H, W) in pixels.

    Returns:
        Heat maps (N, H, W), float32 in [0, 1], and peaks (N,), the maxima before scaling.
    """
    heatmaps = resize(maps[:, None], size)[:, 0]
    peaks = heatmaps.amax(dim=(1, 2))
    return heatmaps / peaks.where(peaks > 0, 1)[:, None, None], peaks
