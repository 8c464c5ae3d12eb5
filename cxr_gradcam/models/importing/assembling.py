"""Make a model that can be explained from a network and its description."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

import torch
from torch import nn
from torchvision.models import ResNet

from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.calibration import Calibration
from cxr_gradcam.models.checkpoint import Checkpoint, CheckpointError
from cxr_gradcam.models.importing.overrides import LoadOverrides
from cxr_gradcam.models.library_records import (
    built_for,
    guess_class_names,
    guess_preprocessing,
    is_of_transformers,
    last_linear,
)
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.provenance import RESNET50, Provenance
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

_STATISTICS, _SIZE = "statistics assumed", "pixels assumed"
_NAMES = "classes are numbered: their names are not known"
_ONE_CLASS = "one class at a time assumed"
_OTHER_INPUT = "its calibration and detector left out, which were made for another input"


@dataclass(frozen=True)
class LoadedNetwork:
    """A network with its weights and its description.

    Args:
        network: the network, in eval mode.
        provenance: where the weights come from.
        assumed: the assumptions made to build the network, in words.
        header: the header of a file that this package wrote; None for other files.
        from_library: whether a library's own record says how the input is made.
    """

    network: nn.Module
    provenance: Provenance
    assumed: tuple[str, ...] = ()
    header: Checkpoint | None = None
    from_library: bool = False

    @property
    def is_described(self) -> bool:
        """Whether the file or the library says how the input is made."""
        return self.header is not None or self.from_library

    @property
    def default_preprocessing(self) -> Preprocessing:
        """How the input is made, unless the caller says otherwise."""
        return (
            guess_preprocessing(self.network) if self.header is None else self.header.preprocessing
        )


def assemble(
    loaded: LoadedNetwork, overrides: LoadOverrides, *, fast: bool
) -> ResNet50FineTuned | CAM:
    """Return a `ResNet50FineTuned` for a plain ResNet50, else a `CAM`.

    Args:
        loaded: the network with its weights.
        overrides: what the caller says; it has precedence.
        fast: whether a ResNet may be run by OpenVINO and in lower precision.

    Raises:
        CheckpointError: the overrides contradict the network, or no map can be made of it.
    """
    _check_finite(loaded)
    names = overrides.class_names or (None if loaded.header is None else loaded.header.class_names)
    multi_label = overrides.multi_label
    if multi_label is None and loaded.header is not None:
        multi_label = loaded.header.multi_label
    known = replace(overrides, class_names=names, multi_label=multi_label)
    preprocessing = overrides.preprocessing(loaded.default_preprocessing)
    if _is_plain_resnet50(loaded, known):
        model: ResNet50FineTuned | CAM = _resnet50(loaded, known, preprocessing, fast=fast)
    else:
        model = _any(loaded, known, preprocessing)
        model.fast = fast
    _calibrate(model, loaded.header, overrides)
    model.assumptions = tuple(_assumptions(model, loaded, overrides))
    model.provenance = loaded.provenance
    if not loaded.is_described or not overrides.is_empty:
        model.provenance = replace(loaded.provenance, settings=_settings(model))
    return model


def _check_finite(loaded: LoadedNetwork) -> None:
    """Refuse weights of a training that diverged, or that overflowed when they were stored."""
    for name, tensor in loaded.network.state_dict().items():
        if not bool(tensor.isfinite().all()):
            raise CheckpointError(
                f"the tensor {name} of these {loaded.provenance.architecture} weights is not "
                "finite everywhere: the training diverged, or half precision was too small for it; "
                "take an earlier checkpoint"
            )


def _is_plain_resnet50(loaded: LoadedNetwork, known: LoadOverrides) -> bool:
    network = loaded.network
    named = loaded.provenance.architecture.removeprefix("torchvision:")
    if named != RESNET50 or not isinstance(network, ResNet):
        return False
    head = network.fc
    if not isinstance(head, nn.Linear) or head.bias is None or network.conv1.in_channels != 3:
        return False
    return known.class_names is None or len(known.class_names) == head.out_features


def _resnet50(
    loaded: LoadedNetwork, known: LoadOverrides, preprocessing: Preprocessing, *, fast: bool
) -> ResNet50FineTuned:
    network = loaded.network
    assert isinstance(network, ResNet)  # noqa: S101 - checked by `_is_plain_resnet50`
    num_classes = network.fc.out_features
    known.check_names(num_classes)
    with torch.device("meta"):  # these weights are replaced at once
        model = ResNet50FineTuned(num_classes, weights=None)
    model.resnet50 = network.requires_grad_(False)
    model.resnet50.fc.requires_grad_(True)
    model.class_names = tuple(known.class_names or guess_class_names(network, num_classes))
    model.preprocessing = preprocessing
    model.multi_label = model.multi_label if known.multi_label is None else known.multi_label
    model.fast = fast
    model.enable_gradcam_mode()
    return model.eval()


def _any(loaded: LoadedNetwork, known: LoadOverrides, preprocessing: Preprocessing) -> CAM:
    name = loaded.provenance.architecture
    is_of_library = loaded.from_library or is_of_transformers(loaded.network)
    try:
        return CAM(
            loaded.network,
            class_names=known.class_names,
            preprocessing=preprocessing,
            multi_label=known.multi_label,
            # An out-of-distribution detector was fitted to the input of the last linear layer.
            logits_layer=None if is_of_library else last_linear(loaded.network),
        )
    except ValueError as error:
        raise CheckpointError(f"{name}: {error}") from error
    except (AssertionError, RuntimeError) as error:  # a network asserts the size that it takes
        raise CheckpointError(
            f"{name} does not take an input of {preprocessing.size} pixels ({error}): name its "
            "input size"
        ) from error


def _calibrate(
    model: ResNet50FineTuned | CAM, header: Checkpoint | None, overrides: LoadOverrides
) -> None:
    """Use the header's calibration of the logits, unless an override changes the logits."""
    if header is None:
        return
    model.trained_on = str(header.training.get("source", ""))
    if header.finding is not None:  # an override may have renamed the class
        model.finding = model.class_names[header.class_names.index(header.finding)]
    if overrides.changes_logits:
        return
    names = dict(zip(header.class_names, model.class_names, strict=True))
    model.calibration = header.calibration.renamed(names)  # an override may have renamed them
    model.ood_detector = header.ood_detector


