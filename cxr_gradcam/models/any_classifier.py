"""CAM: any torch classifier, with everything needed to explain it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Unpack

import torch
from torch import Tensor, nn
from torchvision.models import ResNet

from cxr_gradcam.cam.eval_mode import evaluating
from cxr_gradcam.cam.explainable import require_explainable, why_it_fails
from cxr_gradcam.cam.forward_pass import ForwardPass, MapOptions
from cxr_gradcam.cam.hooked_pass import HookedForwardPass
from cxr_gradcam.cam.layers import named_layers
from cxr_gradcam.cam.probing.places import call_to_keep
from cxr_gradcam.cam.probing.probe import Probe, probe
from cxr_gradcam.cam.targets import ClassIdx
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.calibration import Calibration
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.models.fast_trunk import FastTrunk
from cxr_gradcam.models.library_records import (
    PROCESSOR_FILE,
    guess_class_names,
    guess_preprocessing,
    image_processor,
    is_multi_label,
    is_of_transformers,
    is_scaled_xrv,
    last_linear,
)
from cxr_gradcam.models.ood import OODDetector
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.provenance import Provenance

_IMAGES = 2  # of noise; an output that is the same for both does not depend on the image


class CAM:
    """Class activation maps for any torch classifier.

    Arguments that are not given are determined by forward passes of noise, and from the records
    that torchvision, torchxrayvision, timm and transformers keep with their models.

    Args:
        model: gives logits or probabilities (N, C) for images (N, channels, H, W). It is never
            changed; hooks exist only during a call.
        target_layers: one or several layers, each a module or its dotted name; None for the last
            layer whose output still has places.
        class_names: the names of the C classes; for one logit also two names, that of the absence
            first.
        preprocessing: how the model's input is made; None for the record of its library.
        logits_layer: the layer that gives the logits, if the model's output is not the logits: a
            saturated probability has almost no gradient.
        multi_label: whether several classes can be true at once, so that each has a separate
            probability.
        output: which tensor holds the scores, if the model returns several: an index, a key, or
            several of them joined by dots, such as "0.logits".

    Attributes:
        fast: run a torchvision ResNet by OpenVINO. Only for weights that do not change: an
            optimiser's steps may not be noticed.

    Raises:
        ValueError: the model cannot be explained, a layer is not part of the model, the number of
            names is not the number of classes, or no target layer is given and none is found.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> logits, heatmaps = CAM(network)(torch.rand(2, 3, 32, 32), class_idx=1)
        >>> tuple(logits.shape), tuple(heatmaps.shape)
        ((2, 4), (2, 32, 32))
    """

    def __init__(
        self,
        model: nn.Module,
        target_layers: nn.Module | str | Sequence[nn.Module | str] | None = None,
        *,
        class_names: Sequence[str] | None = None,
        preprocessing: Preprocessing | None = None,
        logits_layer: nn.Module | str | None = None,
        multi_label: bool | None = None,
        output: int | str | None = None,
    ) -> None:
        self.model = getattr(model, "_orig_mod", model)  # the model before `torch.compile`
        require_explainable(self.model)
        self.preprocessing = preprocessing or guess_preprocessing(self.model)
        self.calibration: Calibration = getattr(self.model, "calibration", Calibration())
        self.ood_detector: OODDetector | None = getattr(self.model, "ood_detector", None)
        found = self._probe(class_names, output)
        target = getattr(self.model, "target_layer", found.target_layer)
        target = target if target_layers is None else target_layers
        if target is None:
            raise ValueError(
                "no layer of this model keeps places of the image: name one, as "
                'CAM(network, "layer3")'
            )
        self.target_layers = named_layers(self.model, target)
        self._calls = dict(self._calls_to_keep(found))
        self.detail: Mapping[str, tuple[str, ...]] = {"coarse": tuple(self.target_layers)}
        self.trained_on = ""
        self.finding: str | None = getattr(self.model, "finding", None)
        self.provenance: Provenance | None = None
        self.fast = False
        self._fast_trunk = FastTrunk()
        self._logits_layer = self._find_logits_layer(found, logits_layer)
        self.class_names = self._names(class_names, found.num_classes)
        two_classes = found.num_classes == 1 and len(self.class_names) == 2
        if multi_label is None:
            multi_label = found.multi_label or found.num_classes == 1 or is_multi_label(self.model)
        self.multi_label = multi_label and not two_classes
        probabilities = None if self._logits_layer is not None else found.output.probabilities
        self._format = replace(found.output, probabilities=probabilities, two_classes=two_classes)
        is_guessed = preprocessing is None and is_of_transformers(self.model)
        self.assumptions: tuple[str, ...] = tuple(self._assumed(found, is_guessed=is_guessed))

    def prepare(self, radiograph: Radiograph) -> Tensor:
        """Return the input (1, channels, size, size) for one radiograph, on the model's device."""
        return self.preprocessing.prepare(radiograph).to(self._like())

    def record(self, x: Tensor, layers: Sequence[nn.Module | str] | None = None) -> ForwardPass:
        """Run the model once on images, for any number of questions about them.

        Args:
            x: images as the model takes them, (N, channels, H, W).
            layers: target layers instead of those of this object.

        Returns:
            The recorded pass; the model is run in eval mode, and its mode is restored.

        Raises:
            ValueError: a layer is not part of the model, or its output has no places.
        """
        found = self.target_layers if layers is None else named_layers(self.model, layers)
        fast = self._fast_pass(found, x)
        if fast is not None:
            return fast
        return HookedForwardPass(
            self.model, found, x, self._logits_layer, output=self._format, calls=self._calls
        )

    def _fast_pass(self, layers: Iterable[str], x: Tensor) -> ForwardPass | None:
        """Record a fast pass if it is requested and possible, else None."""
        network, read = self.model, self._format
        if not self.fast or not isinstance(network, ResNet) or read.probabilities is not None:
            return None
        if self._logits_layer not in (None, network.fc):
            return None
        paths = {name: name for name in layers}
        return self._fast_trunk.record(network, paths, x, two_classes=read.two_classes)

    def __call__(
        self,
        x: Tensor,
        class_idx: ClassIdx = None,
        method: str = "gradcam",
        **options: Unpack[MapOptions],
    ) -> tuple[Tensor, Tensor]:
        """Classify images and map the places that the score of a class depends on.

        Args:
            x: images as the model takes them, (N, channels, H, W).
            class_idx: None for each sample's predicted class, one index, or one per sample.
            method: a name of `METHODS`.
            options: options as in `MapOptions`.

        Returns:
            Logits (N, C) and heat maps (N, H, W), float32 in [0, 1].

        Raises:
            ValueError: there is no such class or method.
        """
        forward_pass = self.record(x)
        heatmaps, _ = forward_pass.maps(class_idx, method, **options)
        return forward_pass.logits, heatmaps

    def _probe(self, class_names: Sequence[str] | None, output: int | str | None) -> Probe:
        """Run the model on noise; if it fails, raise an error that says what is wrong."""
        widths: tuple[int, ...] = () if class_names is None else (len(class_names),)
        widths += (1,) if widths == (2,) else ()
        x = self._noise()
        try:
            return probe(self.model, x, None if output is None else str(output), widths)
        except ValueError:
            raise
        except Exception as error:  # a network may raise anything
            raise ValueError(why_it_fails(error, x)) from error

    def _calls_to_keep(self, found: Probe) -> Iterator[tuple[str, int]]:
        """Yield the target layers whose last call gets a changed picture, and the right call."""
        for name, layer in self.target_layers.items():
            if layer in found.repeated:
                with evaluating(self.model):
                    call = call_to_keep(self.model, self._noise(), layer)
                if call is not None:
                    yield name, call

    def _noise(self) -> Tensor:
        """Return different images, to distinguish a sigmoid from a softmax; blank ones may fail."""
        size, channels = self.preprocessing.size, len(self.preprocessing.mean)
        generator = torch.Generator().manual_seed(0)
        return torch.randn(_IMAGES, channels, size, size, generator=generator).to(self._like())

    def _like(self) -> Tensor:
        """Return a tensor that has the model's type and device."""
        tensors = (*self.model.parameters(), *self.model.buffers())
        return next((each for each in tensors if each.is_floating_point()), torch.empty(0))

    def _find_logits_layer(self, found: Probe, named: nn.Module | str | None) -> nn.Module | None:
        if named is not None:
            return next(iter(named_layers(self.model, named).values()))
        return last_linear(self.model) if is_scaled_xrv(self.model) else found.logits_layer

    def _names(self, given: Sequence[str] | None, num_classes: int) -> tuple[str, ...]:
        names = tuple(given or guess_class_names(self.model, num_classes))
        if len(names) != num_classes and (num_classes, len(names)) != (1, 2):
            raise ValueError(
                f"{len(names)} class names for {num_classes} classes: name each class once, in the "
                "order of the outputs"
            )
        if len(set(names)) < len(names):
            raise ValueError(f"two classes have one name: {', '.join(names)}")
        return names

    def _assumed(self, found: Probe, *, is_guessed: bool) -> Iterator[str]:
        """Yield what was inferred about the output and is not obvious."""
        if self._format.probabilities == "exclusive":
            yield "the outputs are probabilities: maps explain their logarithms"
        elif self._format.probabilities == "independent":
            yield "the outputs are probabilities: maps explain their log-odds"
        elif self._logits_layer is not None and self._logits_layer is found.logits_layer:
            yield "the outputs are probabilities: maps explain the logits in front of them"
        for name, call in self._calls.items():
            yield (
                f"{name} runs several times in a pass, at last on a changed picture: maps are of "
                f"run {call + 1}"
            )
        if is_guessed and not image_processor(self.model):
            yield f"ImageNet statistics assumed: there is no {PROCESSOR_FILE} beside the weights"


def as_classifier(model: Classifier | nn.Module) -> Classifier:
    """Return the model if it can be explained, else a `CAM` of it."""
    return model if isinstance(model, Classifier) else CAM(model)
