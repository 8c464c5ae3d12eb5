"""CAM: any torch classifier, with what has to be known to explain it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

import torch
from torch import Tensor, nn

from cxr_gradcam.cam.forward_pass import ForwardPass, MapOptions
from cxr_gradcam.cam.hooked_pass import HookedForwardPass
from cxr_gradcam.cam.layers import named_layers
from cxr_gradcam.cam.probe import Probe, probe
from cxr_gradcam.cam.targets import ClassIdx
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.calibration import Calibration
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.models.ood import OODDetector
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.provenance import Provenance

_PICTURE_CHANNELS = 4


class CAM:
    """Class activation maps for any torch classifier.

    What is not given is guessed: by one forward pass of noise, and from what torchvision,
    torchxrayvision and timm keep with their models.

    Args:
        model: gives logits or probabilities (N, C) for images (N, channels, H, W). It is never
            changed; hooks are there during a call alone.
        target_layers: one or several layers, each a module or its dotted name; None for the last
            layer whose output still has places.
        class_names: the names of the C classes; of one logit also two, the absence's first.
        preprocessing: how the model wants its input.
        logits_layer: the layer that gives the logits, where the model's output is not them: a
            saturated probability has no gradient to show.
        multi_label: whether several classes can be true at once, so that each has a probability
            of its own.

    Raises:
        ValueError: a layer that is none of the model, another number of names than of classes, or
            no target layer is given and none can be guessed.
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
    ) -> None:
        self.model = model
        self.preprocessing = preprocessing or guess_preprocessing(model)
        self.calibration: Calibration = getattr(model, "calibration", Calibration())
        self.ood_detector: OODDetector | None = getattr(model, "ood_detector", None)
        learnt = _probe(model, self._noise())
        own = getattr(model, "target_layer", learnt.target_layer)
        target = own if target_layers is None else target_layers
        if target is None:
            raise ValueError("no layer of this model keeps places of the image: name target_layers")
        self.target_layers = named_layers(model, target)
        self.detail: Mapping[str, tuple[str, ...]] = {"coarse": tuple(self.target_layers)}
        self.trained_on = ""
        self.assumptions: tuple[str, ...] = ()
        self.finding: str | None = getattr(model, "finding", None)
        self.provenance: Provenance | None = None
        scaled = last_linear(model) if _is_scaled_xrv(model) else learnt.logits_layer
        self._logits_layer = (
            scaled
            if logits_layer is None
            else next(iter(named_layers(model, logits_layer).values()))
        )
        self.multi_label = (
            learnt.multi_label or learnt.num_classes == 1 or _is_xrv(model)
            if multi_label is None
            else multi_label
        )
        self.class_names = tuple(class_names or guess_class_names(model, learnt.num_classes))
        self._two_classes = learnt.num_classes == 1 and len(self.class_names) == 2
        if self._two_classes:
            self.multi_label = False
        elif len(self.class_names) != learnt.num_classes:
            raise ValueError(
                f"{len(self.class_names)} class names for {learnt.num_classes} classes"
            )
        if len(set(self.class_names)) < len(self.class_names):
            raise ValueError(f"two classes have one name: {', '.join(self.class_names)}")

    def prepare(self, radiograph: Radiograph) -> Tensor:
        """Return the input (1, channels, size, size) for one radiograph, on the model's device."""
        return self.preprocessing.prepare(radiograph).to(next(self.model.parameters()))

    def record(self, x: Tensor, layers: Sequence[nn.Module | str] | None = None) -> ForwardPass:
        """Run the model once on images, for any number of questions about them.

        Args:
            x: images as the model takes them, (N, channels, H, W).
            layers: other target layers than those of this object.

        Returns:
            The recorded pass; the model is run in eval mode and left as it was.

        Raises:
            ValueError: a layer that is none of the model, or whose output has no places.
        """
        found = self.target_layers if layers is None else named_layers(self.model, layers)
        return HookedForwardPass(
            self.model, found, x, self._logits_layer, two_classes=self._two_classes
        )

    def __call__(
        self,
        x: Tensor,
        class_idx: ClassIdx = None,
        method: str = "gradcam",
        **options: Unpack[MapOptions],
    ) -> tuple[Tensor, Tensor]:
        """Classify images and map where the score of a class comes from.

        Args:
            x: images as the model takes them, (N, channels, H, W).
            class_idx: None for each sample's predicted class, one index, or one per sample.
            method: a name of `METHODS`.
            options: of `MapOptions`.

        Returns:
            Logits (N, C) and heat maps (N, H, W), float32 in [0, 1].

        Raises:
            ValueError: no such class or method.
        """
        forward_pass = self.record(x)
        heatmaps, _ = forward_pass.maps(class_idx, method, **options)
        return forward_pass.logits, heatmaps

    def _noise(self) -> Tensor:
        """Return an image that tells a sigmoid from a softmax, which an empty one might not."""
        size, channels = self.preprocessing.size, len(self.preprocessing.mean)
        noise = torch.randn(1, channels, size, size, generator=torch.Generator().manual_seed(0))
        return noise.to(next(self.model.parameters()))


