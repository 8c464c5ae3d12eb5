"""From a network and what is known of it to a model that can be explained."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

import torch
from torch import nn
from torchvision.models import ResNet

from cxr_gradcam.models.any_classifier import (
    CAM,
    built_for,
    guess_class_names,
    guess_preprocessing,
    last_linear,
)
from cxr_gradcam.models.calibration import Calibration
from cxr_gradcam.models.checkpoint import Checkpoint, CheckpointError
from cxr_gradcam.models.importing.told import Told
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.provenance import RESNET50, Provenance
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

_STATISTICS, _SIZE = "statistics assumed", "pixels assumed"
_NAMES = "classes are numbered: their names are not known"
_ONE_CLASS = "one class at a time assumed"
_OTHER_INPUT = "its calibration and detector left out, which were made for another input"


@dataclass(frozen=True)
class Found:
    """A network with its weights, and what is known of it.

    Args:
        network: in eval mode.
        provenance: of the weights.
        assumed: what had to be assumed to build it; "" for nothing.
        header: what our own header says; None where there is none.
        from_library: whether a library says how the input is made.
    """

    network: nn.Module
    provenance: Provenance
    assumed: str = ""
    header: Checkpoint | None = None
    from_library: bool = False

    @property
    def is_described(self) -> bool:
        """Whether it is known how the input is made."""
        return self.header is not None or self.from_library

    @property
    def guess(self) -> Preprocessing:
        """How the input is made, where nobody says otherwise."""
        return (
            guess_preprocessing(self.network) if self.header is None else self.header.preprocessing
        )


def assemble(found: Found, told: Told, *, fast: bool) -> ResNet50FineTuned | CAM:
    """Return the model of a network: the package's own where it is a plain ResNet50, else a `CAM`.

    Args:
        found: the network.
        told: what the caller says; it has precedence.
        fast: as of `ResNet50FineTuned`.

    Raises:
        CheckpointError: the two do not go together, or no map can be made.
    """
    _check_finite(found)
    names = told.class_names or (None if found.header is None else found.header.class_names)
    multi_label = told.multi_label
    if multi_label is None and found.header is not None:
        multi_label = found.header.multi_label
    known = replace(told, class_names=names, multi_label=multi_label)
    preprocessing = told.preprocessing(found.guess)
    if _is_plain_resnet50(found, known):
        model: ResNet50FineTuned | CAM = _resnet50(found, known, preprocessing, fast=fast)
    else:
        model = _any(found, known, preprocessing)
    _calibrate(model, found.header, told)
    model.assumptions = tuple(_assumptions(model, found, told))
    model.provenance = found.provenance
    if not found.is_described or not told.is_empty:
        model.provenance = replace(found.provenance, settings=_settings(model))
    return model


def _check_finite(found: Found) -> None:
    """Refuse weights of a training that diverged, or that overflowed when they were stored."""
    for name, tensor in found.network.state_dict().items():
        if not bool(tensor.isfinite().all()):
            raise CheckpointError(
                f"the tensor {name} of these {found.provenance.architecture} weights is not finite "
                "everywhere: the training diverged, or half precision was too small for it; take "
                "an earlier checkpoint"
            )


def _is_plain_resnet50(found: Found, known: Told) -> bool:
    network = found.network
    named = found.provenance.architecture.removeprefix("torchvision:")
    if named != RESNET50 or not isinstance(network, ResNet):
        return False
    head = network.fc
    if not isinstance(head, nn.Linear) or head.bias is None or network.conv1.in_channels != 3:
        return False
    return known.class_names is None or len(known.class_names) == head.out_features


def _resnet50(
    found: Found, known: Told, preprocessing: Preprocessing, *, fast: bool
) -> ResNet50FineTuned:
    network = found.network
    assert isinstance(network, ResNet)  # `_is_plain_resnet50` has looked  # noqa: S101
    num_classes = network.fc.out_features
    known.check_names(num_classes)
    with torch.device("meta"):  # nothing is drawn at random that is replaced at once
        model = ResNet50FineTuned(num_classes, weights=None)
    model.resnet50 = network.requires_grad_(False)
    model.resnet50.fc.requires_grad_(True)
    model.class_names = tuple(known.class_names or guess_class_names(network, num_classes))
    model.preprocessing = preprocessing
    model.multi_label = model.multi_label if known.multi_label is None else known.multi_label
    model.fast = fast
    model.enable_gradcam_mode()
    return model.eval()


def _any(found: Found, known: Told, preprocessing: Preprocessing) -> CAM:
    name = found.provenance.architecture
    try:
        return CAM(
            found.network,
            class_names=known.class_names,
            preprocessing=preprocessing,
            multi_label=known.multi_label,
            # What the head takes are features, which a detector knows the training's of.
            logits_layer=None if found.from_library else last_linear(found.network),
        )
    except ValueError as error:
        raise CheckpointError(f"{name}: {error}") from error
    except (AssertionError, RuntimeError) as error:  # a network asserts the size that it takes
        raise CheckpointError(
            f"{name} does not take an input of {preprocessing.size} pixels ({error}): name its "
            "input size"
        ) from error


def _calibrate(model: ResNet50FineTuned | CAM, header: Checkpoint | None, told: Told) -> None:
    """Take over what was learnt about the logits, where they are still the same."""
    if header is None:
        return
    model.trained_on = str(header.training.get("source", ""))
    if header.finding is not None:  # the class may have another name now
        model.finding = model.class_names[header.class_names.index(header.finding)]
    if told.changes_logits:
        return
    point = header.calibration.operating_point
    if point is not None:  # the class may have another name now
        name = model.class_names[header.class_names.index(point.class_name)]
        point = replace(point, class_name=name)
    model.calibration = replace(header.calibration, operating_point=point)
    model.ood_detector = header.ood_detector


def _assumptions(model: ResNet50FineTuned | CAM, found: Found, told: Told) -> list[str]:
    """Name what neither the caller nor the file said."""
    made = [] if found.header is None else _still_open(found.header.assumptions, told)
    if found.assumed:
        made.append(found.assumed)
    if found.header is not None and told.changes_logits and _is_calibrated(found.header):
        made.append(_OTHER_INPUT)
    if not found.is_described:
        if told.mean is None or told.std is None:
            whose = "timm's" if hasattr(found.network, "pretrained_cfg") else "ImageNet"
            made.append(f"{whose} {_STATISTICS}")
        if told.input_size is None and built_for(found.network) is None:
            made.append(f"input of {model.preprocessing.size} {_SIZE}")
    if found.header is None:
        if told.class_names is None and model.class_names[0] == "class 0":
            made.append(_NAMES)
        if told.multi_label is None and len(model.class_names) > 1 and not model.multi_label:
            made.append(_ONE_CLASS)
    return list(dict.fromkeys(made))


def _still_open(assumptions: tuple[str, ...], told: Told) -> list[str]:
    """Return what a converted file was assumed to be, and the caller does not say either."""
    said = {
        _STATISTICS: told.mean is not None and told.std is not None,
        _SIZE: told.input_size is not None,
        _NAMES: told.class_names is not None,
        _ONE_CLASS: told.multi_label is not None,
    }
    closed = tuple(ending for ending, is_said in said.items() if is_said)
    return [each for each in assumptions if not (closed and each.endswith(closed))]


def _is_calibrated(header: Checkpoint) -> bool:
    return header.calibration != Calibration() or header.ood_detector is not None


def _settings(model: ResNet50FineTuned | CAM) -> str:
    used = {
        "class_names": model.class_names,
        "preprocessing": asdict(model.preprocessing),
        "multi_label": model.multi_label,
    }
    return json.dumps(used, sort_keys=True)
