import ast
from pathlib import Path

import pytest

import cxr_gradcam

PACKAGE = Path(cxr_gradcam.__file__).parent
ORDER = (
    "cxr_gradcam.imaging.dicom",
    "cxr_gradcam.imaging",
    "cxr_gradcam.imaging.reading",
    "cxr_gradcam.synthetic",
    "cxr_gradcam.synthetic.chest",
    "cxr_gradcam.models",
    "cxr_gradcam.models.preprocessing",
    "cxr_gradcam.models.calibration",
    "cxr_gradcam.models.ood",
    "cxr_gradcam.models.checkpoint",
    "cxr_gradcam.cam",
    "cxr_gradcam.cam.gradient_methods",
    "cxr_gradcam.cam.methods",
    "cxr_gradcam.cam.perturbation_methods",
    "cxr_gradcam.cam.targets",
    "cxr_gradcam.cam.hooks",
    "cxr_gradcam.cam.layers",
    "cxr_gradcam.cam.forward_pass",
    "cxr_gradcam.models.fast_trunk",
    "cxr_gradcam.models.split_pass",
    "cxr_gradcam.imaging.rendering",
    "cxr_gradcam.models.resnet50",
    "cxr_gradcam.models.any_classifier",
    "cxr_gradcam.explanation",
    "cxr_gradcam",
    "cxr_gradcam.training.appearance",
    "cxr_gradcam.training.augmentation",
    "cxr_gradcam.data",
    "cxr_gradcam.data.image_folder",
    "cxr_gradcam.evaluation.metrics",
    "cxr_gradcam.evaluation",
    "cxr_gradcam.evaluation.classification",
    "cxr_gradcam.evaluation.plots",
    "cxr_gradcam.evaluation.localization",
    "cxr_gradcam.data.cases",
    "cxr_gradcam.evaluation.faithfulness",
    "cxr_gradcam.synthetic.non_chest",
    "cxr_gradcam.evaluation.ood",
    "cxr_gradcam.evaluation.studies",
    "cxr_gradcam.evaluation.model_card",
    "cxr_gradcam.data.dataset",
    "cxr_gradcam.training.calibrate",
    "cxr_gradcam.training",
    "cxr_gradcam.training.trainer",
    "cxr_gradcam.batch.files",
    "cxr_gradcam.batch",
    "cxr_gradcam.cli.demo",
    "cxr_gradcam.cli.commands",
    "cxr_gradcam.cli",
    "cxr_gradcam.__main__",
    "cxr_gradcam.web",
    "cxr_gradcam.web.component",
    "cxr_gradcam.web.pixel_store",
    "cxr_gradcam.web.uploads",
    "cxr_gradcam.web.prediction",
    "cxr_gradcam.web.controls",
    "cxr_gradcam.web.session",
    "cxr_gradcam.web.viewer",
    "cxr_gradcam.web.gallery",
    "cxr_gradcam.web.events",
    "cxr_gradcam.web.page",
    "app",
)
"""A module imports only from those in front of it."""


def module_files() -> dict[str, Path]:
    """Every module of the package and app.py, by name."""
    files = {"app": PACKAGE.parent / "app.py"}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        files[".".join(parts).removesuffix(".__init__")] = path
    return files


def imports(source: str, module: str) -> set[str]:
    """The modules that a source imports, wherever the statement stands."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            submodules = {f"{origin}.{alias.name}" for alias in node.names} & {*ORDER}
            found |= submodules or {origin}
    return found


def backward(source: str, module: str) -> set[str]:
    """The imports of a module that run against the order."""
    allowed = ORDER[: ORDER.index(module)]
    own = {name for name in imports(source, module) if name.split(".")[0] in ("cxr_gradcam", "app")}
    return own - {*allowed}


def test_the_order_names_every_module_once():
    assert sorted(ORDER) == sorted(module_files())


@pytest.mark.parametrize(("module", "path"), module_files().items(), ids=module_files())
def test_no_import_runs_back(module, path):
    assert backward(path.read_text(encoding="utf-8"), module) == set()


@pytest.mark.parametrize(
    "source",
    [
        "from cxr_gradcam.imaging.rendering import overlay",
        "import cxr_gradcam.imaging.rendering",
        "from cxr_gradcam import render",
        "from cxr_gradcam import explain",
        "from .render import overlay",
        "from .. import render",
        "def overlay():\n    from cxr_gradcam.imaging.rendering import overlay",
        "from cxr_gradcam.unknown import overlay",
        "import app",
    ],
)
def test_an_import_that_runs_back_is_seen(source):
    assert backward(source, "cxr_gradcam.cam.gradient_methods")


def test_only_the_web_layer_knows_gradio():
    users = {
        module
        for module, path in module_files().items()
        if any(name.split(".")[0] == "gradio" for name in imports(path.read_text(), module))
    }
    assert users
    assert all(user.startswith("cxr_gradcam.web.") for user in users)


def test_web_and_command_line_do_not_know_each_other():
    for module, path in module_files().items():
        known = imports(path.read_text(), module)
        assert not (
            ".web" in module and known & {"cxr_gradcam.cli.commands", "cxr_gradcam.__main__"}
        )
        assert not ("cli" in module and any(".web" in name for name in known))
