"""Teachers: networks whose answers and features another network learns."""

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
    """Keeps what a network's head takes of the last batch.

    Args:
        network: with a linear head.

    Attributes:
        latest: (N, K), of the last forward pass, with its graph.
    """

    def __init__(self, network: nn.Module) -> None:
        self.latest = torch.empty(0)
        self._handle = last_linear(network).register_forward_pre_hook(self._keep)

    def _keep(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.latest = inputs[0]

    def remove(self) -> None:
        """Take the hook off the network."""
        self._handle.remove()


class Teachers:
    """Several trained networks that answer together.

    Args:
        paths: files that `train` wrote.
        class_names: the classes that all of them must know, in this order.
        device: where they run.

    Raises:
        CheckpointError: a file cannot be read.
        ValueError: a teacher of other classes.
    """

    def __init__(
        self, paths: Sequence[Path], class_names: Sequence[str], device: torch.device
    ) -> None:
        self._members: list[tuple[nn.Module, Preprocessing]] = []
        for path in paths:
            network, checkpoint = load_teacher(path)
            if checkpoint.class_names != tuple(class_names):
                raise ValueError(
                    f"{path} teaches {', '.join(checkpoint.class_names)}, the folders show "
                    f"{', '.join(class_names)}"
                )
            self._members.append((network.to(device), checkpoint.preprocessing))
        self._features = PooledFeatures(self._members[0][0])
        self.width = last_linear(self._members[0][0]).in_features

    @torch.no_grad()
    def answer(self, images: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        """Answer about images, each teacher at its own size.

        Args:
            images: grey (N, 1, H, W) in [0, 1].
            temperature: what the logits are divided by.

        Returns:
            The mean probabilities (N, C), and the first teacher's features (N, K).
        """
        answers = []
        for network, preprocessing in self._members:
            side = preprocessing.size
            sized = images if images.shape[-1] == side else resize(images, (side, side))
            logits = network(preprocessing.normalize(sized)).float()
            answers.append((logits / temperature).softmax(dim=1))
        return torch.stack(answers).mean(dim=0), self._features.latest.float()


class FeatureMap(nn.Module):
    """A linear map from a student's features to a teacher's, thrown away after the training.

    The teacher's features are standardised by running statistics, so that none outweighs another.

    Args:
        width: K of the student.
        taught: K of the teacher.
    """

    def __init__(self, width: int, taught: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, taught)
        self.standardize = nn.BatchNorm1d(taught, affine=False)

    def forward(self, features: Tensor, target: Tensor) -> Tensor:
        """Return the mean squared distance of mapped features (N, K) from standardised targets."""
        return F.mse_loss(self.linear(features.float()), self.standardize(target))
