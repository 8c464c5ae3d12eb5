"""A recorded forward pass: maps for any class and method, without running the network again.

A forward pass keeps the logits, the target layers' activations and the graph between the two. For
another class, gradient method or selection of layers, only the part of the network after the first
of these layers is needed.
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

NOISY_IMAGES = 8
NOISE = 0.15
"""The standard deviation of the noise of Smooth Grad-CAM++, as a share of an image's range.

SmoothGrad (Smilkov et al., 2017) found 0.1 to 0.2 best."""


class MapOptions(TypedDict, total=False):
    """Options of a map, apart from class and method.

    Attributes:
        layers: the names of the layers to map; None for all recorded layers.
        contrast_idx: index of another class: explain why the class rather than this one.
        against: explain the evidence against the class.
        fusion: how several layers' maps become one, "mean", "max" or "product"; ignored for a
            method with a fusion of its own, such as RefineCAM.
        size: (H, W) of the maps in pixels; None for that of the input.
    """

    layers: Sequence[str] | None
    contrast_idx: ClassIdx
    against: bool
    fusion: Fusion
    size: tuple[int, int] | None


class ForwardPass(ABC):
    """A batch of images with a network's recorded forward pass.

    A subclass offers primitives: `activations`, `gradients` and `second_order` of layers, the
    network's `full_gradients`, `forward` and `logits_without`, and a `record` of other images. This
    class makes maps from the results of these primitives.

    Attributes:
        x: the batch, preprocessed for the network, (N, C, H, W).
        logits: (N, C), without a graph.
        features: (N, K), the input of the network's head; None if it is not known.
        layers: the names of the recorded layers, in the order of the request.
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
    def second_order(
        self, weights: Tensor, layers: Sequence[str]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Differentiate the logits' weighted sum, plus that of their log-softmax, twice.

        For one class that is the utility "ReST" of ShapleyCAM.

        Returns:
            At each layer the gradients (N, K, h, w), and the Hessian (of this layer alone) times
            the layer's activations, (N, K, h, w).
        """

    @abstractmethod
    def full_gradients(self, weights: Tensor) -> list[Tensor]:
        """Return the contributions of the image and of the biases to the logits' weighted sum.

        Returns:
            Tensors (N, K, h, w): the image times its gradient, then for each convolution and
            BatchNorm that has a bias the bias times the gradient at its output.
        """

    @abstractmethod
    def record(self, x: Tensor) -> ForwardPass:
        """Record other images (N, C, H, W) at the same layers."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, C) of other images (B, C, H, W)."""

    @abstractmethod
    def logits_without(self, layer: str, sample: int, channels: Tensor) -> Tensor:
        """Return a sample's logits (B, C), each with one of a layer's channels set to zero."""

    def release(self) -> None:  # noqa: B027 - most passes keep no such memory
        """Free the memory that only makes the next map quicker."""

    def maps(
        self,
        class_idx: ClassIdx = None,
        method: str = "gradcam",
        *,
        progress: Progress | None = None,
        **options: Unpack[MapOptions],
    ) -> tuple[Tensor, Tensor]:
        """Return heat maps of the places that the score of a class depends on.

        Args:
            class_idx: the class explained: None for each sample's predicted class, one index for
                all samples, or one per sample.
            method: a name of `METHODS`.
            progress: called after each batch of channels by Score-CAM and Ablation-CAM.
            options: the options of `MapOptions`.

        Returns:
            Heat maps (N, H, W), float32 in [0, 1], and peaks (N,), their maxima before scaling.

        Raises:
            ValueError: there is no such class, method, layer or fusion.
        """
        fusion = find_method(method).fusion or options.get("fusion", "mean")
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
        """Return the maps of each layer before any scaling.

        Args:
            weights: (N, C), each logit's weight in the explained score.
            method: a name of `METHODS`.
            layers: names among `self.layers`.
            progress: called after each batch of channels by Score-CAM and Ablation-CAM.

        Returns:
            For each layer maps (N, h, w), float32, at least 0.

        Raises:
            ValueError: there is no such method or layer.
        """
        found = find_method(method)
        self._check_layers(layers)
        if found.kind == "perturbation":
            return self._perturbation_maps(found, weights, layers, progress)
        if found.kind == "full gradient":  # uses all layers, whichever were named
            size = self.x.shape[-2], self.x.shape[-1]
            return [found.compute(self.full_gradients(weights), size)]
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
        """Return more exact maps if the precision of the pass is not enough; here it is enough.

        Args:
            maps: for each layer, (N, h, w), before any scaling.
            captured: for each layer the activations (N, K, h, w) and, if the method uses gradients,
                the gradients (N, K, h, w).
            method: a name of `METHODS`.
            weights: (N, C), what each logit counts in the explained score.
            layers: names among `self.layers`.
        """
        return maps

    def _captured(
        self, method: Method, weights: Tensor, layers: Sequence[str]
    ) -> list[tuple[Tensor, ...]]:
        activations = [self.activations(layer) for layer in layers]
        if method.kind == "activation":
            return [(each,) for each in activations]
        if method.kind == "noise":
            return list(zip(activations, self._noisy_gradients(weights, layers), strict=True))
        if method.kind == "second order":
            return list(zip(activations, *self.second_order(weights, layers), strict=True))
        return list(zip(activations, self.gradients(weights, layers), strict=True))

    def _noisy_gradients(self, weights: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """Return at each layer the gradients (`NOISY_IMAGES`, N, K, h, w) of noisy images."""
        generator = torch.Generator().manual_seed(0)  # the same map for the same image
        low, high = (self.x.amin(dim=(1, 2, 3)), self.x.amax(dim=(1, 2, 3)))
        spread = (NOISE * (high - low))[:, None, None, None]
        found = []
        for _ in range(NOISY_IMAGES):
            noise = torch.randn(self.x.shape[1:], generator=generator).to(self.x)
            found.append(self.record(self.x + spread * noise).gradients(weights, layers))
        return [torch.stack(each) for each in zip(*found, strict=True)]

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
        """Make the map of each layer and sample separately; report progress over all channels."""
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
