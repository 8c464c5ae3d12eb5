"""ROAD and ARCC: how much a model's answer changes without the pixels that a map marks.

ROAD, "remove and debias" (Rong et al., ICML 2022), replaces pixels by the weighted mean of their
neighbours instead of a constant, so that the removal leaves no shape that a network could
recognise. ARCC combines ROAD with coherency and complexity, as ADCC does (Poppi et al., CVPR
Workshops 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import spsolve
from torch import Tensor

PERCENTILES = (10, 20, 30, 40, 50, 60, 70, 80, 90)
"""The percentiles of a map from which on pixels are removed."""
ARCC_PERCENTILES = (20, 40, 60, 80)
NOISE = 0.01
"""Standard deviation of the noise on removed pixels, in units of the normalised input."""

_SIDE, _DIAGONAL = 1 / 6, 1 / 12
_NEIGHBOURS = {
    (0, 1): _SIDE,
    (0, -1): _SIDE,
    (1, 0): _SIDE,
    (-1, 0): _SIDE,
    (1, 1): _DIAGONAL,
    (1, -1): _DIAGONAL,
    (-1, 1): _DIAGONAL,
    (-1, -1): _DIAGONAL,
}
"""The weight of each neighbour of a removed pixel, by the offset down and to the right."""
_TINY = 1e-8

Map = NDArray[np.float32]
Score = Callable[[Tensor], Tensor]
"""A function from inputs (N, C, H, W) to the score (N,) of the explained class."""


def impute(
    x: Tensor, removed: NDArray[np.bool_], noise: float, generator: torch.Generator
) -> Tensor:
    """Replace pixels by the weighted mean of their neighbours (Rong et al. 2022, section 4.2).

    Args:
        x: one normalised image (C, H, W).
        removed: (H, W), True for pixels to replace; their neighbours may be replaced too.
        noise: standard deviation of the noise that is added to replaced pixels.
        generator: a CPU generator, which draws the noise.

    Returns:
        The image (C, H, W).
    """
    unknown = removed.ravel()
    if not unknown.any():
        return x.clone()
    pixels = x.reshape(len(x), -1).double().numpy()
    weights = _neighbour_weights(removed.shape[0], removed.shape[1])[unknown]
    system = diags_array(weights.sum(axis=1)) - weights[:, unknown]
    known = weights[:, ~unknown] @ pixels[:, ~unknown].T
    filled = np.array(pixels, dtype=np.float32)
    filled[:, unknown] = spsolve(system.tocsc(), known).reshape(-1, len(x)).T
    drawn = torch.randn((len(x), int(unknown.sum())), generator=generator)
    filled[:, unknown] += noise * drawn.numpy()
    return torch.from_numpy(filled).view_as(x)


def road(
    score: Score,
    x: Tensor,
    heatmap: Map,
    percentiles: Sequence[int] = PERCENTILES,
    noise: float = NOISE,
) -> float:
    """Compare removing the least relevant pixels with removing the most relevant ones.

    Args:
        score: the model's score of the explained class.
        x: one normalised image (1, C, H, W) on the CPU.
        heatmap: (H, W) in [0, 1].
        percentiles: percentiles of the map from which on pixels are removed.
        noise: as for `impute`.

    Returns:
        Half the mean difference of the two scores; positive if the score depends on the marked
        pixels.
    """
    generator = torch.Generator().manual_seed(0)
    changed = []
    for relevance in (1 - heatmap, heatmap):
        for percentile in percentiles:
            removed = relevance >= np.percentile(relevance, percentile)
            changed.append(impute(x[0], removed, noise, generator))
    scores = torch.stack([score(each[None])[0].detach() for each in changed]).float()
    least_removed, most_removed = scores.view(2, -1).mean(dim=1).tolist()
    return float(least_removed - most_removed) / 2


def coherency(heatmap: Map, of_masked: Map) -> float:
    """Return how similar two maps are, in [0, 1] (Poppi et al. 2021, section 3).

    Args:
        heatmap: (H, W), the map of an image.
        of_masked: (H, W), the map of the image multiplied by `heatmap`.

    Returns:
        Pearson's correlation, shifted and scaled to [0, 1]; 0.5 if a map is constant.
    """
    one, other = (each.ravel() - each.mean() for each in (heatmap, of_masked))
    scale = float(np.linalg.norm(one) * np.linalg.norm(other))
    return (float(one @ other) / (scale + _TINY) + 1) / 2


def complexity(heatmap: Map) -> float:
    """Return the mean of a map (H, W) in [0, 1]: the less it marks, the simpler it is."""
    return float(np.abs(heatmap).mean())


def arcc(score: Score, x: Tensor, heatmap: Map, of_masked: Map, noise: float = NOISE) -> float:
    """Return the harmonic mean of coherency, simplicity and ROAD.

    Args:
        score: the model's score of the explained class.
        x: one normalised image (1, C, H, W) on the CPU.
        heatmap: (H, W) in [0, 1], the map of the image.
        of_masked: (H, W), the map of the image multiplied by `heatmap`.
        noise: as for `impute`.

    Returns:
        A number in [0, 1]; higher is better.
    """
    faithful = min(max(2 * road(score, x, heatmap, ARCC_PERCENTILES, noise), 0.0), 1.0)
    parts = (coherency(heatmap, of_masked), 1 - complexity(heatmap), faithful)
    return len(parts) / sum(1 / (part + _TINY) for part in parts)


def _neighbour_weights(height: int, width: int) -> csr_array:
    """Return the weights (H * W, H * W) of the neighbours that each pixel has in the image."""
    index = np.arange(height * width).reshape(height, width)
    rows, columns, weights = [], [], []
    for (down, right), weight in _NEIGHBOURS.items():
        here = index[max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)]
        rows.append(here.ravel())
        columns.append(here.ravel() + down * width + right)
        weights.append(np.full(here.size, weight))
    entries = np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))
    return csr_array(entries, shape=(index.size, index.size))
