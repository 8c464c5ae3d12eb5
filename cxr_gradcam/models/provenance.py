"""Where a model's weights come from, for tables, reports and DICOM results."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

RESNET50 = "resnet50"
"""The architecture of the package's own network."""


@dataclass(frozen=True)
class Provenance:
    """Where a model's weights come from, as they were loaded.

    Args:
        name: the file's name without folder and extension, or the name of a library's weights.
        sha256: checksum of the file or, without a file, of the tensors; hexadecimal digits.
        architecture: the network: a name of torchvision, "timm:NAME", "torchxrayvision:NAME" or
            "transformers:TYPE".
        settings: classes and preprocessing as JSON, if the file does not contain them; else "".
    """

    name: str
    sha256: str
    architecture: str = RESNET50
    settings: str = ""

    @property
    def identity(self) -> str:
        """64 hexadecimal digits that identify weights together with their settings."""
        if not self.settings:
            return self.sha256
        return hashlib.sha256(f"{self.sha256} {self.settings}".encode()).hexdigest()

    @classmethod
    def of_file(cls, path: Path, architecture: str, name: str = "") -> Provenance:
        """Describe the weights of a file.

        Args:
            path: the file.
            architecture: the network, as in `Provenance`.
            name: the name of the weights; "" for the file's name.

        Raises:
            OSError: the file cannot be read.
        """
        return cls(name or name_of(path), file_sha256(path), architecture)

    @classmethod
    def of_tensors(cls, name: str, tensors: Mapping[str, Tensor], architecture: str) -> Provenance:
        """Describe weights without their own file, such as a library's.

        Args:
            name: the name of the weights.
            tensors: the tensors by name.
            architecture: the network, as in `Provenance`.
        """
        digest = hashlib.sha256()
        for key in sorted(tensors):
            tensor = tensors[key].detach().cpu().contiguous()
            digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.numpy().tobytes())
        return cls(name, digest.hexdigest(), architecture)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def name_of(source: str | os.PathLike[str]) -> str:
    """Return the name of a file or repository, without folders and extensions of weights.

    Example:
        >>> name_of("runs/best.pth.tar"), name_of("hf://owner/chest")
        ('best', 'chest')
    """
    name = Path(source).name
    for suffix in (".tar", ".safetensors", ".pth", ".pt", ".ckpt", ".bin"):
        name = name.removesuffix(suffix)
    return name
