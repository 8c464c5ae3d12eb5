"""ResNet50FineTuned: torchvision's ResNet50 for chest radiographs, with Grad-CAM built in."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Literal, overload

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from torchvision.models import ResNet50_Weights, resnet50

from cxr_gradcam.cam.forward_pass import ForwardPass, HookedForwardPass
from cxr_gradcam.cam.gradient_methods import gradcam, upsample
from cxr_gradcam.cam.hooks import (
    capture_activations,
    capturing,
    evaluating,
    hooked,
    score_gradients,
)
from cxr_gradcam.cam.layers import named_layers
from cxr_gradcam.cam.targets import ClassIdx, class_indices, target_weights
from cxr_gradcam.imaging.rendering import as_rgb, colorize, overlay
from cxr_gradcam.models.calibration import Calibration
from cxr_gradcam.models.checkpoint import (
    Checkpoint,
    CheckpointError,
    bundled_checkpoint,
    load_checkpoint,
)
from cxr_gradcam.models.fast_trunk import CONV3, LAYER2, LAYER3, STAGES, FastTrunk, RunTrunk
from cxr_gradcam.models.ood import OODDetector
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.split_pass import SplitForwardPass

BUNDLED = "bundled"

DETAIL = {
    "coarse": (CONV3,),
    "fine": (LAYER3, CONV3),
    "finest": (LAYER2, LAYER3, CONV3),
}
"""The layers of a map by the detail that they show: places of 32, 16 and 8 pixels of the input."""

SHOWN_FIRST = "fine"
"""The detail that app and command line begin with: its maps overlap lesions best."""


class ResNet50FineTuned(nn.Module):
    """A ResNet50 classifier that can show where each prediction comes from.

    Without Grad-CAM it is torchvision's network and nothing more. The map is taken at
    `resnet50.layer4[-1].conv3`.

    Args:
        num_classes: C, the number of logits.
        freeze_features: train the head alone; BatchNorm statistics of the rest stay as they are.
        enable_gradcam: start with `enable_gradcam_mode()`.
        weights: where the features come from. "bundled": the chest X-ray weights of this package,
            with their head where `num_classes` is theirs. "IMAGENET1K_V1", "IMAGENET1K_V2" or
            "DEFAULT": torchvision's, downloaded at first use. A path or "hf://owner/name": a
            checkpoint of `save_checkpoint`. None: random.

    Attributes:
        resnet50: torchvision's network.
        class_names: the names of the logits, from the weights where the head is theirs.
        preprocessing: how the weights want their input.
        trained_on: the pictures that the weights were trained on, in words; "" where unknown.
        calibration: what validation images taught about the logits, where the head is theirs.
        gate: tells whether an image looks like those of the training; None where nobody does.
        multi_label: whether each logit is a probability of its own, as a single one is.
        fast: run the trunk by OpenVINO, or in lower precision, where a map is made without
            gradients for the caller and that is faster. The environment variable
            CXR_GRADCAM_FAST=0 switches it off everywhere.

    Raises:
        CheckpointError: the weights cannot be had or do not fit.
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
        self.calibration = Calibration()
        self.ood_detector: OODDetector | None = None
        self.fast = False
        self.multi_label = num_classes == 1
        self._fast_trunk = FastTrunk()
        self._gradcam_handle: RemovableHandle | None = None
        if weights in ResNet50_Weights.__members__:
            self._load_imagenet(str(weights))
        elif weights is not None:
            source = bundled_checkpoint() if weights == BUNDLED else weights
            self._load(load_checkpoint(source))
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
            fast: as the attribute; probabilities then differ by up to 0.011.

        Returns:
            The model with the checkpoint's classes, head and preprocessing.

        Raises:
            CheckpointError: the file cannot be read or holds another network.
        """
        checkpoint = load_checkpoint(bundled_checkpoint() if source is None else source)
        model = cls(len(checkpoint.class_names), enable_gradcam=enable_gradcam, weights=None)
        model._load(checkpoint)
        model.fast = fast
        return model.eval()

    @property
    def target_layer(self) -> nn.Module:
        """The layer whose activations make the map: the last convolution."""
        return self.resnet50.layer4[-1].conv3  # type: ignore[no-any-return]

    @property
    def gradcam_enabled(self) -> bool:
        """Whether a map can be asked for."""
        return self._gradcam_handle is not None

    def enable_gradcam_mode(self) -> None:
        """Register the hook on the target layer; a second call changes nothing."""
        if self._gradcam_handle is None:
            self._gradcam_handle = self.target_layer.register_forward_hook(capture_activations)

    def disable_gradcam_mode(self) -> None:
        """Remove the hook from the target layer; a second call changes nothing."""
        if self._gradcam_handle is not None:
            self._gradcam_handle.remove()
            self._gradcam_handle = None

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
        """Classify, and show where the score of a class comes from if asked to.

        Args:
            x: normalised images (N, 3, H, W).
            return_gradcam: give the heat maps too.
            gradcam_class_idx: the class explained: None for each sample's predicted class, an int
                for all samples, or a sequence or tensor of N. `DataParallel` splits a tensor
                among its devices, but not a sequence.

        Returns:
            Logits (N, C); with `return_gradcam` also heat maps (N, H, W), float32 in [0, 1], on
            the device of `x`.

        Raises:
            RuntimeError: a map is asked for while Grad-CAM is not enabled.
            ValueError: a class index out of range, or not one per sample.
        """
        if not return_gradcam:
            return self.resnet50(x)  # type: ignore[no-any-return]
        logits, maps = self.gradcam(x, gradcam_class_idx)
        return logits, upsample(maps, (x.shape[-2], x.shape[-1]))[0]

    def gradcam(self, x: Tensor, class_idx: ClassIdx = None) -> tuple[Tensor, Tensor]:
        """Classify, and give the Grad-CAM maps as they are, at the target layer's resolution.

        Args:
            x: normalised images (N, 3, H, W).
            class_idx: as `gradcam_class_idx` of `forward`.

        Returns:
            Logits (N, C) and maps (N, h, w), float32, at least 0, not normalised.

        Raises:
            RuntimeError: Grad-CAM is not enabled.
            ValueError: `x` has not four dimensions, or a class index is out of range.
        """
        self._require_gradcam(x)
        class_indices(class_idx, x.shape[0], self.resnet50.fc.out_features)  # before any work
        grad_enabled = torch.is_grad_enabled()
        run_trunk = None if grad_enabled else self._trunk_for(x)
        if run_trunk is not None:
            forward_pass = SplitForwardPass(self.resnet50, run_trunk, (CONV3,), x)
            weights = target_weights(forward_pass.logits, class_idx)
            return forward_pass.logits, forward_pass.raw_maps(
                weights, "gradcam", forward_pass.layers
            )[0]
        with capturing({CONV3: self.target_layer}) as capture:
            logits = self.resnet50(x)
            activations = capture.outputs[CONV3]
            wants_graph = grad_enabled and (not capture.is_cut or self._trains_tail())
            weights = target_weights(logits.detach(), class_idx)
            (gradients,) = score_gradients(logits, weights, [activations], retain_graph=wants_graph)
            maps = gradcam(activations.detach(), gradients)
        return logits if wants_graph else logits.detach(), maps

    def record(self, x: Tensor, layers: Sequence[nn.Module | str] | None = None) -> ForwardPass:
        """Look at images once, for any number of questions about them.

        Args:
            x: normalised images (N, 3, H, W).
            layers: the target layers, modules or their dotted names, of which `DETAIL` has sets;
                None for the last convolution.

        Returns:
            What was seen; the model is run in eval mode and left as it was.

        Raises:
            RuntimeError: Grad-CAM is not enabled.
            ValueError: `x` has not four dimensions, or a layer is none of this model.
        """
        self._require_gradcam(x)
        found = named_layers(self, DETAIL["coarse"] if layers is None else layers)
        run_trunk = self._trunk_for(x) if set(found) <= {*STAGES} else None
        if run_trunk is None:
            return HookedForwardPass(self, found, x, self.resnet50.fc)
        return SplitForwardPass(self.resnet50, run_trunk, tuple(found), x)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give what the head takes, and what it makes of it.

        The model is run in eval mode and left as it was.

        Args:
            x: normalised images (N, 3, H, W).

        Returns:
            Features (N, 2048) and logits (N, C), without a graph.
        """
        head = self.resnet50.fc
        with torch.no_grad(), evaluating(self), capturing({}, head) as capture, hooked([head]):
            logits = self.resnet50(x)
        assert capture.features is not None  # the head has run  # noqa: S101
        return capture.features, logits

    def _trunk_for(self, x: Tensor) -> RunTrunk | None:
        """Give the fast trunk where it is wanted and can stand in for the network."""
        wanted = self.fast and not self.training and os.environ.get("CXR_GRADCAM_FAST") != "0"
        if not wanted or x.dtype != torch.float32 or torch.is_autocast_enabled(x.device.type):
            return None
        if len(x) == 0 or getattr(self, "_is_replica", False):  # one of DataParallel's
            return None
        return self._fast_trunk.of(self.resnet50)

    def get_gradcam_overlay(
        self,
        input_image: Tensor,
        original_image: Image.Image | NDArray[np.generic] | None = None,
        alpha: float = 0.5,
        colormap: int | str = cv2.COLORMAP_JET,
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
        """Colour the map of the predicted class and lay it over the image.

        The prediction is made in eval mode; the mode of every module is then as before.

        Args:
            input_image: one normalised image, (3, H, W) or (1, 3, H, W).
            original_image: the picture to lay the map over: PIL image, or array (H, W) or
                (H, W, 3) in RGB order, integers or floats in [0, 1]. None: the input itself.
            alpha: opacity of the map, 0 (the image alone) to 1 (the map alone).
            colormap: an OpenCV constant (`cv2.COLORMAP_…`) or a name of `render.COLORMAPS`.

        Returns:
            The coloured heat map and the overlaid image, both uint8 (H, W, 3) in RGB order on the
            original's grid; None where Grad-CAM is not enabled.

        Raises:
            ValueError: an input or original of another shape, or `alpha` outside [0, 1].
        """
        if not self.gradcam_enabled:
            return None
        x = input_image[None] if input_image.ndim == 3 else input_image
        if x.ndim != 4 or x.shape[0] != 1:
            raise ValueError(f"one image (3, H, W) is needed, not {tuple(input_image.shape)}")
        original = self._denormalized(x) if original_image is None else as_rgb(original_image)
        with evaluating(self), torch.no_grad():
            _, maps = self.gradcam(x)
        heatmap = upsample(maps, original.shape[:2])[0][0].cpu().numpy()
        return colorize(heatmap, colormap), overlay(original, heatmap, alpha, colormap)

    def _trains_tail(self) -> bool:
        """Whether anything behind the target layer trains (a replica has no `parameters()`)."""
        tail = (self.resnet50.layer4[-1].bn3, self.resnet50.fc)
        return any(layer.weight.requires_grad or layer.bias.requires_grad for layer in tail)

    def _denormalized(self, x: Tensor) -> NDArray[np.uint8]:
        image = self.preprocessing.denormalize(x.detach().float())[0]
        return as_rgb(image.permute(1, 2, 0).cpu().numpy())

    def _require_gradcam(self, x: Tensor) -> None:
        if not self.gradcam_enabled:
            raise RuntimeError(
                "Grad-CAM is not enabled: call enable_gradcam_mode() first, or build the model "
                "with enable_gradcam=True"
            )
        if x.ndim != 4 or x.shape[1] != self.resnet50.conv1.in_channels:
            channels = self.resnet50.conv1.in_channels
            raise ValueError(f"images (N, {channels}, H, W) are needed, not {tuple(x.shape)}")
        if self.resnet50.fc.weight.is_inference():
            raise RuntimeError(
                "a model that was built inside torch.inference_mode() has no gradients to make "
                "maps of: build it outside"
            )

    def _load_imagenet(self, name: str) -> None:
        weights = ResNet50_Weights[name]
        try:
            state_dict = weights.get_state_dict(progress=True, check_hash=True)
        except (OSError, RuntimeError) as error:  # no network, or a download cut short
            raise CheckpointError(
                f"torchvision's {name} weights could not be downloaded ({error}): connect to the "
                f"network once, or put the file of {weights.url} into {torch.hub.get_dir()}"
                f"/checkpoints, or use weights='{BUNDLED}'"
            ) from error
        self._load_features({f"resnet50.{key}": value for key, value in state_dict.items()})

    def _load(self, checkpoint: Checkpoint) -> None:
        self.preprocessing = checkpoint.preprocessing
        self.trained_on = str(checkpoint.training.get("source", ""))
        if len(checkpoint.class_names) == len(self.class_names):
            self.class_names = checkpoint.class_names
            self.calibration, self.ood_detector = checkpoint.calibration, checkpoint.ood_detector
            self._load_state(checkpoint.state_dict)
        else:
            self._load_features(checkpoint.state_dict)

    def _load_features(self, state_dict: Mapping[str, Tensor]) -> None:
        head = self.resnet50.fc.state_dict(prefix="resnet50.fc.")
        self._load_state({**state_dict, **head})

    def _load_state(self, state_dict: Mapping[str, Tensor]) -> None:
        try:
            self.load_state_dict(state_dict)
        except RuntimeError as error:
            raise CheckpointError(f"the weights are not those of a ResNet50: {error}") from error
