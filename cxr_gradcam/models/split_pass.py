"""A forward pass of ResNet50 in stages: a fast trunk once, then the tail from any layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torchvision.models import ResNet

from cxr_gradcam.cam.eval_mode import evaluating
from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.cam.hooked_pass import HookedForwardPass
from cxr_gradcam.cam.hooks import score_gradients, zero_channel
from cxr_gradcam.cam.methods import METHODS, QUICK_METHODS, Method
from cxr_gradcam.cam.outputs import OutputFormat
from cxr_gradcam.cam.pattern_methods import strongest_pattern
from cxr_gradcam.models.stages import (
    CONV3,
    LAYER2,
    LAYER3,
    SHORTCUT,
    STAGES,
    RunTrunk,
    head,
    last_convolution,
)

WEAK = 0.4
"""A map whose peak is below this share of the opposite question's is a small difference of large
numbers, so the trunk's rounding may affect it."""

BALANCED = 0.03
"""A pattern whose sum is below this share of its magnitudes' sum is about as much negative as
positive: the trunk's rounding, which changes that share by up to 0.017, may flip its sign."""


class RoundedForwardPass(ForwardPass):
    """A pass that may have been run in less than full precision.

    Args:
        network: the network that was run; its weights must not change while this object is used.
        layers: {name: path in the network}.
        x: images (N, C, H, W).
        is_exact: whether the pass was run in full precision, so that no map is recomputed.
        two_classes: turn a single logit into two, for absence and presence.
    """

    def __init__(
        self,
        network: ResNet,
        layers: Mapping[str, str],
        x: Tensor,
        is_exact: bool = False,
        *,
        two_classes: bool = False,
    ) -> None:
        self.x, self.layers = x.detach(), tuple(layers)
        self.network, self.paths, self.two_classes = network, dict(layers), two_classes
        self._is_exact = is_exact
        self._exact: tuple[int, HookedForwardPass] | None = None

    def release(self) -> None:
        """Free the pass in full precision: it takes six times the memory of all else here."""
        self._exact = None

    def refine(
        self,
        maps: list[Tensor],
        captured: Sequence[tuple[Tensor, ...]],
        method: str,
        weights: Tensor,
        layers: Sequence[str],
    ) -> list[Tensor]:
        """Recompute maps that the trunk's rounding affects, in full precision."""
        if self._is_exact or method not in QUICK_METHODS:
            return maps
        rounded = torch.zeros(len(self.x), dtype=torch.bool, device=self.x.device)
        for each, made_of in zip(maps, captured, strict=True):
            rounded |= _shows_rounding(METHODS[method], each, *made_of)
        for sample in rounded.nonzero()[:, 0].tolist():
            exact = self._in_full_precision(sample)
            again = exact.raw_maps(weights[sample : sample + 1], method, layers)
            for each, better in zip(maps, again, strict=True):
                each[sample] = better[0]
        return maps

    def _in_full_precision(self, sample: int) -> HookedForwardPass:
        """Record a sample in full precision; the last one is kept for the next question."""
        if self._exact is not None and self._exact[0] == sample:
            return self._exact[1]
        exact = self._reference(self.x[sample : sample + 1])
        self._exact = sample, exact
        return exact

    def _reference(self, x: Tensor) -> HookedForwardPass:
        """Run the network itself on images, in full precision and with a graph."""
        found = {name: self.network.get_submodule(path) for name, path in self.paths.items()}
        read = OutputFormat(two_classes=self.two_classes)
        return HookedForwardPass(self.network, found, x, output=read)

    def second_order(
        self, weights: Tensor, layers: Sequence[str]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Differentiate the network itself, twice."""
        return self._reference(self.x).second_order(weights, layers)

    def full_gradients(self, weights: Tensor) -> list[Tensor]:
        """Differentiate the network itself."""
        return self._reference(self.x).full_gradients(weights)


class SplitForwardPass(RoundedForwardPass):
    """The outputs of a trunk for a batch, and the network whose tail continues from them.

    Args:
        network: the network that runs the tail; its weights must not change while this object is
            used.
        run_trunk: returns the outputs of `STAGES` and the last block's shortcut.
        layers: names among `STAGES`.
        x: images (N, 3, H, W).
    """

    def __init__(
        self, network: ResNet, run_trunk: RunTrunk, layers: Sequence[str], x: Tensor
    ) -> None:
        super().__init__(network, {name: name.removeprefix("resnet50.") for name in layers}, x)
        self._run_trunk = run_trunk
        self._asked = tuple(layers)
        with torch.inference_mode(mode=False), torch.no_grad():
            self._outputs = run_trunk(x, layers)
            # Most questions are about the last convolution, so the graph of its tail is kept.
            with torch.enable_grad():
                leaf = self._outputs[CONV3].requires_grad_()
                features, logits, outputs = self._tail(CONV3, leaf, self._outputs[SHORTCUT])
        self._head = logits, outputs
        self.features, self.logits = features.detach(), logits.detach()

    def activations(self, layer: str) -> Tensor:
        """Return a stage's output (N, K, h, w)."""
        return self._outputs[layer].detach()

    def gradients(self, weights: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """Differentiate the tail from the first of the layers; run it again if it was not kept."""
        first = min(layers, key=STAGES.index)
        with torch.inference_mode(mode=False), torch.enable_grad():
            logits, outputs = self._head
            if first != CONV3:
                leaf = self._outputs[first].detach().requires_grad_()
                _, logits, outputs = self._tail(first, leaf, self._outputs[SHORTCUT])
            asked = [outputs[layer] for layer in layers]
            return score_gradients(logits, weights, asked, retain_graph=True)

    def record(self, x: Tensor) -> SplitForwardPass:
        """Record other images at the same layers."""
        return SplitForwardPass(self.network, self._run_trunk, self._asked, x)

    def forward(self, x: Tensor) -> Tensor:
        """Run trunk and tail on other images."""
        outputs = self._run_trunk(x, ())
        with torch.no_grad():
            return self._tail(CONV3, outputs[CONV3], outputs[SHORTCUT])[1]

    def logits_without(self, layer: str, sample: int, channels: Tensor) -> Tensor:
        """Run only the tail after the layer, once per channel."""
        output = self._outputs[layer][sample].expand(len(channels), -1, -1, -1)
        with torch.no_grad():
            zeroed = zero_channel(output, channels, channels_last=False)
            return self._tail(layer, zeroed, self._outputs[SHORTCUT][sample])[1]

    def _tail(
        self, first: str, output: Tensor, shortcut: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Run from a stage's output to features and logits; return the stages in between, too."""
        outputs = {first: output}
        with evaluating(self.network):
            if first == LAYER2:
                outputs[LAYER3] = self.network.layer3(output)
            if first != CONV3:
                outputs[CONV3], shortcut = last_convolution(self.network, outputs[LAYER3])
            return *head(self.network, outputs[CONV3], shortcut), outputs


def _shows_rounding(
    method: Method, maps: Tensor, activations: Tensor, gradients: Tensor | None = None
) -> Tensor:
    """Return which maps (N, h, w) the trunk's rounding may affect: bool (N,)."""
    if gradients is None:
        pattern = strongest_pattern(activations).flatten(1)
        return pattern.sum(dim=1).abs() < BALANCED * pattern.abs().sum(dim=1)
    opposite: Tensor = method.compute(activations, -gradients)
    return maps.amax(dim=(1, 2)) < WEAK * opposite.amax(dim=(1, 2))
