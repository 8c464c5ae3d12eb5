"""The order of the packages: imports go downwards only."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cxr_gradcam

PACKAGE = Path(cxr_gradcam.__file__).parent

FLOORS = (
    {"imaging", "synthetic", "cam", "bundled", "atomic_files", "extras", "quick_import"},
    {"models", "data"},
    {"anatomy"},
    {"explanation"},
    {"report"},
    {"training", "evaluation"},
    {"batch", "archive"},
    {"web", "cli"},
    {"app"},
)
"""The packages, and modules beside them, from the lowest floor to the highest."""

FORBIDDEN = {
    ("cam", "imaging"),
    ("imaging", "cam"),
    ("models", "data"),
    ("training", "evaluation"),
    ("evaluation", "training"),
    ("web", "cli"),
    ("cli", "web"),
}
"""On one floor, or against the floors' order, these never know each other."""

WITHIN = {
    ("synthetic", "imaging"),
    ("data", "models"),
}
"""What knows its neighbour on the same floor."""

AT_HOME = {
    "gradio": {"web", "app"},
    "scipy": {"training", "evaluation"},
    "sklearn": {"training", "evaluation", "synthetic"},  # its photographs are no chests
    "highdicom": {"archive"},
    "pynetdicom": {"archive"},
    "dicomweb_client": {"archive"},
    "ray": {"batch"},
    "torch": {"cam", "models", "data", "anatomy", "training", "evaluation", "explanation"}
    | {"report", "batch", "archive", "web", "cli", "app"},
}
"""Libraries, and the only places that may import them."""

FACADES = {"__init__", "__main__"}
"""These may import from everywhere, and nobody imports from them."""


def module_files() -> dict[str, Path]:
    """Every module of the package and app.py, by its dotted name inside the package."""
    files = {"app": PACKAGE.parent / "app.py"}
    for path in PACKAGE.rglob("*.py"):
        if "assets" not in path.parts:
            files[".".join(path.relative_to(PACKAGE).with_suffix("").parts)] = path
    return files


def imported(source: str) -> set[str]:
    """The modules that a source imports, wherever the statement stands."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def packages(source: str) -> set[str]:
    """The packages of ours that a source imports from."""
    ours = (name.split(".") for name in imported(source) if name.startswith("cxr_gradcam."))
    return {parts[1] for parts in ours if len(parts) > 1} | {
        "app" for name in imported(source) if name.split(".")[0] == "app"
    }


def floor_of(package: str) -> int:
    return next(number for number, floor in enumerate(FLOORS) if package in floor)


def upward(source: str, package: str) -> set[str]:
    """What a source of a package imports though it may not."""
    known = packages(source) - {package}
    floor = floor_of(package)
    return {
        other
        for other in known
        if (package, other) in FORBIDDEN
        or (floor_of(other) >= floor and (package, other) not in WITHIN)
    }


MODULES = {name: path for name, path in module_files().items() if name not in FACADES}


def test_every_package_has_its_floor():
    known = set().union(*FLOORS)
    assert {name.split(".")[0] for name in MODULES} <= known


@pytest.mark.parametrize(("module", "path"), MODULES.items(), ids=MODULES)
def test_imports_go_downwards_only(module, path):
    source = path.read_text(encoding="utf-8")
    assert upward(source, module.split(".")[0]) == set()


@pytest.mark.parametrize(("module", "path"), MODULES.items(), ids=MODULES)
def test_libraries_stay_at_home(module, path):
    top = {name.split(".")[0] for name in imported(path.read_text(encoding="utf-8"))}
    for library, homes in AT_HOME.items():
        assert library not in top or module.split(".")[0] in homes, library


def test_openvino_is_imported_where_its_report_of_use_is_hidden():
    importers = {
        name
        for name, path in MODULES.items()
        for full in imported(path.read_text(encoding="utf-8"))
        if full.split(".")[0] == "openvino"
    }
    assert importers == {"models.graph.openvino_runtime"}


@pytest.mark.parametrize(
    "source",
    [
        "from cxr_gradcam.imaging.rendering import overlay",
        "import cxr_gradcam.models.resnet50",
        "from cxr_gradcam import explanation",
        "def overlay():\n    from cxr_gradcam.imaging.rendering import overlay",
        "import app",
    ],
)
def test_an_import_that_goes_upwards_is_seen(source):
    assert upward(source, "cam")


def test_no_module_imports_in_a_circle():
    graph = {name: set() for name in MODULES}
    for name, path in MODULES.items():
        for full in imported(path.read_text(encoding="utf-8")):
            parts = full.removeprefix("cxr_gradcam.").split(".")
            graph[name] |= {".".join(parts[:n]) for n in (1, 2, 3)} & graph.keys() - {name}
    while graph:
        free = {name for name, below in graph.items() if not below & graph.keys()}
        assert free, f"a circle among {sorted(graph)}"
        graph = {name: below for name, below in graph.items() if name not in free}


def test_no_file_is_long_and_no_folder_full():
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > 300} == {}
    folders = [name.rpartition(".")[0] for name in MODULES]
    assert max(folders.count(folder) for folder in folders) <= 15


def test_the_package_starts_without_what_only_studies_need():
    code = (
        "import sys, cxr_gradcam; cxr_gradcam.ResNet50FineTuned.from_checkpoint;"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    run = [sys.executable, "-c", code]
    loaded = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
    assert "torch" in loaded
    assert not {"scipy", "sklearn", "matplotlib", "gradio"} & {*loaded}
