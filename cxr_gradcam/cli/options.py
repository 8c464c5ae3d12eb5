"""Options and messages that several commands share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cxr_gradcam.data.folders import PATIENT_PATTERN
from cxr_gradcam.data.split import Sources

FAILED_SOME, FAILED, INTERRUPTED = 1, 2, 130
"""Exit statuses: some of several inputs failed; the command failed; Ctrl-C, as shells have it."""

DATA_HELP = "a source's folder, with one per class; [NAME=]A+B: two that are one source"
READS_HELP = "what radiologists saw: image,age,view,read; beside the class folders it describes"


def complain(message: str) -> None:
    """Print an error in one line to stderr."""
    print("error:", " ".join(message.split()), file=sys.stderr)


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add the folders of a training, and what is known of their radiographs."""
    parser.add_argument(
        "data",
        nargs="+",
        type=Path,
        metavar="DATA",
        help=DATA_HELP,
    )
    further = {
        "--cut-outs": ("DATA", "further sources, of lungs alone on black: outlines are exchanged"),
        "--noisy": ("DATA", "further sources, whose labels are often wrong"),
        "--reads": ("CSV", READS_HELP),
    }
    for name, (metavar, text) in further.items():
        parser.add_argument(name, nargs="+", type=Path, default=[], metavar=metavar, help=text)
    parser.add_argument(
        "--left-out",
        type=Path,
        metavar="CSV",
        help="its column patient names those that nothing is learnt from",
    )
    add_patient_pattern(parser)


def training_sources(options: argparse.Namespace) -> Sources:
    """Return what the options of `add_sources` name."""
    return Sources(
        options.data,
        options.cut_outs,
        options.noisy,
        options.reads,
        options.left_out,
        options.patient_pattern,
    )


def add_patient_pattern(parser: argparse.ArgumentParser) -> None:
    """Add the pattern that names patients."""
    parser.add_argument(
        "--patient-pattern",
        default=PATIENT_PATTERN,
        metavar="REGEX",
        help="its first group names the patient in a file name",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the choice of JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON")
