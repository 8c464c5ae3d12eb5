"""How far a command is, where nobody watches a terminal."""

import re

import pytest

from cxr_gradcam.cli.explain import progress


def test_without_a_terminal_a_line_tells_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(progress, "monotonic", lambda: now)
    with progress.files_progress(1000, shown=True) as files:
        for _ in range(250):
            files.advance()
        assert capsys.readouterr().err == ""
        now = progress.SECONDS + 1
        files.advance()
        files.advance()
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"251 of 1,000, [\d,.]+ files/s, \d:\d\d:\d\d left", line)


def test_nothing_is_shown_where_nobody_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.files_progress(1, shown=False) as files:
        files.advance()
    assert capsys.readouterr().err == ""
