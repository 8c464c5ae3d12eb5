"""Networks that cannot be explained, and what to do about each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cxr_gradcam.cam.outputs import tensors_in

_QUANTIZED = (".quantized.", "bitsandbytes.", "torchao.", "optimum.quanto", "auto_gptq.", "awq.")


def require_explainable(model: nn.Module) -> None:
    """Refuse a network whose layers cannot be hooked or differentiated.

    Args:
        model: the classifier.

    Raises:
        ValueError: the model is TorchScript, quantised, without values, or not an `nn.Module`.
    """
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError(  # noqa: TRY004 - the same error for every model that cannot be explained
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
        scores: scores (N, C) of the network, called outside inference mode.

    Raises:
        ValueError: the network itself switches on inference mode.
    """
    if scores.is_inference():
        raise ValueError(
            "the network's forward pass runs in torch.inference_mode() and keeps no gradients: "
            "remove it from forward, or replace it by torch.no_grad()"
        )


def why_no_gradients(model: nn.Module, x: Tensor, layers: Sequence[str]) -> str:
    """Say in one line why scores have no gradient at layers, and what to do.

    Args:
        model: the classifier, in eval mode.
        x: images (N, channels, H, W) as the model takes them.
        layers: the names of the layers.
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        output = model(x[:1].detach().clone().requires_grad_())
    names = {name for node in _nodes(output) for name in [node.name()]}
    if any("CheckpointFunction" in name for name in names):
        return (
            "the network uses reentrant activation checkpoints, which give no gradients of layers: "
            "give torch.utils.checkpoint use_reentrant=False, or switch it off"
        )
    return (
        f"the layer {', '.join(layers)} does not lead to the class scores: behind it the network "
        "detaches its tensors (detach(), .data, numpy() or no_grad), or does not use them; choose "
        "another layer as target_layers, or remove that"
    )


def _nodes(output: object) -> Iterator[Any]:
    """Yield the nodes of autograd's graph that produced the tensors of an output."""
    tensors = [output] if isinstance(output, Tensor) else tensors_in(output).values()
    waiting = [tensor.grad_fn for tensor in tensors if tensor.grad_fn is not None]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            yield node
            waiting += [before for before, _ in node.next_functions if before is not None]


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
