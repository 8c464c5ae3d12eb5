"""The command line as a whole: its help, and what a command imports."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from cxr_gradcam import evaluation, training
from cxr_gradcam.cli import COMMANDS, main
from tests.helpers.command_line import run

HEAVY = ("scipy", "sklearn", "matplotlib")


def imported_by(*words: object) -> set[str]:
    """What a command, the model card and the doors of training import, in a process of its own."""
    code = (
        "import sys; from cxr_gradcam.cli import main\n"
        "import cxr_gradcam.evaluation.model_card, cxr_gradcam.training\n"
        "assert main(sys.argv[1:]) == 0\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    command = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.slow
def test_explain_imports_nothing_heavy(xray: Path, tmp_path: Path) -> None:
    imported = imported_by("explain", xray, "--output", tmp_path)
    assert "torch" in imported
    assert not imported & {*HEAVY}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert COMMANDS[command] in capsys.readouterr().out.replace("\n", " ").lower()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_described(command: str) -> None:
    parser = argparse.ArgumentParser()
    import_module(f"cxr_gradcam.cli.{command.replace('-', '_')}").add_arguments(parser)
    for action in parser._actions:
        described = action.help or ""
        assert described.partition("; default")[0].strip(), action.option_strings or action.dest


def test_no_command_is_told_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["explode"])
    assert stopped.value.code == 2
    assert "model-card" in capsys.readouterr().err


def test_demo_shows_four_things_and_saves_a_figure(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, lines, _ = run(capsys, "demo", "--output", tmp_path / "demo.png")
    assert status == 0
    assert [line[:2] for line in lines if line[0].isdigit()] == ["1.", "2.", "3.", "4."]
    with Image.open(tmp_path / "demo.png") as figure:
        assert figure.width > 2 * figure.height


@pytest.mark.parametrize("door", [evaluation, training])
def test_the_doors_of_training_and_evaluation_lead_somewhere(door: ModuleType) -> None:
    for name in door.__all__:
        assert callable(getattr(door, name)), name
    with pytest.raises(AttributeError, match="no_such_name"):
        door.no_such_name  # noqa: B018 - asking is the test
