"""The recorded forward pass of any torch classifier; hooks capture its layers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from cxr_gradcam.cam.eval_mode import evaluating
from cxr_gradcam.cam.explainable import require_explainable, require_gradients, why_no_gradients
from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.cam.full_gradient import BiasCapture
from cxr_gradcam.cam.hooks import Capture, capturing, hooked, score_gradients
from cxr_gradcam.cam.layers import Grid, with_merged_places
from cxr_gradcam.cam.outputs import OutputFormat, scores_of


class HookedForwardPass(ForwardPass):
    """A forward pass of any classifier; hooks capture its layers and are then removed.

    The graph after the layers is kept as long as this object.

    Args:
        model: gives logits (N, C); it is run in eval mode.
        layers: the target layers by name.
        x: images (N, C, H, W).
        logits_layer: the layer that gives the logits; None for the model itself.
        output: how the model's output is read.
        calls: which call of each layer is kept, by name, as in `Capture`.

    Raises:
        ValueError: a layer is not run, does not affect the scores or has no places.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Mapping[str, nn.Module],
        x: Tensor,
        logits_layer: nn.Module | None = None,
        *,
        output: OutputFormat | None = None,
        calls: Mapping[str, int] | None = None,
    ) -> None:
        require_explainable(model)
        self.x, self.layers = x.detach(), tuple(layers)
        self._model, self._modules, self._logits_layer = model, dict(layers), logits_layer
        self._format, self._calls = output or OutputFormat(), calls
        self._scores, capture = self._capture(x)
        for name in layers:
            if name not in capture.outputs:
                raise ValueError(
                    f"layer {name!r} takes no part in the network's forward pass: choose another"
                )
        self._outputs, self.features = capture.outputs, capture.features
        self._grids = {name: self._grid(name, capture.places) for name in layers}
        self.logits = self._scores.detach()

    def _capture(self, x: Tensor) -> tuple[Tensor, Capture]:
        scores, capture = self._capture_in(torch.no_grad(), x)
        if scores.requires_grad:
            return scores, capture
        return self._capture_in(torch.enable_grad(), x)  # no_grad ended after the layers

    def _capture_in(
        self, mode: AbstractContextManager[object], x: Tensor
    ) -> tuple[Tensor, Capture]:
        with mode, capturing(self._modules, self._logits_layer, calls=self._calls) as capture:
            return self._run(x, capture), capture

    def activations(self, layer: str) -> Tensor:
        """Return a layer's activations (N, K, h, w)."""
        return self._grids[layer].arrange(self._outputs[layer].detach())

    def gradients(self, weights: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """Differentiate through the kept graph."""
        outputs = [self._outputs[layer] for layer in layers]
        try:
            gradients = score_gradients(self._scores, weights, outputs, retain_graph=True)
        except ValueError as error:
            with evaluating(self._model):
                reason = why_no_gradients(self._model, self.x, layers)
            raise ValueError(reason) from error
        grids = (self._grids[layer] for layer in layers)
        return [grid.arrange(each) for grid, each in zip(grids, gradients, strict=True)]

    def second_order(
        self, weights: Tensor, layers: Sequence[str]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Run the network once more, with attention that can be differentiated twice."""
        from torch.nn.attention import SDPBackend, sdpa_kernel

        with sdpa_kernel(SDPBackend.MATH):
            scores, capture = self._capture(self.x)
        found = []
        with torch.inference_mode(mode=False), torch.enable_grad():
            score = (weights.clone() * (scores + scores.log_softmax(dim=1))).sum()
            for layer in layers:
                output, grid = capture.outputs[layer], self._grids[layer]
                (gradient,) = torch.autograd.grad(score, output, create_graph=True)
                (product,) = torch.autograd.grad(
                    gradient, output, output.detach(), retain_graph=True, materialize_grads=True
                )
                found.append([grid.arrange(each.detach()) for each in (gradient, product)])
        gradients, products = zip(*found, strict=True)
        return list(gradients), list(products)

    def full_gradients(self, weights: Tensor) -> list[Tensor]:
        """Run the network once more and differentiate down to the image."""
        biased = BiasCapture()
        with torch.inference_mode(mode=False), torch.enable_grad():
            x = self.x.clone().requires_grad_()
            with biased.watching(self._model), capturing({}, self._logits_layer) as capture:
                scores = self._run(x, capture)
            gradients = torch.autograd.grad(
                scores, [x, *biased.outputs], weights.clone(), materialize_grads=True
            )
        parts = [self.x, *(bias[:, None, None] for bias in biased.biases)]
        return [(part * each).detach() for part, each in zip(parts, gradients, strict=True)]

    def record(self, x: Tensor) -> HookedForwardPass:
        """Record other images at the same layers."""
        return HookedForwardPass(
            self._model,
            self._modules,
            x,
            self._logits_layer,
            output=self._format,
            calls=self._calls,
        )

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
        convolutions = (each for each in self._model.modules() if isinstance(each, nn.Conv2d))
        watched = [*self._modules.values(), *filter(None, [self._logits_layer])]
        layers = dict.fromkeys([*watched, *convolutions])
        with evaluating(self._model), hooked(layers):
            output = self._model(x)
        scores = (
            self._format.scores(output, len(x))
            if capture.logits is None
            else scores_of(capture.logits, "")
        )
        require_gradients(scores)
        return self._format.logits(scores)

    def _grid(self, name: str, places: Collection[tuple[int, int]]) -> Grid:
        output = self._outputs[name]
        self._require_batch(name, output)
        size = self.x.shape[-2], self.x.shape[-1]
        grid = Grid.of(output, size, with_merged_places(places))
        if grid is None:
            raise ValueError(
                f"the output {tuple(output.shape)} of layer {name!r} has no places for the image "
                f"{tuple(self.x.shape)}: choose a layer in front of the pooling"
            )
        return grid

    def _require_batch(self, name: str, output: Tensor) -> None:
        if len(output) != len(self.x):
            raise ValueError(
                f"the output {tuple(output.shape)} of layer {name!r} has no row for each of the "
                f"{len(self.x)} images, as windows of a picture have none: choose another layer"
            )
