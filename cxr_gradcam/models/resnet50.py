"""ResNet50FineTuned: torchvision's ResNet50 for chest radiographs, with Grad-CAM built in."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, overload

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torchvision.models import resnet50

from cxr_gradcam.cam.eval_mode import evaluating
from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.cam.hooked_pass import HookedForwardPass
from cxr_gradcam.cam.hooks import capturing, hooked
from cxr_gradcam.cam.layers import named_layers
from cxr_gradcam.cam.maps import upsample
from cxr_gradcam.cam.targets import ClassIdx, class_indices, target_weights
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.imaging.rendering import as_rgb, colorize, overlay
from cxr_gradcam.models.calibration import Calibration
from cxr_gradcam.models.checkpoint import Checkpoint
from cxr_gradcam.models.fast_trunk import FastTrunk
from cxr_gradcam.models.gradcam_mode import GradCAMMode, gradcam_in_graph
from cxr_gradcam.models.initial_weights import BUNDLED, initial_weights, load_own, load_strictly
from cxr_gradcam.models.ood import OODDetector
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.provenance import Provenance
from cxr_gradcam.models.stages import CONV3, DETAIL


class ResNet50FineTuned(GradCAMMode):
    """A ResNet50 classifier that can show which places each prediction depends on.

    Without Grad-CAM it is just torchvision's network. The map is taken at
    `resnet50.layer4[-1].conv3`.

    Args:
        num_classes: C, the number of logits.
        freeze_features: train only the head; BatchNorm statistics of other layers do not change.
        enable_gradcam: start with `enable_gradcam_mode()`.
        weights: the source of the features. "bundled": the chest X-ray weights of this package,
            with their head if it has `num_classes` outputs. "IMAGENET1K_V1", "IMAGENET1K_V2" or
            "DEFAULT": torchvision's, downloaded at first use. A path or "hf://owner/name": a
            checkpoint of `save_checkpoint`. None: random.

    Attributes:
        resnet50: torchvision's network.
        class_names: the names of the logits, from the weights if their head is used.
        preprocessing: how the input for the weights is made.
        trained_on: the pictures that the weights were trained on, in words; "" if unknown.
        calibration: parameters fitted to the logits of validation images, if their head is used.
        ood_detector: detects images unlike the training images, or None.
        multi_label: whether each logit is a separate probability, as a single one always is.
        detail, assumptions, finding, provenance: as in `Classifier`.
        fast: run the network and the gradients of maps by OpenVINO, or the network up to its last
            convolution in lower precision, if the caller needs no gradients and that is faster. The
            environment variable CXR_GRADCAM_FAST=0 switches this off everywhere.

    Raises:
        CheckpointError: the weights cannot be obtained or do not fit.

    Example:
        >>> model = ResNet50FineTuned(num_classes=3, enable_gradcam=True, weights=None).eval()
        >>> logits, heatmaps = model(torch.zeros(2, 3, 64, 64), return_gradcam=True)
        >>> tuple(logits.shape), tuple(heatmaps.shape)
        ((2, 3), (2, 64, 64))
    """

    def __init__(
        self,
        num_classes: int = 2,
        freeze_features: bool = True,
        enable_gradcam: bool = False,
        *,
        weights: str | os.PathLike[str] | None = BUNDLED,
    ) -> None:
        super().__init__()
        self.resnet50 = resnet50(num_classes=num_classes)
        self.class_names = tuple(f"class {index}" for index in range(num_classes))
        self.preprocessing = Preprocessing()
        self.trained_on = ""
        self.detail: Mapping[str, tuple[str, ...]] = DETAIL
        self.assumptions: tuple[str, ...] = ()
        self.finding: str | None = None
        self.provenance: Provenance | None = None
        self.calibration = Calibration()
        self.ood_detector: OODDetector | None = None
        self.fast = False
        self.multi_label = num_classes == 1
        self._fast_trunk = FastTrunk()
        if weights is not None:
            self._load(initial_weights(weights))
        if freeze_features:
            self.resnet50.requires_grad_(False)
            self.resnet50.fc.requires_grad_(True)
        self.train()  # BatchNorm of frozen features stays in eval mode from the start
        if enable_gradcam:
            self.enable_gradcam_mode()

    @classmethod
    def from_checkpoint(
        cls,
        source: str | os.PathLike[str] | None = None,
        *,
        enable_gradcam: bool = True,
        fast: bool = True,
    ) -> ResNet50FineTuned:
        """Build the model that a checkpoint describes, in eval mode.

        Args:
            source: a .safetensors path or "hf://owner/name"; None for the bundled weights.
            enable_gradcam: start with `enable_gradcam_mode()`.
            fast: as the attribute `fast`; in bf16 probabilities then differ by up to 0.011.

        Returns:
            The model with the checkpoint's classes, head and preprocessing.

        Raises:
            CheckpointError: the file cannot be read or holds another network.
        """
        checkpoint, provenance = load_own(source)
        model = cls(len(checkpoint.class_names), enable_gradcam=enable_gradcam, weights=None)
        model._load(checkpoint)
        model.provenance, model.fast = provenance, fast
        return model.eval()

    def train(self, mode: bool = True) -> ResNet50FineTuned:
        """Set training or eval mode; BatchNorm layers with frozen weights stay in eval mode."""
        super().train(mode)
        if mode:
            self._fast_trunk.forget()
        for module in self.resnet50.modules():
            if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
                module.eval()
        return self

    @overload
    def forward(
        self, x: Tensor, return_gradcam: Literal[False] = False, gradcam_class_idx: ClassIdx = None
    ) -> Tensor: ...

    @overload
    def forward(
        self, x: Tensor, return_gradcam: Literal[True], gradcam_class_idx: ClassIdx = None
    ) -> tuple[Tensor, Tensor]: ...

    def forward(
        self, x: Tensor, return_gradcam: bool = False, gradcam_class_idx: ClassIdx = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Classify, and on request map the places that the score of a class depends on.

        Args:
            x: normalised images (N, 3, H, W).
            return_gradcam: return the heat maps too.
            gradcam_class_idx: the class explained: None for each sample's predicted class, an int
                for all samples, or a sequence or tensor of N. `DataParallel` splits a tensor
                among its devices, but not a sequence.

        Returns:
            Logits (N, C); with `return_gradcam` also heat maps (N, H, W), float32 in [0, 1], on
            the device of `x`.

        Raises:
            RuntimeError: a map is requested while Grad-CAM is not enabled.
            ValueError: a class index is out of range, or there is not one per sample.
        """
        if not return_gradcam:
            return self.resnet50(x)  # type: ignore[no-any-return]
        logits, maps = self.gradcam(x, gradcam_class_idx)
        return logits, upsample(maps, (x.shape[-2], x.shape[-1]))[0]

    def gradcam(self, x: Tensor, class_idx: ClassIdx = None) -> tuple[Tensor, Tensor]:
        """Classify, and return the Grad-CAM maps at the target layer's resolution.

        Args:
            x: normalised images (N, 3, H, W).
            class_idx: as `gradcam_class_idx` of `forward`.

        Returns:
            Logits (N, C) and maps (N, h, w), float32, at least 0, not normalised.

        Raises:
            RuntimeError: Grad-CAM is not enabled.
            ValueError: `x` does not have four dimensions, or a class index is out of range.
        """
        self.require_gradcam(x)
        class_indices(class_idx, x.shape[0], self.resnet50.fc.out_features)  # before any work
        recorded = None if torch.is_grad_enabled() else self._fast_pass((CONV3,), x)
        if recorded is None:
            return gradcam_in_graph(self.resnet50, x, class_idx)
        weights = target_weights(recorded.logits, class_idx)
        return recorded.logits, recorded.raw_maps(weights, "gradcam", recorded.layers)[0]

    def prepare(self, radiograph: Radiograph) -> Tensor:
        """Return the input (1, 3, size, size) for one radiograph, on the model's device."""
        return self.preprocessing.prepare(radiograph).to(self.resnet50.conv1.weight)

    def record(self, x: Tensor, layers: Sequence[nn.Module | str] | None = None) -> ForwardPass:
        """Run the network once on images, for any number of questions about them.

        Args:
            x: normalised images (N, 3, H, W).
            layers: the target layers, modules or their dotted names, for example a set of `DETAIL`;
                None for the last convolution.

        Returns:
            The recorded pass; the model is run in eval mode, and its mode is restored.

        Raises:
            RuntimeError: Grad-CAM is not enabled.
            ValueError: `x` does not have four dimensions, or a layer is not part of this model.
        """
        self.require_gradcam(x)
        found = named_layers(self, DETAIL["coarse"] if layers is None else layers)
        fast = self._fast_pass(found, x)
        return HookedForwardPass(self, found, x, self.resnet50.fc) if fast is None else fast

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return pooled features (N, 2048) and logits (N, C) of images, as in eval mode."""
        head = self.resnet50.fc
        with torch.no_grad(), evaluating(self), capturing({}, head) as capture, hooked([head]):
            logits = self.resnet50(x)
        assert capture.features is not None  # the head has run  # noqa: S101
        return capture.features, logits

    def get_gradcam_overlay(
        self,
        input_image: Tensor,
        original_image: Image.Image | NDArray[np.generic] | None = None,
        alpha: float = 0.5,
        colormap: int | str = cv2.COLORMAP_JET,
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
        """Colour the map of the predicted class and overlay it on the image.

        The prediction is made in eval mode; then the mode of every module is restored.

        Args:
            input_image: one normalised image, (3, H, W) or (1, 3, H, W).
            original_image: the picture under the map: PIL image, or array (H, W) or (H, W, 3) in
                RGB order, integers or floats in [0, 1]. None: the input itself.
            alpha: opacity of the map, 0 (the image alone) to 1 (the map alone).
            colormap: an OpenCV constant (`cv2.COLORMAP_…`) or a name of `rendering.COLORMAPS`.

        Returns:
            The coloured heat map and the overlaid image, both uint8 (H, W, 3) in RGB order in the
            original's size; None if Grad-CAM is not enabled.

        Raises:
            ValueError: input or original has another shape, or `alpha` is outside [0, 1].
        """
        if not self.gradcam_enabled:
            return None
        x = input_image[None] if input_image.ndim == 3 else input_image
        if x.ndim != 4 or x.shape[0] != 1:
            raise ValueError(f"one image (3, H, W) is needed, not {tuple(input_image.shape)}")
        original = as_rgb(
            self.preprocessing.picture(x) if original_image is None else original_image
        )
        with evaluating(self), torch.no_grad():
            _, maps = self.gradcam(x)
        heatmap = upsample(maps, original.shape[:2])[0][0].cpu().numpy()
        return colorize(heatmap, colormap), overlay(original, heatmap, alpha, colormap)

    def _fast_pass(self, layers: Iterable[str], x: Tensor) -> ForwardPass | None:
        """Record a fast pass if it is requested and possible, else None."""
        is_replica = getattr(self, "_is_replica", False)  # one of DataParallel's
        if not self.fast or self.training or is_replica:
            return None
        paths = {name: name.removeprefix("resnet50.") for name in layers}
        return self._fast_trunk.record(self.resnet50, paths, x)

    def _load(self, checkpoint: Checkpoint) -> None:
        """Load the features and, if the checkpoint's head is used, all data belonging to it."""
        self.preprocessing = checkpoint.preprocessing
        self.trained_on = str(checkpoint.training.get("source", ""))
        state_dict = dict(checkpoint.state_dict)
        if len(checkpoint.class_names) == len(self.class_names):
            self.class_names, self.multi_label = checkpoint.class_names, checkpoint.multi_label
            self.assumptions, self.finding = checkpoint.assumptions, checkpoint.finding
            self.calibration = checkpoint.calibration
            self.ood_detector = checkpoint.ood_detector
        else:
            state_dict |= self.resnet50.fc.state_dict(prefix="resnet50.fc.")
        load_strictly(self, state_dict)
