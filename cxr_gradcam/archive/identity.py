"""Who says what about which image: the algorithm, the result, and unique identifiers from both."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from uuid import UUID, uuid5

from cxr_gradcam.archive.header import SourceHeader
from cxr_gradcam.bundled import bundled_checkpoint
from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.explanation import Explanation
from cxr_gradcam.models.checkpoint import checksum
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.models.provenance import Provenance

MANUFACTURER = "cxr_gradcam"
DISCLAIMER = "research, not for diagnosis"

_NAMESPACE = UUID("5e2f6f0c-7b0e-5b6d-9c39-3f6a4a1b8d72")


@dataclass(frozen=True)
class Algorithm:
    """The software and the weights that made a result.

    Args:
        name: of the model.
        version: of the software.
        checksum: SHA-256 of the weights, in hexadecimal digits.
        settings: as of `Provenance`.
    """

    name: str
    version: str
    checksum: str
    settings: str = ""

    @property
    def identity(self) -> str:
        """64 hexadecimal digits: other weights, or the same used otherwise, have others."""
        return Provenance(self.name, self.checksum, settings=self.settings).identity

    @classmethod
    def of_model(cls, model: Classifier) -> Algorithm:
        """Identify the weights that a model was loaded with.

        Args:
            model: of `load_model` or `ResNet50FineTuned.from_checkpoint`.

        Raises:
            ValueError: it was not loaded, and nobody knows which weights it has.
        """
        if model.provenance is None:
            raise ValueError(
                "a result names the weights that made it, and this network's are not known: load "
                "them by load_model"
            )
        return cls.of_provenance(model.provenance)

    @classmethod
    def of_provenance(cls, known: Provenance) -> Algorithm:
        """Identify weights by where they come from."""
        return cls(known.name, software_version(), known.sha256, known.settings)

    @classmethod
    def of_weights(cls, source: str | os.PathLike[str] | None = None) -> Algorithm:
        """Identify the weights that `ResNet50FineTuned.from_checkpoint` loads from a source.

        Args:
            source: as there; None for the bundled ones.

        Returns:
            The algorithm, its model named after the file.

        Raises:
            CheckpointError: the file cannot be fetched.
            OSError: it cannot be read.
        """
        weights = bundled_checkpoint() if source is None else source
        return cls(Path(weights).stem, software_version(), checksum(weights))


def software_version() -> str:
    """Return the version of this package, or "unknown" where it is not installed."""
    try:
        return version("cxr-gradcam")
    except PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True, eq=False)
class Result:
    """What an algorithm found on an image, ready to be written down.

    Args:
        header: of the source image, as `read_header` returns it.
        explanation: of that image.
        algorithm: what made it.
    """

    header: SourceHeader
    explanation: Explanation
    algorithm: Algorithm

    def uid(self, *what: str) -> str:
        """Derive a unique identifier: the same image, weights and question have the same.

        A name-based UUID (RFC 9562, version 5) as a UID under 2.25 (PS3.5 B.2).

        Args:
            what: what of this result is identified.

        Returns:
            The UID.
        """
        question = json.dumps(self.explanation.question.identity())
        image = str(self.header.image.SOPInstanceUID)
        return derived_uid(image, self.algorithm.identity, question, *what)

    @property
    def title(self) -> str:
        """What the map shows, in words."""
        question = self.explanation.question
        return f"{METHODS[question.method].label} {question}"

    @property
    def finding(self) -> str:
        """The class that the report is about: that of the operating point, or the predicted."""
        return self.explanation.finding or self.explanation.prediction.most_probable


def derived_uid(*name: str) -> str:
    """Derive a UID from a name.

    Args:
        name: its parts.

    Returns:
        "2.25." and a number of at most 39 digits; always the same for the same name.

    Example:
        >>> derived_uid("a", "b") == derived_uid("a", "b") != derived_uid("ab")
        True
    """
    return f"2.25.{uuid5(_NAMESPACE, json.dumps(name)).int}"
