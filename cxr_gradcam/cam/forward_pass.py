"""What a network has seen of a batch: answers to any question about it, without a second look.

One forward pass leaves the logits, the target layers' activations and the way back from the one to
the other. Another class, another gradient method or another choice among the layers then costs the
tail of the network alone (and a second look in full precision where a fast trunk's map is weak).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from cxr_gradcam.cam.gradient_methods import (
    GRADIENT_METHODS,
    Fusion,
    GradientMethod,
    fuse,
    strongest_pattern,
)
from cxr_gradcam.cam.hooks import Capture, capturing, evaluating, hooked, score_gradients
from cxr_gradcam.cam.layers import Grid
from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.cam.perturbation_methods import Progress, ablationcam, scorecam
from cxr_gradcam.cam.targets import ClassIdx, target_weights


class ForwardPass(ABC):
    """A batch as a network has seen it.

    Attributes:
        x: the batch as the network took it, (N, C, H, W).
        logits: (N, C), without a graph.
        features: (N, K), what the network's head makes them of; None where it is not known.
        layers: the names of the layers that a map can be taken at, in the order asked for.
    """

    x: Tensor
    logits: Tensor
    features: Tensor | None
    layers: tuple[str, ...]

    @abstractmethod
    def activations(self, layer: str) -> Tensor:
        """Give a layer's activations (N, K, h, w)."""

    @abstractmethod
    def gradients(self, weights: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """Give the gradients (N, K, h, w) of the logits' weighted sum at each layer."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Give the logits (B, C) of other images (B, C, H, W)."""

    @abstractmethod
    def logits_without(self, layer: str, sample: int, channels: Tensor) -> Tensor:
        """Give the logits (B, C) of a sample with one channel of a layer set to zero each (B,)."""

    def maps(
        self,
        class_idx: ClassIdx = None,
        method: str = "gradcam",
        *,
        layers: Sequence[str] | None = None,
        contrast_idx: ClassIdx = None,
        against: bool = False,
        fusion: Fusion = "mean",
        size: tuple[int, int] | None = None,
        progress: Progress | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Map where the score of a class comes from.

        Args:
            class_idx: the class explained: None for each sample's predicted class, one index for
                all samples, or one per sample.
            method: a name of `METHODS`.
            layers: names among `self.layers`; None for all of them.
            contrast_idx: explain the class rather than this one.
            against: explain what speaks against the class.
            fusion: how several layers' maps become one, "mean" or "max".
            size: (H, W) of the maps in pixels; None for that of the input.
            progress: called while Score-CAM and Ablation-CAM are at work.

        Returns:
            Heat maps (N, H, W), float32 in [0, 1], and peaks (N,), their maxima before scaling.

        Raises:
            ValueError: no such class, method, layer or fusion.
        """
        maps = self.raw_maps(
            target_weights(self.logits, class_idx, contrast_idx, against=against),
            method,
            self.layers if layers is None else layers,
            progress,
        )
        return fuse(maps, size or (self.x.shape[-2], self.x.shape[-1]), fusion)

    def raw_maps(
        self,
        weights: Tensor,
        method: str,
        layers: Sequence[str],
        progress: Progress | None = None,
    ) -> list[Tensor]:
        """Give each layer's maps (N, h, w) as they are, for the logits' weights (N, C).

        Raises:
            ValueError: no such method or layer.
        """
        self._check(method, layers)
        if method in GRADIENT_METHODS:
            return self._from_gradients(GRADIENT_METHODS[method], weights, layers)
        if method == "eigencam":
            return [pattern.relu() for pattern in self._strongest_patterns(layers)]
        perturb = self._scorecam if method == "scorecam" else self._ablationcam
        return self._one_by_one(perturb, weights, layers, progress)

    def _from_gradients(
        self, compute: GradientMethod, weights: Tensor, layers: Sequence[str]
    ) -> list[Tensor]:
        gradients = self.gradients(weights, layers)
        return [
            compute(self.activations(layer), gradient)
            for layer, gradient in zip(layers, gradients, strict=True)
        ]

    def _strongest_patterns(self, layers: Sequence[str]) -> list[Tensor]:
        return [strongest_pattern(self.activations(layer)) for layer in layers]

    def _check(self, method: str, layers: Sequence[str]) -> None:
        if method not in METHODS:
            raise ValueError(f"no method {method!r}: choose from {', '.join(METHODS)}")
        for layer in layers:
            if layer not in self.layers:
                raise ValueError(
                    f"layer {layer!r} was not looked at: choose from {', '.join(self.layers)}"
                )
        if not layers:
            raise ValueError("no target layer is named: name one or several")

    def _one_by_one(
        self,
        perturb: Callable[[str, int, Tensor, Progress], Tensor],
        weights: Tensor,
        layers: Sequence[str],
        progress: Progress | None,
    ) -> list[Tensor]:
        """Make the map of each layer and sample on its own, and count the channels of all."""
        samples = range(len(self.x))
        counts = [self.activations(layer).shape[1] for layer in layers]
        total, done = len(samples) * sum(counts), 0
        maps = []
        for layer, count in zip(layers, counts, strict=True):
            of_layer = []
            for sample in samples:
                start = done

                def report(channels: int, _of: int, start: int = start) -> None:
                    if progress is not None:
                        progress(start + channels, total)

                of_layer.append(perturb(layer, sample, weights[sample], report))
                done += count
            maps.append(torch.stack(of_layer))
        return maps

    def _scorecam(self, layer: str, sample: int, weights: Tensor, progress: Progress) -> Tensor:
        def score(images: Tensor) -> Tensor:
            return self.forward(images).float() @ weights.float()

        return scorecam(self.activations(layer)[sample], self.x[sample], score, progress)

    def _ablationcam(self, layer: str, sample: int, weights: Tensor, progress: Progress) -> Tensor:
        def score_without(channels: Tensor) -> Tensor:
            return self.logits_without(layer, sample, channels).float() @ weights.float()

        activations = self.activations(layer)[sample]
        score = self.logits[sample].float() @ weights.float()
        return ablationcam(activations, score, score_without, progress)


class HookedForwardPass(ForwardPass):
    """A forward pass of any classifier, its layers captured by hooks that do not outlive it.

    The tail's graph lives as long as this object.

    Args:
        model: gives logits (N, C); it is run in eval mode.
        layers: the target layers by name.
        x: images (N, C, H, W).
        logits_layer: the layer that gives the logits; None for the model itself.

    Raises:
        ValueError: a layer that is not reached, does not lead to the scores or has no places.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Mapping[str, nn.Module],
        x: Tensor,
        logits_layer: nn.Module | None = None,
    ) -> None:
        self.x, self.layers = x.detach(), tuple(layers)
        self._model, self._modules, self._logits_layer = model, dict(layers), logits_layer
        self._scores, capture = self._capture(x, torch.no_grad())
        if not self._scores.requires_grad:  # a no_grad of the model's own ended behind the layers
            self._scores, capture = self._capture(x, torch.enable_grad())
        for name in layers:
            if name not in capture.outputs:
                raise ValueError(f"layer {name!r} takes no part in the network's forward pass")
        self._outputs, self.features = capture.outputs, capture.features
        self._grids = {name: self._grid(name) for name in layers}
        self.logits = self._scores.detach()

    def _capture(self, x: Tensor, mode: AbstractContextManager[object]) -> tuple[Tensor, Capture]:
        with mode, capturing(self._modules, self._logits_layer) as capture:
            return self._run(x, capture), capture

    def activations(self, layer: str) -> Tensor:
        """Give a layer's activations (N, K, h, w)."""
        return self._grids[layer].arrange(self._outputs[layer].detach())

    def gradients(self, weights: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """Differentiate through the kept graph."""
        outputs = [self._outputs[layer] for layer in layers]
        gradients = score_gradients(self._scores, weights, outputs, retain_graph=True)
        grids = (self._grids[layer] for layer in layers)
        return [grid.arrange(each) for grid, each in zip(grids, gradients, strict=True)]

    def forward(self, x: Tensor) -> Tensor:
        """Run the network on other images."""
        with torch.no_grad(), capturing({}, self._logits_layer) as capture:
            return self._run(x, capture)

    def logits_without(self, layer: str, sample: int, channels: Tensor) -> Tensor:
        """Run the network on the sample once per channel."""
        x = self.x[sample].expand(len(channels), *self.x.shape[1:])
        zeroed = {self._modules[layer]: (channels, self._grids[layer].channels_last)}
        with torch.no_grad(), capturing({}, self._logits_layer, zeroed) as capture:
            return self._run(x, capture)

    def _run(self, x: Tensor, capture: Capture) -> Tensor:
        layers = [*self._modules.values(), *filter(None, [self._logits_layer])]
        with evaluating(self._model), hooked(layers):
            output = self._model(x)
        return output if capture.logits is None else capture.logits

    def _grid(self, name: str) -> Grid:
        output = self._outputs[name]
        grid = Grid.of(output, (self.x.shape[-2], self.x.shape[-1]))
        if grid is None:
            raise ValueError(
                f"the output {tuple(output.shape)} of layer {name!r} has no places for the image "
                f"{tuple(self.x.shape)}: choose a layer in front of the pooling"
            )
        return grid
