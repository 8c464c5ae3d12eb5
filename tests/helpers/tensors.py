"""Random tensors for property tests."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis.extra.numpy import arrays
from hypothesis.strategies import SearchStrategy


def tensors(
    shape: tuple[int, ...], elements: SearchStrategy[float]
) -> SearchStrategy[torch.Tensor]:
    """Return float32 tensors of a shape with drawn elements."""
    return arrays(np.float32, shape, elements=elements).map(torch.from_numpy)
