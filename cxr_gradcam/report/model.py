"""The model of a report: its name, its checksum, and its measured performance."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_gradcam.bundled import assets, bundled_checkpoint
from cxr_gradcam.models.checkpoint import checksum
from cxr_gradcam.models.classifier import Classifier

UNKNOWN = "a network that was not loaded from a file"
_METRICS = ("auc", "sensitivity", "specificity")


@dataclass(frozen=True)
class Measured:
    """The performance for a finding on one group of X-rays.

    Attributes:
        finding: the class.
        group: name of the group of X-rays in the model card.
        images: number of X-rays.
        values: {"auc", "sensitivity", "specificity": (value, low, high)}, with the 95 % interval.
    """

    finding: str
    group: str
    images: int
    values: dict[str, tuple[float, float, float]]


@dataclass(frozen=True)
class ReportedModel:
    """The data of a model in a report.

    Attributes:
        name: name of the model.
        checksum: SHA-256 of the weights in hexadecimal digits; "" if they have no file.
        measured: performance on X-rays not used in training; empty if none is stored.
    """

    name: str
    checksum: str = ""
    measured: tuple[Measured, ...] = ()

    @classmethod
    def of_model(cls, model: Classifier) -> ReportedModel:
        """Describe a model, by the weights that it was loaded with."""
        known = model.provenance
        if known is None:
            return cls(UNKNOWN)
        measured = () if known.settings else tuple(_measured(known.sha256))
        return cls(known.name, known.sha256, measured)

    @classmethod
    def of_weights(cls, source: str | os.PathLike[str] | None = None) -> ReportedModel:
        """Describe the weights that `ResNet50FineTuned.from_checkpoint` loads from a source.

        Args:
            source: a file or the name of a repository; None for the bundled weights.

        Raises:
            CheckpointError: the file cannot be fetched.
            OSError: the file cannot be read.
        """
        weights = bundled_checkpoint() if source is None else source
        digits = checksum(weights)
        return cls(Path(weights).stem, digits, tuple(_measured(digits)))


def _measured(digits: str) -> Iterator[Measured]:
    """Read the stored results of weights: for all X-rays, and by source."""
    for path in sorted((assets() / "results").glob("*.json")):
        result = json.loads(path.read_text("utf-8"))
        if result.get("weights_sha256") != digits:
            continue
        for finding, figures in result.get("findings", {}).items():
            for group, found in figures["groups"].items():
                if group == "all" or group.startswith("source "):
                    yield Measured(finding, group, found["images"], _values(found))


def _values(found: dict[str, Any]) -> dict[str, tuple[float, float, float]]:
    return {
        name: (found[name]["value"], found[name]["low"], found[name]["high"])
        for name in _METRICS
        if name in found
    }
