"""Distillation: a network learns the answers and features of trained networks, its teachers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cxr_gradcam.cam.maps import resize
from cxr_gradcam.models.library_records import last_linear
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.training.networks import load_teacher


class PooledFeatures:
    """Record the input of a network's head in the last forward pass.

    Args:
        network: a network with a linear head.

    Attributes:
        latest: (N, K), the features of the last batch, with their graph.
    """

    def __init__(self, network: nn.Module) -> None:
        self.latest = torch.empty(0)
        self._handle = last_linear(network).register_forward_pre_hook(self._keep)

    def _keep(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.latest = inputs[0]

    def remove(self) -> None:
        """Remove the hook from the network."""
        self._handle.remove()


class Teachers:
    """Several trained networks whose probabilities are averaged.

    Args:
        paths: files that `train` wrote.
        class_names: the classes that every teacher must have, in this order.
        device: the device that the teachers run on.

    Raises:
        CheckpointError: a file cannot be read.
        ValueError: a teacher has other classes.
    """

    def __init__(
        self, paths: Sequence[Path], class_names: Sequence[str], device: torch.device
    ) -> None:
        self._members: list[tuple[nn.Module, Preprocessing]] = []
        for path in paths:
            network, checkpoint = load_teacher(path)
            if checkpoint.class_names != tuple(class_names):
                raise ValueError(
                    f"the teacher {path} has the classes {', '.join(checkpoint.class_names)}, and "
                    f"the folders {', '.join(class_names)}: they must be the same"
                )
            self._members.append((network.to(device), checkpoint.preprocessing))
        self._features = PooledFeatures(self._members[0][0])
        self.width = last_linear(self._members[0][0]).in_features

    @torch.no_grad()
    def answer(self, images: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        """Classify images, each teacher at its own input size.

        Args:
            images: grey (N, 1, H, W) in [0, 1].
            temperature: the number that logits are divided by.

        Returns:
            The teachers' mean probabilities (N, C), and the first teacher's features (N, K).
        """
        answers = []
        for network, preprocessing in self._members:
            side = preprocessing.size
            sized = images if images.shape[-1] == side else resize(images, (side, side))
            logits = network(preprocessing.normalize(sized)).float()
            answers.append((logits / temperature).softmax(dim=1))
        return torch.stack(answers).mean(dim=0), self._features.latest.float()


class FeatureMap(nn.Module):
    """A linear map from a student's features to a teacher's, used only in training.

    The teacher's features are standardised by running statistics, so that all have equal weight.

    Args:
        width: the number of the student's features.
        taught: the number of the teacher's features.
    """

    def __init__(self, width: int, taught: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, taught)
        self.standardize = nn.BatchNorm1d(taught, affine=False)

    def forward(self, features: Tensor, target: Tensor) -> Tensor:
        """Return the mean squared distance between mapped and standardised features.

        Args:
            features: (N, width), of the student.
            target: (N, taught), of the teacher.

        Returns:
            A scalar.
        """
        return F.mse_loss(self.linear(features.float()), self.standardize(target))
