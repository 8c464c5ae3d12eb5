"""What the tests of ResNet50FineTuned share: freezing, hook counters, traces of a call."""

import torch
from torch import nn

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
CALLERS = {
    "grad": torch.enable_grad,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
}

CLASSES = [0, 1, 2, 1]
"""One for each of the four images."""


def freeze(model, trunk, head):
    """Freeze trunk and head each or not; train() lets BatchNorm follow."""
    model.resnet50.requires_grad_(not trunk)
    model.resnet50.fc.requires_grad_(not head)
    return model


def batch_norms(model):
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def buffers(model):
    return {name: buffer.clone() for name, buffer in model.named_buffers()}


def parameter_gradients(model):
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def assert_same_tensors(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert (value is None) == (second[name] is None), name
        assert value is None or torch.equal(value, second[name]), name


def hooks(model):
    return [
        hook
        for module in model.modules()
        for name, registered in vars(module).items()
        if "hooks" in name and isinstance(registered, dict)
        for hook in registered.values()
    ]
