"""A forward pass whose network and gradients are run by a compiled graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torchvision.models import ResNet

from cxr_gradcam.cam.eval_mode import evaluating
from cxr_gradcam.cam.hooks import zero_channel
from cxr_gradcam.cam.outputs import as_two_classes
from cxr_gradcam.models.graph.compiled import FULL, CompiledResNet
from cxr_gradcam.models.graph.resnet import LAYERS, last_norm, layers_behind
from cxr_gradcam.models.split_pass import RoundedForwardPass

FEW_CLASSES = 4
"""For a single image, the gradients of up to this number of classes are computed at once, since a
reader often selects the other class next."""


class GraphForwardPass(RoundedForwardPass):
    """A forward pass of a batch through a compiled graph.

    Args:
        network: the network that the graph was made from; used for Ablation-CAM and full precision.
        graph: the graph, compiled for all the layers.
        layers: {name: path in the network}; the paths are stages of the graph.
        x: normalised images (N, C, H, W), float32 on the CPU.
        two_classes: turn the network's single logit into two, for absence and presence.
    """

    def __init__(
        self,
        network: ResNet,
        graph: CompiledResNet,
        layers: Mapping[str, str],
        x: Tensor,
        *,
        two_classes: bool = False,
    ) -> None:
        super().__init__(network, layers, x, graph.precision == FULL, two_classes=two_classes)
        self._graph = graph
        self._of_each_class: dict[str, Tensor] = {}
        with torch.inference_mode(mode=False), torch.no_grad():
            self._seen = graph.forward(x, graph.outputs_for(layers.values()))
            self.features = self._seen["features"]
            self.logits = self._logits(self.features)

    def _logits(self, features: Tensor) -> Tensor:
        logits = self._graph.logits(features)
        return as_two_classes(logits) if self.two_classes else logits

    def activations(self, layer: str) -> Tensor:
        """Return a layer's activations (N, K, h, w)."""
        return self._seen[self.paths[layer]]

    def gradients(self, weights: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """Run the graph backward from the head to the first of the layers."""
        paths = [self.paths[layer] for layer in layers]
        with torch.inference_mode(mode=False), torch.no_grad():
            if self.two_classes:
                weights = (weights[:, 1:] - weights[:, :1]) / 2
            found: dict[str, Tensor] = {}
            if len(self.x) > 1 or self._graph.num_classes > FEW_CLASSES:
                self._go_back(weights.float(), paths, found)
                return [found[path] for path in paths]
            found |= self._of_each_class  # another thread may release them at the same time
            self._go_back(torch.eye(self._graph.num_classes), paths, found)
            self._of_each_class = found
            each = [found[path] for path in paths]
            return [torch.einsum("nc,ckhw->nkhw", weights.float(), every) for every in each]

    def _go_back(self, weights: Tensor, paths: Sequence[str], found: dict[str, Tensor]) -> None:
        """Add to `found` the gradients (Q, K, h, w) that it lacks, for the logits' weights (Q, C).

        Q is N, or any number where N is 1.
        """
        graph, seen = self._graph, self._seen
        *_, last, top = graph.stages
        mask = seen[graph.last_block]
        gradient = graph.feature_gradients(weights)[:, :, None, None] / mask[0, 0].numel()
        if top in paths and top not in found:
            found[top] = gradient.expand(-1, -1, *mask.shape[2:])
        if last in paths and last not in found:
            found[last] = graph.at_last_convolution(gradient, mask)
        for layer, stage in layers_behind(graph.first_of(paths)):
            if stage not in found:
                height, width = seen[stage].shape[2:]
                found[stage] = graph.backward(layer, gradient, seen, (height, width))
            gradient = found[stage]

    def release(self) -> None:
        """Drop the gradients: they take as much memory as activations, and are quickly remade."""
        super().release()
        self._of_each_class = {}

    def record(self, x: Tensor) -> GraphForwardPass:
        """Record other images at the same layers."""
        return GraphForwardPass(
            self.network, self._graph, self.paths, x, two_classes=self.two_classes
        )

    def forward(self, x: Tensor) -> Tensor:
        """Run the graph on other images."""
        return self._logits(self._graph.forward(x, ["features"])["features"])

    def logits_without(self, layer: str, sample: int, channels: Tensor) -> Tensor:
        """Run the layers after this layer once per channel."""
        path, network = self.paths[layer], self.network
        output = self._seen[path][sample].expand(len(channels), -1, -1, -1)
        with torch.no_grad(), evaluating(network):
            x = zero_channel(output, channels, channels_last=False)
            if path in LAYERS:
                for name in LAYERS[LAYERS.index(path) + 1 :]:
                    x = getattr(network, name)(x)
            else:
                x = (last_norm(network)(x) + self._seen["shortcut"][sample]).relu()
            return self._logits(x.mean(dim=(2, 3)))
