"""Options and messages that several commands share."""

from __future__ import annotations

import argparse
import atexit
import inspect
import os
import re
import sys
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar, cast

from cxr_gradcam.data.patients import PatientRules
from cxr_gradcam.data.split import Sources

Recipe = TypeVar("Recipe")

FAILED_SOME, FAILED, INTERRUPTED = 1, 2, 130
"""Exit statuses: some of several inputs failed; the command failed; Ctrl-C, as in shells."""

DATA_HELP = (
    "a folder of radiographs with one folder per class, or with parts (train, val, test) that hold "
    "the class folders; [NAME=]A+B: two folders that are one source"
)
READS_HELP = (
    "tables of what radiologists saw, with the columns image,age,view,read; each lies beside the "
    "class folders that it describes"
)


def keep_fonts_out_of_home() -> None:
    """Make matplotlib keep its list of fonts in a folder that is removed when the process ends."""
    if "MPLCONFIGDIR" not in os.environ and "matplotlib" not in sys.modules:
        folder = TemporaryDirectory(prefix="cxr_gradcam-matplotlib-")
        atexit.register(folder.cleanup)
        os.environ["MPLCONFIGDIR"] = folder.name


def complain(message: str) -> None:
    """Print an error in one line to stderr."""
    print("error:", " ".join(message.split()), file=sys.stderr)


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add the folders of a training, and the tables about their radiographs."""
    parser.add_argument(
        "data",
        nargs="+",
        type=Path,
        metavar="DATA",
        help=DATA_HELP,
    )
    further = {
        "--cut-outs": ("DATA", "further sources: lungs cut out on black"),
        "--noisy": ("DATA", "further sources, whose labels are often wrong"),
        "--reads": ("CSV", READS_HELP),
    }
    for name, (metavar, text) in further.items():
        parser.add_argument(name, nargs="+", type=Path, default=[], metavar=metavar, help=text)
    add_left_out(parser)
    add_patients_and_finding(parser)


def add_left_out(parser: argparse.ArgumentParser) -> None:
    """Add the option for patients to leave out."""
    parser.add_argument(
        "--left-out",
        type=Path,
        metavar="CSV",
        help="a CSV whose column patient names the patients to leave out",
    )


def add_recipe(parser: argparse.ArgumentParser, recipe: type) -> None:
    """Add the options of every training: output, origin of the X-rays, and recipe.

    Args:
        parser: parser of a training command.
        recipe: a dataclass whose fields all have defaults; its docstring describes each.
    """
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE.safetensors", help="the file to write"
    )
    parser.add_argument(
        "--source", default="", metavar="TEXT", help="where the X-rays come from, and their licence"
    )
    texts = _attributes(recipe)
    for field in fields(recipe):
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=type(field.default),
            default=field.default,
            help=f"{texts[field.name]}; default: %(default)s",
        )


def _attributes(recipe: type) -> dict[str, str]:
    """Return what the docstring of a dataclass says about each attribute."""
    described = inspect.cleandoc(recipe.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", described, re.DOTALL | re.MULTILINE)
    return {name: " ".join(text.split()).rstrip(".") for name, text in found}


def recipe_of(options: argparse.Namespace, recipe: type[Recipe]) -> Recipe:
    """Return the recipe from the options of `add_recipe`."""
    names = [field.name for field in fields(cast("Any", recipe))]
    return recipe(**{name: getattr(options, name) for name in names})


def training_sources(options: argparse.Namespace) -> Sources:
    """Return the folders and tables from the options of `add_sources`."""
    return Sources(
        options.data,
        options.cut_outs,
        options.noisy,
        options.reads,
        options.left_out,
        patient_rules(options),
        options.finding,
    )


def add_patients_and_finding(parser: argparse.ArgumentParser) -> None:
    """Add the options for identifying patients, and for the finding."""
    add_patients(parser)
    parser.add_argument(
        "--finding",
        metavar="CLASS",
        help="the class that is the finding; default: the one that is not called normal, healthy, "
        "negative, control or the like",
    )


def add_patients(parser: argparse.ArgumentParser) -> None:
    """Add how patients are told."""
    parser.add_argument(
        "--patients",
        type=Path,
        metavar="CSV",
        help="a CSV with the columns image and patient",
    )
    parser.add_argument(
        "--patient-pattern",
        metavar="REGEX",
        help="a regular expression whose first group is the patient in a file's path below DATA; "
        "default: the layouts of MIMIC-CXR, CheXpert, MURA, Kermany, NIH and others, and PatientID "
        "of DICOM files",
    )


def patient_rules(options: argparse.Namespace) -> PatientRules:
    """Return how patients are identified, from the options of `add_patients_and_finding`."""
    return PatientRules(options.patient_pattern, options.patients)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option for JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON")
