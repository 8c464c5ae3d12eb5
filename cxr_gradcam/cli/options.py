"""Options and messages that several commands share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cxr_gradcam.data.image_folder import PATIENT_PATTERN

FAILED_SOME, FAILED = 1, 2
"""Exit statuses: some of several inputs failed; the command failed."""


def complain(message: str) -> None:
    """Print an error in one line to stderr."""
    print("error:", " ".join(message.split()), file=sys.stderr)


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add the folders of a training."""
    parser.add_argument(
        "data", nargs="+", type=Path, metavar="DATA", help="a source's folder, with one per class"
    )
    parser.add_argument(
        "--noisy",
        nargs="+",
        type=Path,
        default=[],
        metavar="DATA",
        help="further sources, whose labels are often wrong",
    )
    add_patient_pattern(parser)


def add_patient_pattern(parser: argparse.ArgumentParser) -> None:
    """Add the pattern that names patients."""
    parser.add_argument(
        "--patient-pattern",
        default=PATIENT_PATTERN,
        metavar="REGEX",
        help="its first group names the patient in a file name",
    )


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Add the weights that a command works with."""
    parser.add_argument(
        "--weights", metavar="SOURCE", help="a .safetensors file or hf://owner/name"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the choice of JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON")
