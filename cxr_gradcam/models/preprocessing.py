"""From a radiograph to the model's input, and from a map back to the radiograph's pixels.

The whole picture is stretched to a square, so one bilinear stretch leads back: pixel (0, 0) of the
map and of the radiograph share their corner, and nothing has been cropped or padded away.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cxr_gradcam.imaging.radiograph import Radiograph


@dataclass(frozen=True)
class Preprocessing:
    """How a model wants its input: side of the square in pixels, mean and std per channel."""

    size: int = 224
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def prepare(self, radiograph: Radiograph) -> Tensor:
        """Give the model's input for one radiograph.

        Args:
            radiograph: the picture, of any size and aspect ratio.

        Returns:
            Tensor (1, 3, size, size), float32, normalised by mean and std.
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

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = (like.new_tensor(values).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return mean, std


def resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Stretch images (N, C, h, w) to (N, C, *size), bilinear and without aliasing."""
    return F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)