def _assumptions(
    model: ResNet50FineTuned | CAM, loaded: LoadedNetwork, overrides: LoadOverrides
) -> list[str]:
    """List the settings that neither the caller nor the file gave."""
    assumed = [] if loaded.header is None else _still_open(loaded.header.assumptions, overrides)
    assumed += [*loaded.assumed, *model.assumptions]
    if loaded.header is not None and overrides.changes_logits and _is_calibrated(loaded.header):
        assumed.append(_OTHER_INPUT)
    if not loaded.is_described:
        if overrides.mean is None or overrides.std is None:
            whose = "timm's" if hasattr(loaded.network, "pretrained_cfg") else "ImageNet"
            assumed.append(f"{whose} {_STATISTICS}")
        if overrides.input_size is None and built_for(loaded.network) is None:
            assumed.append(f"input of {model.preprocessing.size} {_SIZE}")
    if loaded.header is None:
        if overrides.class_names is None and model.class_names[0] == "class 0":
            assumed.append(_NAMES)
        if overrides.multi_label is None and len(model.class_names) > 1 and not model.multi_label:
            assumed.append(_ONE_CLASS)
    return list(dict.fromkeys(assumed))


def _still_open(assumptions: tuple[str, ...], overrides: LoadOverrides) -> list[str]:
    """Return those assumptions of a converted file that no override settles."""
    settled = {
        _STATISTICS: overrides.mean is not None and overrides.std is not None,
        _SIZE: overrides.input_size is not None,
        _NAMES: overrides.class_names is not None,
        _ONE_CLASS: overrides.multi_label is not None,
    }
    closed = tuple(ending for ending, is_settled in settled.items() if is_settled)
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
