"""The tutorial runs from its first cell to its last, and shows what it says."""

import ast
import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "tutorial.ipynb"


def cells() -> list[str]:
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run(source: str, names: dict[str, object]) -> object:
    """Run a cell, and return the value of its last line, as a notebook shows it."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return last and eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    shown = [run(source, names) for source in cells()]
    assert shown[0]._repr_png_().startswith(b"\x89PNG")
    answer, probabilities, is_familiar = shown[1]
    assert answer.startswith("Pneumonia: ")
    assert set(probabilities) == {"Normal", "Pneumonia"}
    assert is_familiar is True
    assert shown[3] == ("against Pneumonia", "for Normal rather than Pneumonia")
    assert shown[4].shape == (4, 4)
    assert 0 <= shown[6][0] <= 1
    assert (tmp_path / "panels.png").stat().st_size > 10_000


def test_no_output_is_kept() -> None:
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    assert not any(cell.get("outputs") for cell in notebook["cells"])
