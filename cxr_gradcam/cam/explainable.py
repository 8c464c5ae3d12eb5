"""Networks that cannot be explained, and what to do about each."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_QUANTIZED = (".quantized.", "bitsandbytes.", "torchao.", "optimum.quanto", "auto_gptq.", "awq.")


def require_explainable(model: nn.Module) -> None:
    """Refuse a network whose layers cannot be watched or differentiated.

    Args:
        model: the classifier.

    Raises:
        ValueError: it is TorchScript, quantised, without values, or no `nn.Module`.
    """
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError(  # noqa: TRY004 - as every other model that cannot be explained
            "a TorchScript module has no hooks, so no map can be made of it: build the network in "
            "Python and load its state_dict"
        )
    if not isinstance(model, nn.Module):
        raise ValueError(  # noqa: TRY004
            f"a {type(model).__name__} is no torch.nn.Module: give the network itself"
        )
    for name, layer in model.named_modules():
        if any(part in f"{type(layer).__module__}." for part in _QUANTIZED):
            raise ValueError(
                f"the network is quantised ({name or 'the network'} is a quantised "
                f"{type(layer).__name__}), and integers have no gradients: explain the network "
                "with floating-point weights that it was made from"
            )
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_meta:
            raise ValueError(
                f"the network's {name} is on the meta device and holds no values: load the "
                "weights by load_state_dict(weights, assign=True) first"
            )


def require_gradients(scores: Tensor) -> None:
    """Refuse scores that can never be differentiated.

    Args:
        scores: (N, C), as the network gives them outside inference mode.

    Raises:
        ValueError: the network ran in inference mode of its own.
    """
    if scores.is_inference():
        raise ValueError(
            "the network's forward pass runs in torch.inference_mode() and keeps no gradients: "
            "remove it from forward, or replace it by torch.no_grad()"
        )


def why_it_fails(error: Exception, x: Tensor) -> str:
    """Say in one line why a network fails on images, and what to do.

    Args:
        error: what the network raised.
        x: the images (N, channels, H, W).
    """
    said = str(error).partition("\n")[0]
    if isinstance(error, TypeError) and "required positional argument" in said:
        return (
            f"the network takes more than a picture ({said}): wrap it in a module whose forward "
            "takes the picture alone and fills in the rest"
        )
    return (
        f"the network does not take pictures {(1, *x.shape[1:])} ({said}): name its preprocessing"
    )
