"""Compare maps with those of pytorch-grad-cam and torchcam on twelve architectures of torchvision.

python -m tests.campaigns.peers [NAME ...]

Random weights, the layer that `CAM` finds, two images and a class of each; the correlation of the
maps on the images' grid must be at least 0.999. All twelve have activations of one sign at their
layer. Where activations have both signs, XGrad-CAM differs on purpose (docs/methods.md).
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytorch_grad_cam as peer
import torch
import torchvision
from numpy.typing import NDArray
from pytorch_grad_cam.utils.model_targets import ClassifierOutputReST, ClassifierOutputTarget
from torch import Tensor, nn

from cxr_gradcam import CAM
from cxr_gradcam.cam.maps import upsample
from cxr_gradcam.models.preprocessing import Preprocessing

ARCHITECTURES = (
    *("alexnet", "vgg11", "vgg16_bn", "resnet18", "resnet50", "resnext50_32x4d"),
    *("wide_resnet50_2", "googlenet", "mobilenet_v2", "mnasnet1_0", "shufflenet_v2_x1_0"),
    "regnet_x_400mf",
)
METHODS = {
    "gradcam": peer.GradCAM,
    "hirescam": peer.HiResCAM,
    "xgradcam": peer.XGradCAM,
    "layercam": peer.LayerCAM,
    "elementwise": peer.GradCAMElementWise,
    "segeigencam": peer.SegEigenCAM,
    "shapleycam": peer.ShapleyCAM,
}
LEAST = 0.999
"""The correlation that two maps must have."""


@dataclass(frozen=True)
class Comparison:
    """How alike the maps of one method on one architecture are.

    Attributes:
        architecture: of torchvision.
        layer: where the maps were taken.
        method: a name of `METHODS`.
        correlations: of the images' maps with the peer's, in [-1, 1].
    """

    architecture: str
    layer: str
    method: str
    correlations: tuple[float, ...]

    @property
    def is_equal(self) -> bool:
        """Whether all maps are alike."""
        return min(self.correlations) >= LEAST


def compare(architecture: str, size: int = 224) -> Iterator[Comparison]:
    """Yield how alike the maps of each method are.

    Args:
        architecture: a name of torchvision.
        size: side of the images in pixels.
    """
    torch.manual_seed(0)
    network = torchvision.models.get_model(architecture, weights=None, num_classes=3)
    network = _lively(network, size)
    cam = CAM(network, preprocessing=Preprocessing(size))
    [(name, layer)] = cam.target_layers.items()
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    classes = [0, 2]
    recorded = cam.record(x)
    for method, kind in METHODS.items():
        ours = recorded.maps(classes, method)[0].numpy()
        target = ClassifierOutputReST if method == "shapleycam" else ClassifierOutputTarget
        targets = [target(index) for index in classes]
        other = kind(network, [layer])
        theirs = other(x.clone(), targets)
        # Its own end fails if gradients are views
        for handle in other.activations_and_grads.handles:
            handle.remove()
        pairs = zip(ours, theirs, strict=True)
        yield Comparison(architecture, name, method, tuple(_correlation(*pair) for pair in pairs))


def compare_with_torchcam(network: nn.Module, layer: str, x: Tensor) -> Iterator[Comparison]:
    """Yield how alike our maps and torchcam's are where both follow the papers.

    Score-CAM agrees where a layer is as large as the image.

    Args:
        network: ends in a global average of the layer and one linear layer.
        layer: its name.
        x: images as the network takes them.
    """
    from torchcam import methods as torchcam

    kinds = {
        "cam": torchcam.CAM,
        "gradcam": torchcam.GradCAM,
        "xgradcam": torchcam.XGradCAM,
        "layercam": torchcam.LayerCAM,
        "scorecam": torchcam.ScoreCAM,
    }
    classes = [0] * len(x)
    recorded = CAM(network, layer, preprocessing=Preprocessing(x.shape[-1])).record(x)
    for method, kind in kinds.items():
        ours = recorded.maps(classes, method)[0].numpy()
        with kind(network, layer) as other:
            scores = network(x)
            scored = {"scores": scores} if other._score_used else {}
            [theirs] = other(classes, **scored, normalized=False)
        stretched = upsample(theirs.detach().relu(), (x.shape[-2], x.shape[-1]))[0].numpy()
        pairs = zip(ours, stretched, strict=True)
        correlations = tuple(_correlation(*pair) for pair in pairs)
        yield Comparison("torchcam", layer, method, correlations)


def _lively(network: nn.Module, size: int) -> nn.Module:
    """Fit BatchNorm statistics to images, and return the network in eval mode.

    With those of the start activations vanish (1e-8), and the 1e-7 that pytorch-grad-cam adds to
    its divisors decides on its maps.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(2)))
    return network.eval()


def _correlation(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Return the correlation of two maps; two empty ones are alike."""
    if ours.std() == 0 or theirs.std() == 0:
        return float(ours.std() == theirs.std())
    return float(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1])


def comparisons(architectures: Sequence[str]) -> Iterator[Comparison]:
    """Yield the comparisons of several architectures."""
    for name in architectures:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield from compare(name)


def main() -> int:
    """Print a table; the status is 1 if a map is another."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*", default=ARCHITECTURES, metavar="NAME")
    different = 0
    print("| architecture | layer | method | least correlation |\n|---|---|---|---|")
    for each in comparisons(options.parse_args().names):
        least = min(each.correlations)
        print(f"| {each.architecture} | `{each.layer}` | {each.method} | {least:.5f} |", flush=True)
        different += not each.is_equal
    print(f"{different} different", file=sys.stderr)
    return int(different > 0)


if __name__ == "__main__":
    raise SystemExit(main())
