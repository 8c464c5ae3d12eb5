"""The options of app.py, and a Space's variables."""

from __future__ import annotations

import argparse

import pytest

from cxr_gradcam.web.start.options import add_options, check_options


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(arguments)


def without_mcp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cxr_gradcam.web.start.options.find_spec", lambda _: None)
    monkeypatch.setattr("cxr_gradcam.extras.find_spec", lambda _: None)


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADIO_MCP_SERVER", raising=False)


def test_tools_are_served_where_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not parsed().mcp
    assert parsed("--mcp").mcp
    monkeypatch.setenv("GRADIO_MCP_SERVER", "True")
    assert parsed().mcp


def test_without_the_package_the_option_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_mcp(monkeypatch)
    with pytest.raises(ValueError, match=r"pip install 'cxr-gradcam\[mcp\]'"):
        check_options(parsed("--mcp"))


def test_without_the_package_a_spaces_variable_stops_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_mcp(monkeypatch)
    monkeypatch.setenv("GRADIO_MCP_SERVER", "true")
    assert not parsed().mcp
    check_options(parsed())
