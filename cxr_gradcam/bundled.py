"""The bundled data: the weights, the example radiographs, the measured results."""

from __future__ import annotations

from pathlib import Path


def bundled_checkpoint() -> Path:
    """Return the path of the bundled weights."""
    return assets() / "cxr_resnet50.safetensors"


def assets() -> Path:
    """Return the folder of the weights and example radiographs, installed or beside the package."""
    package = Path(__file__).parent
    installed = package / "assets"
    return installed if installed.is_dir() else package.parent / "assets"


def example_files() -> list[Path]:
    """List the bundled example radiographs."""
    return sorted((assets() / "examples").glob("*.png"))
