"""The state of an unfinished training, kept beside its output, so that it can continue."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from cxr_gradcam.atomic_files import atomic_files


def resume_file(output: Path) -> Path:
    """Return the path of the state that belongs to an output."""
    return output.with_suffix(".resume.pt")


def read_resume(output: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the saved state of an unfinished run.

    Args:
        output: the file that the run finally writes.
        identity: data that must be the same, so that a run never continues with other settings or
            data.

    Returns:
        The state; None if there is no unfinished run.

    Raises:
        ValueError: the unfinished run has another identity.
    """
    path = resume_file(output)
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if {name: state.get(name) for name in identity} != dict(identity):
        raise ValueError(
            f"{path} belongs to an unfinished run with another recipe, other pictures, weights "
            "or teachers: delete it to start anew, or choose another output"
        )
    return state


def write_resume(output: Path, state: Mapping[str, Any]) -> None:
    """Write the state of a run, including its identity, beside its output."""
    path = resume_file(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_files(path) as [partial]:
        torch.save(dict(state), partial)
