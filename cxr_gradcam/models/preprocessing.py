"""From a radiograph to the model's input, and from a map back to the radiograph's pixels.

The whole picture is resized to a square, without cropping or padding. So one bilinear resize maps
back: pixel (0, 0) of the map and of the radiograph share their corner.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxr_gradcam.cam.maps import resize
from cxr_gradcam.imaging.radiograph import Radiograph

MAX_SIZE = 4096
"""The largest side of an input in pixels: a damaged or hostile file may ask for any number."""


@dataclass(frozen=True)
class Preprocessing:
    """How a model's input is made.

    Args:
        size: side of the square input in pixels.
        mean: mean of each channel, for values in [0, 1].
        std: standard deviation of each channel, for values in [0, 1].

    Raises:
        ValueError: a size is outside 1 to `MAX_SIZE`, or the statistics are invalid.
    """

    size: int = 224
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        """Refuse sizes that would fill the memory, and divisions by zero."""
        if not isinstance(self.size, int) or not 1 <= self.size <= MAX_SIZE:
            raise ValueError(
                f"an input of {self.size} pixels is not possible: its side is 1 to {MAX_SIZE}"
            )
        if not 0 < len(self.mean) == len(self.std):
            raise ValueError(
                f"{len(self.mean)} means and {len(self.std)} standard deviations: give one of each "
                "for every channel"
            )
        if not all(map(math.isfinite, (*self.mean, *self.std))) or min(self.std) <= 0:
            raise ValueError(
                f"mean {self.mean} and standard deviation {self.std} are not possible: both must "
                "be finite, and the standard deviation above 0"
            )

    def prepare(self, radiograph: Radiograph) -> Tensor:
        """Return the model's input for one radiograph.

        Args:
            radiograph: a radiograph of any size and aspect ratio.

        Returns:
            Tensor (1, channels, size, size), float32, normalised by mean and std.
        """
        grey = torch.tensor(radiograph.pixels)[None, None]
        return self.normalize(resize(grey, (self.size, self.size)))

    def normalize(self, grey: Tensor) -> Tensor:
        """Turn grey images (N, 1, H, W) in [0, 1] into normalised (N, 3, H, W)."""
        mean, std = self._statistics(grey)
        return (grey - mean) / std

    def denormalize(self, inputs: Tensor) -> Tensor:
        """Turn normalised inputs (N, 3, H, W) back into images (N, 3, H, W) in [0, 1]."""
        mean, std = self._statistics(inputs)
        return (inputs * std + mean).clamp(0, 1)

    def picture(self, x: Tensor) -> NDArray[np.float32]:
        """Return one normalised input (1, 3, H, W) as an image (H, W, 3) in [0, 1]."""
        return self.denormalize(x.detach().float())[0].permute(1, 2, 0).cpu().numpy()

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = (like.new_tensor(values).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return mean, std