def _probe(model: nn.Module, x: Tensor) -> Probe:
    try:
        return probe(model, x)
    except ValueError:
        raise
    except Exception as error:  # a network fails in ways of its own
        said = str(error).partition("\n")[0]
        raise ValueError(
            f"the network does not take pictures {tuple(x.shape)} ({said}): name its preprocessing"
        ) from error


def as_classifier(model: Classifier | nn.Module) -> Classifier:
    """Return a model that can be explained itself, or a `CAM` of any other torch classifier."""
    return model if isinstance(model, Classifier) else CAM(model)


def guess_preprocessing(model: nn.Module) -> Preprocessing:
    """Tell how a model wants its input.

    Args:
        model: the classifier.

    Returns:
        What the model says of itself (this package's, torchxrayvision's, timm's), else ImageNet's
        statistics at 224 pixels, with as many channels as the first convolution takes.
    """
    known = getattr(model, "preprocessing", None)
    if isinstance(known, Preprocessing):
        return known
    if _is_xrv(model):  # values from -1024 to 1024
        return Preprocessing(int(getattr(model, "input_resolution", 224)), (0.5,), (1 / 2048,))
    config = getattr(model, "pretrained_cfg", None) or {}
    default = Preprocessing()
    size = config.get("input_size", (3, built_for(model) or default.size))[-1]
    mean, std = config.get("mean", default.mean), config.get("std", default.std)
    channels = next(
        (layer.in_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)), 3
    )
    if channels > _PICTURE_CHANNELS and "input_size" in config:
        channels = config["input_size"][0]  # something transforms the picture before it is seen
    if channels != len(mean):
        mean, std = ((sum(values) / len(values),) * channels for values in (mean, std))
    return Preprocessing(size, tuple(mean), tuple(std))


def built_for(model: nn.Module) -> int | None:
    """Return the side of the only input that torchvision's vision transformers take, or None."""
    size = getattr(model, "image_size", None)
    return size if isinstance(size, int) else None


def guess_class_names(model: nn.Module, num_classes: int) -> tuple[str, ...]:
    """Name a model's classes: by its `class_names` or, of torchxrayvision, `targets`; else number.

    Args:
        model: the classifier.
        num_classes: C.

    Returns:
        C names.
    """
    for attribute in ("class_names", "targets"):
        names = getattr(model, attribute, None)
        if names is not None and len(names) == num_classes:
            return tuple(name or f"class {index}" for index, name in enumerate(names))
    return tuple(f"class {index}" for index in range(num_classes))


def _is_xrv(model: nn.Module) -> bool:
    return type(model).__module__.startswith("torchxrayvision.")


def _is_scaled_xrv(model: nn.Module) -> bool:
    """Whether a torchxrayvision model gives probabilities, or scales them by operating points."""
    scaled = getattr(model, "op_threshs", None) is not None
    return _is_xrv(model) and (scaled or getattr(model, "apply_sigmoid", False))


def last_linear(model: nn.Module) -> nn.Linear:
    """Return the last linear layer of a network, which gives the logits of most networks.

    Args:
        model: the classifier.

    Raises:
        ValueError: the network has no linear layer.
    """
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    if not linear:
        raise ValueError(
            f"{type(model).__name__} has no linear head: choose a network that ends in one"
        )
    return linear[-1]
