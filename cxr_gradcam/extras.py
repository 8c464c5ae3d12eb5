"""Packages that only some users need, and the line that installs them."""

from __future__ import annotations

from importlib.util import find_spec

EXTRAS: dict[str, tuple[str, ...]] = {
    "app": ("gradio", "matplotlib", "typst", "huggingface_hub"),
    "archive": ("highdicom", "pynetdicom", "dicomweb_client", "filelock", "platformdirs"),
    "batch": ("pyarrow",),
    "mcp": ("mcp",),
    "ray": ("ray",),
    "train": ("scipy", "sklearn", "matplotlib"),
    "transformers": ("transformers",),
}
"""The modules that each extra of the distribution installs, if they are imported here."""


class MissingExtraError(ImportError, ValueError):
    """A package is not installed; the message names the line that installs it."""


def require(extra: str, what: str) -> None:
    """Raise an error if the packages of an extra are missing.

    Args:
        extra: a name of `EXTRAS`.
        what: what needs the packages, as the beginning of a sentence.

    Raises:
        MissingExtraError: one of the packages is not installed.
    """
    missing = [name for name in EXTRAS[extra] if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"{what} needs {', '.join(missing)}: pip install 'cxr-gradcam[{extra}]'"
        )


def missing_extra(error: ModuleNotFoundError) -> MissingExtraError | None:
    """Return the error that names the extra of a module that cannot be imported.

    Args:
        error: the error raised by an import.

    Returns:
        The error to raise instead; None if the module belongs to no extra.
    """
    module = (error.name or "").split(".")[0]
    for extra, modules in EXTRAS.items():
        if module in modules:
            return MissingExtraError(f"This needs {module}: pip install 'cxr-gradcam[{extra}]'")
    return None
