"""A recorded forward pass: answers to any question about a batch, without running it again.

One forward pass leaves the logits, the target layers' activations and the way back from the one to
the other. Another class, another gradient method or another choice among the layers then costs the
tail of the network alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypedDict, Unpack

import torch
from torch import Tensor

from cxr_gradcam.cam.maps import Fusion, check_fusion, fuse
from cxr_gradcam.cam.methods import Method, find_method
from cxr_gradcam.cam.perturbation_methods import Progress, ScoredSample
from cxr_gradcam.cam.targets import ClassIdx, target_weights


class MapOptions(TypedDict, total=False):
    """What may be asked of a map beside class and method.

    Attributes:
        layers: names among the pass's layers; None for all of them.
        contrast_idx: explain the class rather than this one.
        against: explain what speaks against the class.
        fusion: how several layers' maps become one, "mean" or "max".
        size: (H, W) of the maps in pixels; None for that of the input.
    """

    layers: Sequence[str] | None
    contrast_idx: ClassIdx
    against: bool
    fusion: Fusion
    size: tuple[int, int] | None


class ForwardPass(ABC):
    """A batch as a network has seen it.

    A subclass offers four primitives: `activations`, `gradients`, `forward` and `logits_without`.
    Maps are made of these here.

    Attributes:
        x: the batch as the network took it, (N, C, H, W).
        logits: (N, C), without a graph.
        features: (N, K), what the network's head takes; None where it is not known.
        layers: the names of the layers that a map can be taken at, in the order asked for.
    """

    x: Tensor
    logits: Tensor
    features: Tensor | None = None
    layers: tuple[str, ...]

    @abstractmethod
    def activations(self, layer: str) -> Tensor:
        """Return a layer's activations (N, K, h, w)."""

    @abstractmethod
    def gradients(self, weights: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """Return the gradients (N, K, h, w) of the logits' weighted sum at each layer."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, C) of other images (B, C, H, W)."""

    @abstractmethod
    def logits_without(self, layer: str, sample: int, channels: Tensor) -> Tensor:
        """Return the logits (B, C) of a sample with one channel of a layer set to zero each."""

    def release(self) -> None:  # noqa: B027 - most passes keep no more than they must
        """Let go of what only makes the next question quicker."""

    def maps(
        self,
        class_idx: ClassIdx = None,
        method: str = "gradcam",
        *,
        progress: Progress | None = None,
        **options: Unpack[MapOptions],
    ) -> tuple[Tensor, Tensor]:
        """Map where the score of a class comes from.

        Args:
            class_idx: the class explained: None for each sample's predicted class, one index for
                all samples, or one per sample.
            method: a name of `METHODS`.
            progress: called while Score-CAM and Ablation-CAM are at work.
            options: of `MapOptions`.

        Returns:
            Heat maps (N, H, W), float32 in [0, 1], and peaks (N,), their maxima before scaling.

        Raises:
            ValueError: no such class, method, layer or fusion.
        """
        fusion = options.get("fusion", "mean")
        check_fusion(fusion)
        weights = target_weights(
            self.logits,
            class_idx,
            options.get("contrast_idx"),
            against=options.get("against", False),
        )
        layers = options.get("layers")
        maps = self.raw_maps(weights, method, self.layers if layers is None else layers, progress)
        size = options.get("size") or (self.x.shape[-2], self.x.shape[-1])
        return fuse(maps, size, fusion)

    def raw_maps(
        self,
        weights: Tensor,
        method: str,
        layers: Sequence[str],
        progress: Progress | None = None,
    ) -> list[Tensor]:
        """Return each layer's maps (N, h, w) before any scaling, for the logits' weights (N, C).

        Raises:
            ValueError: no such method or layer.
        """
        found = find_method(method)
        self._check_layers(layers)
        if found.kind == "perturbation":
            return self._perturbation_maps(found, weights, layers, progress)
        captured = self._captured(found, weights, layers)
        maps = [found.compute(*each) for each in captured]
        return self.refine(maps, captured, method, weights, layers)

    def refine(
        self,
        maps: list[Tensor],
        captured: Sequence[tuple[Tensor, ...]],  # noqa: ARG002 - for subclasses
        method: str,  # noqa: ARG002
        weights: Tensor,  # noqa: ARG002
        layers: Sequence[str],  # noqa: ARG002
    ) -> list[Tensor]:
        """Return better maps where the precision of the pass was not enough; here it always is.

        Args:
            maps: of each layer, (N, h, w), as `raw_maps` made them.
            captured: what they were made of, per layer: activations and, where the method takes
                them, gradients, each (N, K, h, w).
            method: a name of `METHODS`.
            weights: of the logits, (N, C).
            layers: names among `self.layers`.
        """
        return maps

    def _captured(
        self, method: Method, weights: Tensor, layers: Sequence[str]
    ) -> list[tuple[Tensor, ...]]:
        activations = [self.activations(layer) for layer in layers]
        if method.kind == "activation":
            return [(each,) for each in activations]
        return list(zip(activations, self.gradients(weights, layers), strict=True))

    def _check_layers(self, layers: Sequence[str]) -> None:
        for layer in layers:
            if layer not in self.layers:
                raise ValueError(
                    f"layer {layer!r} was not recorded: choose from {', '.join(self.layers)}"
                )
        if not layers:
            raise ValueError("no target layer is named: name one or several")

    def _perturbation_maps(
        self, method: Method, weights: Tensor, layers: Sequence[str], progress: Progress | None
    ) -> list[Tensor]:
        """Make the map of each layer and sample on its own, and count the channels of all."""
        counts = [self.activations(layer).shape[1] for layer in layers]
        total, done = len(self.x) * sum(counts), 0
        maps = []
        for layer, count in zip(layers, counts, strict=True):
            of_layer = []
            for sample in range(len(self.x)):
                scored = self._scored(layer, sample, weights[sample].float())
                of_layer.append(method.compute(scored, _as_part(progress, done, total)))
                done += count
            maps.append(torch.stack(of_layer))
        return maps

    def _scored(self, layer: str, sample: int, weights: Tensor) -> ScoredSample:
        return ScoredSample(
            self.activations(layer)[sample],
            self.x[sample],
            self.logits[sample].float() @ weights,
            lambda images: self.forward(images).float() @ weights,
            lambda channels: self.logits_without(layer, sample, channels).float() @ weights,
        )


def _as_part(progress: Progress | None, done: int, total: int) -> Progress | None:
    """Report the progress of one sample as that of all: `done` channels came before it."""
    if progress is None:
        return None
    return lambda channels, _of: progress(done + channels, total)
