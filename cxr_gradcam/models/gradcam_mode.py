"""Grad-CAM switched on and off at a ResNet50's last convolution."""

from __future__ import annotations

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from torchvision.models import ResNet

from cxr_gradcam.cam.hooks import capture_activations


class GradCAMMode(nn.Module):
    """A module around a ResNet50 whose target layer carries a hook while Grad-CAM is on.

    Attributes:
        resnet50: the network; set by the subclass.
    """

    resnet50: ResNet

    def __init__(self) -> None:
        super().__init__()
        self._gradcam_handle: RemovableHandle | None = None

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

    def require_gradcam(self, x: Tensor) -> None:
        """Refuse images or a state in which no map can be made.

        Raises:
            RuntimeError: Grad-CAM is not enabled, or the model can have no gradients.
            ValueError: `x` is not (N, C, H, W) with the network's C.
        """
        if not self.gradcam_enabled:
            raise RuntimeError(
                "Grad-CAM is not enabled: call enable_gradcam_mode() first, or build the model "
                "with enable_gradcam=True"
            )
        channels = self.resnet50.conv1.in_channels
        if x.ndim != 4 or x.shape[1] != channels:
            raise ValueError(f"images (N, {channels}, H, W) are needed, not {tuple(x.shape)}")
        if self.resnet50.fc.weight.is_inference():
            raise RuntimeError(
                "a model that was built inside torch.inference_mode() has no gradients to make "
                "maps of: build it outside"
            )
