"""The identity of an algorithm and of its results, and unique identifiers derived from both."""

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
        name: name of the model.
        version: version of the software.
        checksum: SHA-256 of the weights, in hexadecimal digits.
        settings: how the weights are used, as in `Provenance`.
    """

    name: str
    version: str
    checksum: str
    settings: str = ""

    @property
    def identity(self) -> str:
        """64 hexadecimal digits that identify the weights and the settings for their use."""
        return Provenance(self.name, self.checksum, settings=self.settings).identity

    @classmethod
    def of_model(cls, model: Classifier) -> Algorithm:
        """Identify the weights that a model was loaded with.

        Args:
            model: a model from `load_model` or `ResNet50FineTuned.from_checkpoint`.

        Returns:
            The algorithm.

        Raises:
            ValueError: the model was not loaded from weights.
        """
        if model.provenance is None:
            raise ValueError(
                "results name the weights that made them, and the weights of this network are not "
                "known: load them by load_model"
            )
        return cls.of_provenance(model.provenance)

    @classmethod
    def of_provenance(cls, known: Provenance) -> Algorithm:
        """Identify weights by their provenance.

        Args:
            known: the provenance of the weights.

        Returns:
            The algorithm.
        """
        return cls(known.name, software_version(), known.sha256, known.settings)

    @classmethod
    def of_weights(cls, source: str | os.PathLike[str] | None = None) -> Algorithm:
        """Identify the weights that `ResNet50FineTuned.from_checkpoint` loads from a source.

        Args:
            source: a file or the name of a repository; None for the bundled weights.

        Returns:
            The algorithm, with the file's name as the model's name.

        Raises:
            CheckpointError: the file cannot be fetched.
            OSError: the file cannot be read.
        """
        weights = bundled_checkpoint() if source is None else source
        return cls(Path(weights).stem, software_version(), checksum(weights))


def software_version() -> str:
    """Return the version of this package, or "unknown" if it is not installed."""
    try:
        return version("cxr-gradcam")
    except PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True, eq=False)
class Result:
    """The explanation of a radiograph, with all data for making DICOM objects.

    Args:
        header: header of the radiograph, as `read_header` returns it.
        explanation: explanation of the radiograph.
        algorithm: the algorithm that made the explanation.
    """

    header: SourceHeader
    explanation: Explanation
    algorithm: Algorithm

    def uid(self, *what: str) -> str:
        """Derive a unique identifier from radiograph, weights and question.

        A name-based UUID (RFC 9562, version 5) as a UID under 2.25 (PS3.5 B.2).

        Args:
            what: names of the part of the result that is identified.

        Returns:
            The UID.
        """
        question = json.dumps(self.explanation.question.identity())
        image = str(self.header.image.SOPInstanceUID)
        return derived_uid(image, self.algorithm.identity, question, *what)

    @property
    def title(self) -> str:
        """The method and the question, in words."""
        question = self.explanation.question
        return f"{METHODS[question.method].label} {question}"

    @property
    def finding(self) -> str:
        """The class that the report is about: the finding, or the most probable class."""
        return self.explanation.finding or self.explanation.prediction.most_probable


def derived_uid(*name: str) -> str:
    """Derive a UID from a name.

    Args:
        name: the parts of the name.

    Returns:
        "2.25." and a number of at most 39 digits; the same name always gives the same UID.

    Example:
        >>> derived_uid("a", "b") == derived_uid("a", "b") != derived_uid("ab")
        True
    """
    return f"2.25.{uuid5(_NAMESPACE, json.dumps(name)).int}"
