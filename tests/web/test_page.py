"""What the page says of the model, and how it is launched."""

from __future__ import annotations

import asyncio
import copy
import json
import subprocess
import sys
from pathlib import Path

import gradio as gr
import pytest
from gradio import processing_utils
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.bundled import assets
from cxr_gradcam.imaging.radiograph import MAX_BYTES
from cxr_gradcam.web.about import facts_of, scope
from cxr_gradcam.web.page import LAUNCH, Page
from cxr_gradcam.web.start.facts import facts_html
from tests.helpers.findings import eighteen_findings
from tests.helpers.threads import in_thread

ROOT = Path(__file__).parents[2]


def test_the_page_says_what_the_model_knows(shared_model: ResNet50FineTuned) -> None:
    model = copy.copy(shared_model)
    model.trained_on = "films of children"
    assert "class 0 and class 1 and class 2" in scope(model)
    assert "Films of children." in facts_html(model)
    assert "Trained on" not in facts_html(shared_model)


def test_a_model_that_nobody_calibrated_says_so_once(shared_model: ResNet50FineTuned) -> None:
    model = eighteen_findings()
    model.assumptions = ("ImageNet statistics assumed", "input of 64 pixels assumed")
    words, facts = scope(model), facts_html(model)
    assert "18 findings" in words
    assert words.count("calibrated") == 1
    assert "likely" not in words
    assert "Nothing was measured with these weights." in facts
    assert "ImageNet statistics assumed; input of 64 pixels assumed." in words
    assert "does not say" not in scope(shared_model)


def test_an_event_fetches_no_address(
    shared_model: ResNet50FineTuned, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(*_: object) -> None:
        pytest.fail("it was fetched")

    monkeypatch.setattr(processing_utils, "async_ssrf_protected_download", fetch)
    page = Page(shared_model)
    event = next(each for each in page.fns.values() if each.name == "open_upload")
    film = {"path": "https://example.org/film.png", "meta": {"_type": "gradio.FileData"}}
    inputs = [[film], *[None] * (len(event.inputs) - 1)]
    with pytest.raises(gr.Error, match="no longer on the server"):
        in_thread(asyncio.run, page.preprocess_data(event, inputs, None))


@pytest.mark.parametrize("sent", [["Doe^Jane"], {"value": "Doe^Jane"}, "Doe^Jane"])
def test_what_is_not_offered_is_refused_and_not_repeated(
    shared_model: ResNet50FineTuned, sent: object
) -> None:
    with Page(shared_model) as page:
        field = gr.Radio(["class 0"])
        field.input(print, field)
    *_, event = page.fns.values()
    with pytest.raises(gr.Error) as refused:
        in_thread(asyncio.run, page.preprocess_data(event, [sent], None))
    assert "Doe" not in refused.value.message
    assert not refused.value.print_exception


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_free_memory_is_given_back() -> None:
    code = """
import asyncio, ctypes
from cxr_gradcam.web.api.service import giving_back
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 // 1_000_000
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
taken = [libc.malloc(60_000) for _ in range(3_000)]
for each in taken:
    ctypes.memset(each, 1, 60_000)
for each in taken[:-1]:
    libc.free(ctypes.c_void_p(each))
before = resident()
async def main():
    async with giving_back(0.05):
        for _ in range(600):
            if resident() < before - 100:
                return print("given back")
            await asyncio.sleep(0.05)
asyncio.run(main())
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.strip() == "given back", run.stderr


def test_an_upload_may_be_as_large_as_what_can_be_read() -> None:
    assert LAUNCH["max_file_size"] == MAX_BYTES


@pytest.mark.slow
def test_the_page_loads_nothing_that_only_training_needs() -> None:
    code = (
        "import sys, cxr_gradcam.web.page; "
        "print({'matplotlib', 'scipy', 'sklearn', 'cxr_gradcam.evaluation'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.strip() == "set()", run.stderr


def test_the_facts_are_those_that_were_measured_with_the_weights() -> None:
    model = ResNet50FineTuned.from_checkpoint()
    path = assets() / "results" / "1-children-and-adults.json"
    finding = json.loads(path.read_text("utf-8"))["findings"]["Pneumonia"]
    everybody = finding["groups"]["all"]
    facts = facts_html(model)
    patients = f"{everybody['images']} X-rays of {everybody['patients']} patients"
    assert f"Measured on 2026-11-25: on {patients}" in facts
    assert f"AUC {everybody['auc']['value']:.2f}" in facts
    likely = finding["verdicts"]["all"]["likely"]
    assert f"{likely['with_finding']} of {likely['images']}" in facts
    # 346 of 413 ill and 18 of 487 others are called likely: 0.01 x 0.838 / (that + 0.99 x 0.037)
    assert "Where 1 in 100 does, about 19 % of those called likely would." in facts
    model.provenance = None
    assert "Nothing was measured with these weights." in facts_html(model)


def test_the_facts_are_fetched_by_the_models_name(shared_model: ResNet50FineTuned) -> None:
    with TestClient(Starlette(routes=[facts_of({"A model": shared_model})])) as client:
        assert client.get("/facts", params={"model": "A model"}).text == facts_html(shared_model)
        assert client.get("/facts", params={"model": "another"}).status_code == 404
        assert client.get("/facts").status_code == 404
