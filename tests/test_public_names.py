"""What README and docs show works: imports, commands, names of earlier releases, examples."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import cxr_gradcam
from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.cli import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)
IMPORTS = sorted(set(re.findall(r"^from (cxr_gradcam[\w.]*) import ([\w, ]+)$", TEXT, re.M)))
SHOWN_COMMANDS = sorted(set(re.findall(r"-m cxr_gradcam ([a-z-]+)", TEXT)))
MODULES = [
    module.name
    for module in pkgutil.walk_packages(cxr_gradcam.__path__, "cxr_gradcam.")
    if not module.name.endswith("__main__") and ".assets" not in module.name
]


def test_the_pages_show_imports_and_commands():
    assert len(IMPORTS) >= 5
    assert {"explain", "train", "calibrate", "evaluate", "model-card", "demo"} <= {*SHOWN_COMMANDS}


@pytest.mark.parametrize(("module", "names"), IMPORTS)
def test_an_import_that_the_docs_show_works(module, names):
    found = importlib.import_module(module)
    assert all(hasattr(found, name.strip()) for name in names.split(","))


@pytest.mark.parametrize("command", SHOWN_COMMANDS)
def test_a_command_that_the_docs_show_is_there(command):
    assert command in COMMANDS


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("cam", ["gradcam", "layercam", "fuse", "upsample", "METHODS"]),
        ("training", ["train", "Recipe", "calibrate"]),
        ("evaluation", ["evaluate"]),
        ("batch", ["explain_files"]),
    ],
)
def test_packages_offer_their_documented_names(module, names):
    found = importlib.import_module(f"cxr_gradcam.{module}")
    assert all(hasattr(found, name) for name in names)


def test_the_contract_of_the_constructor_is_positional():
    model = ResNet50FineTuned(3, False, True, weights=None)
    assert model.gradcam_enabled
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name):
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0
