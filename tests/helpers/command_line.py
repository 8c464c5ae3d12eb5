"""Commands as they are typed, and what they print."""

from __future__ import annotations

import pytest

from cxr_gradcam.cli import main


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, list[str], str]:
    status = main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out.splitlines(), captured.err
