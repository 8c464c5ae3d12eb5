"""Files that are not PyTorch weights, or only wrap them: what they are, and what to do."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from cxr_gradcam.models.checkpoint import WEIGHTS

_SAVE = (
    "load it with the library that wrote it and save a state_dict of the PyTorch network: "
    'torch.save(model.state_dict(), "weights.pth")'
)
_NO_HOOKS = (
    "which has no hooks to make maps with: save the state_dict() of the model that it was made from"
)
_UNPACK = "unpack it and give the path of the file of weights inside"

_BEGINNINGS: tuple[tuple[bytes, str, str], ...] = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer in place of the weights",
        "run 'git lfs pull' in its repository, or download the file itself",
    ),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes .h5", _SAVE),
    (b"\x1f\x8b", "compressed by gzip", _UNPACK),
    (b"BZh", "compressed by bzip2", _UNPACK),
    (b"\xfd7zXZ", "compressed by xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"\x93NUMPY", "an array of NumPy", _SAVE),
    (b"GGUF", "a GGUF file of a language model", "give weights of an image classifier"),
)
"""First bytes, the format that they identify, and what to do."""


def advice(path: Path) -> str:
    """Return what a file is and what to do, if it holds no readable weights; else "".

    Args:
        path: an existing file; its name does not matter.
    """
    with path.open("rb") as file:
        start = file.read(512)
    for beginning, what, remedy in _BEGINNINGS:
        if start.startswith(beginning):
            return f"is {what}: {remedy}"
    if start[257:262] == b"ustar":
        return f"is a tar archive: {_UNPACK}"
    if start[4:8] == b"TFL3":
        return f"is a TensorFlow Lite model: {_SAVE}"
    if _is_onnx(path, start):
        return f"is an ONNX model, {_NO_HOOKS}"
    if start.startswith(b"PK"):
        return _advice_on_zip(path)
    if start.lstrip()[:1] == b"<":
        return (
            f"is no readable file of weights but a web page (it begins with {start[:15]!r}): "
            "download the file itself, from a link that leads to it directly"
        )
    return ""


def _is_onnx(path: Path, start: bytes) -> bool:
    """Return whether a file is ONNX; it has no signature, but begins with version and writer."""
    writers = (b"pytorch", b"onnx", b"tf2onnx", b"keras2onnx", b"skl2onnx")
    is_protobuf = start[:1] == b"\x08" and any(writer in start[:64] for writer in writers)
    return is_protobuf or path.suffix == ".onnx"


def _advice_on_zip(path: Path) -> str:
    if not zipfile.is_zipfile(path):
        return (
            "is no readable file of torch.save but the beginning of one: it was cut short; fetch "
            "it again"
        )
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.endswith("/data.pkl") or name == "data.pkl" for name in names):
        is_script = any(name.endswith(("/constants.pkl", "/code/")) for name in names)
        return f"is a TorchScript file, {_NO_HOOKS}" if is_script else ""
    return _advice_on_members(names)


def _advice_on_members(names: Sequence[str]) -> str:
    if "model.weights.h5" in names:
        return f"is a Keras model: {_SAVE}"
    exported = ("serialized_exported_program.json", "archive_format", "models/model.json")
    if any(name.endswith(exported) for name in names):
        return f"is a program of torch.export (.pt2), {_NO_HOOKS}"
    if any(name.endswith(".npy") for name in names):
        return f"is an archive of NumPy arrays (.npz): {_SAVE}"
    inside = [name for name in names if name.endswith((*WEIGHTS, ".h5"))]
    listed = f" with {', '.join(inside[:3])} in it" if inside else ""
    return f"is a ZIP archive{listed}, not a file of weights: {_UNPACK}"
