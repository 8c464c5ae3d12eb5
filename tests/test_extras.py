"""What is missing is named with the line that installs it."""

import tomllib
from pathlib import Path

import pytest

from cxr_gradcam import extras
from cxr_gradcam.cli import main
from cxr_gradcam.extras import EXTRAS, MissingExtraError, require

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch):
    def hide(*names: str) -> None:
        found = extras.find_spec
        monkeypatch.setattr(
            extras, "find_spec", lambda name: None if name in names else found(name)
        )

    return hide


def test_the_apps_requirements_are_the_base_and_its_extras() -> None:
    root = Path(__file__).parents[1]
    listed = (root / "requirements.txt").read_text().split()
    extras_of = PROJECT["optional-dependencies"]
    app = [each for each in extras_of["app"] if not each.startswith("cxr-gradcam")]
    assert sorted(listed) == sorted([*PROJECT["dependencies"], *app, *extras_of["fast"]])


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_is_one_of_the_distribution(extra: str) -> None:
    assert extra in PROJECT["optional-dependencies"]
    require(extra, "This")  # the tests have all of them


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_is_missing_is_named_with_the_line_that_installs_it(extra: str, without) -> None:
    without(EXTRAS[extra][0])
    with pytest.raises(MissingExtraError, match=rf"This needs {EXTRAS[extra][0]}: .*\[{extra}\]"):
        require(extra, "This")


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("pyarrow", ["explain", "x.png", "--table", "t.parquet"]),
        ("ray", ["explain", "x.png", "--table", "t.csv", "--ray"]),
        ("highdicom", ["explain", "x.png", "--output", "o", "--dicom"]),
        ("pynetdicom", ["node", "--port", "1", "--store-to", "A@localhost:1"]),
    ],
)
def test_a_command_names_the_line_in_one_sentence(
    without, capsys, tmp_path, monkeypatch, missing: str, words: list[str], xray
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.png").write_bytes(xray.read_bytes())
    without(missing)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert f"needs {missing}: pip install 'cxr-gradcam[" in error
    assert error.count("\n") == 1


def test_a_module_that_a_command_imports_is_named_likewise(capsys, monkeypatch) -> None:
    def fail(_: str) -> None:
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn.metrics")

    monkeypatch.setattr("cxr_gradcam.cli.import_module", fail)
    assert main(["evaluate", "x"]) == 2
    assert (
        capsys.readouterr().err == "error: This needs sklearn: pip install 'cxr-gradcam[train]'\n"
    )


def test_a_module_of_no_extra_is_a_fault_of_ours(monkeypatch) -> None:
    def fail(_: str) -> None:
        raise ModuleNotFoundError("No module named 'nowhere'", name="nowhere")

    monkeypatch.setattr("cxr_gradcam.cli.import_module", fail)
    with pytest.raises(ModuleNotFoundError):
        main(["evaluate", "x"])
