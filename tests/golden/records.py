"""What the product says of the inputs: as files, on the command line, and to programs."""

from __future__ import annotations

import contextlib
import io
import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zipfile import ZipFile

import httpx
import numpy as np
from PIL import Image
from pyarrow import parquet
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from cxr_gradcam import ResNet50FineTuned, load_model
from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.cli import main
from cxr_gradcam.web.page import Page
from tests.golden.inputs import write_inputs
from tests.golden.network import write_network
from tests.helpers.serving import serving

SEVERAL = ("detector.dcm", "grey.png", "refused-cut.dcm", "says-little.dcm", "turned.jpg")
BLOCKS = 3
"""Pictures are kept as the means of so many blocks across and down."""


class Records:
    """Runs the product on the inputs.

    Args:
        folder: an empty one, which must be the current folder, so that names of files are the same
            everywhere.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sums = {
            sha256(path.read_bytes()).hexdigest(): f"SHA-256 of {path.name}"
            for path in write_inputs(folder / "in")
        }
        with ZipFile(folder / "in" / "two.zip") as archive:
            for name in archive.namelist():
                self._sums.setdefault(sha256(archive.read(name)).hexdigest(), f"SHA-256 of {name}")
        write_network(folder / "small.safetensors")

    def tables(self) -> dict[str, Any]:
        """Every input as a row of a table, and some of them in every format."""
        few = [f"in/{name}" for name in SEVERAL]
        archives = ["in/two.zip", "in/refused-encrypted.zip"]
        explain = ["explain", "--no-fast", "--model=small.safetensors"]
        return {
            "said": {
                "csv": self._said(*explain, "in", "--table=all.csv"),
                "json": self._said(*explain, *archives, "--table=few.jsonl", "--json"),
                "parquet": self._said(*explain, *few, "--table=few.parquet", "--against"),
                "bundled": self._said("explain", *few, "--table=bundled.jsonl", "--no-fast"),
            },
            "csv": self._lines("all.csv"),
            "jsonl": list(map(json.loads, self._lines("few.jsonl"))),
            "bundled": list(map(json.loads, self._lines("bundled.jsonl"))),
            "parquet": {
                "columns": {
                    each.name: str(each.type) for each in parquet.read_schema("few.parquet")
                },
                "rows": self._without_sums(parquet.read_table("few.parquet").to_pylist()),
            },
        }

    def questions(self) -> dict[str, Any]:
        """Some inputs with their pictures, by every method and in every style."""
        of_small = ["--model=small.safetensors"]
        asked = {f"method {name}": [*of_small, f"--method={name}"] for name in METHODS}
        asked |= {
            "rather than": [*of_small, "--class=pneumonia", "--rather-than=NORMAL"],
            "against, fading": [
                *(*of_small, "--class=Effusion", "--against", "--colormap=viridis"),
                *("--style=fading", "--threshold=0.25", "--alpha=0.3"),
            ],
            "contours": [*of_small, "--style=contours"],
            "bundled": ["--class=pneumonia"],
            "bundled, finest": ["--detail=finest", "--fusion=max"],
            "no such class": [*of_small, "--class=Cat"],
            "no such detail": [*of_small, "--detail=finest"],
        }
        few = [f"in/{name}" for name in SEVERAL]
        return {
            name: self._drawn(
                f"questions-{number}",
                *("--no-fast", *words, *few[: 1 if name.startswith("method") else 2]),
            )
            for number, (name, words) in enumerate(asked.items())
        } | {
            "every input": self._drawn("all", "--no-fast", *of_small, "in", pattern="*overlay.png")
        }

    def reports(self) -> dict[str, Any]:
        """Reports as JSON; the date is that of the run."""
        asked = {
            "small": ["--model=small.safetensors", "--remark=seen", "--title=Größe"],
            "bundled": ["--class=normal", "--detail=fine", "--colormap=inferno", "--alpha=0.2"],
        }
        made = {}
        for name, words in asked.items():
            files = [f"in/{each}" for each in SEVERAL]
            command = ["explain", *files, f"--output=report-{name}", "--report=json", "--no-fast"]
            made[name] = {"said": self._said(*command, *words)}
            for path in sorted(Path(f"report-{name}").glob("*.json")):
                report = json.loads(path.read_text("utf-8"))
                report["date"] = type(report["date"]).__name__
                made[name][path.name] = report
        return made

    def dicom(self) -> dict[str, Any]:
        """DICOM results; without what depends on the libraries' versions."""
        asked = {
            "says-little": ["--model=small.safetensors", "--class=pneumonia"],
            "detector": ["--class=pneumonia", "--rather-than=normal"],
        }
        made = {}
        for name, words in asked.items():
            outputs = f"--output=dicom-{name}"
            # Identifiers name the version of the software.
            with patch("cxr_gradcam.archive.identity.software_version", return_value="VERSION"):
                said = self._said(
                    "explain", f"in/{name}.dcm", outputs, "--dicom", "--json", "--no-fast", *words
                )
            made[name] = {
                kind: _attributes(dcmread(path))
                for kind, path in said["out"][0]["outputs"].items()
                if kind.startswith("dicom-")
            }
        return made

    def answers(self) -> dict[str, Any]:
        """What the running page answers to programs."""
        with self._page() as ask:
            small = {"model": "small"}
            return {
                "models": ask("models"),
                "classify": {
                    path.name: ask("classify", path, **small)
                    for path in sorted(Path("in").iterdir())
                    if path.name in SEVERAL or path.name.startswith("refused-")
                },
                "classify, bundled": ask("classify", Path("in/healthy.png")),
                "explain": [
                    ask("explain", Path("in/detector.dcm"), **arguments)
                    for arguments in (
                        small,
                        small | {"method": "layercam", "class_name": "effusion", "against": True},
                        small | {"class_name": "normal", "contrast_with": "pneumonia"},
                        small | {"style": "contours", "colormap": "viridis"},
                        small | {"style": "fading", "opacity": 0.9, "threshold": 0.3},
                        {"detail": "finest"},
                        {"style": "none"},
                        {"opacity": 7},
                        {"class_name": "cat"},
                        {"contrast_with": "Normal"},
                    )
                ],
            }

    @contextlib.contextmanager
    def _page(self) -> Iterator[Callable[..., Any]]:
        bundled = ResNet50FineTuned.from_checkpoint(fast=False)
        models = {"bundled": bundled, "small": load_model("small.safetensors")}
        with serving(lambda: Page(models), self.folder / "gradio") as address:
            yield lambda *asked, **arguments: self._asked(address, *asked, **arguments)

    def _asked(
        self, address: str, endpoint: str, path: Path | None = None, **arguments: Any
    ) -> Any:
        """Ask the page as curl does; return the event and what it says."""
        start = f"{address}gradio_api/call/v2/{endpoint}"
        sent = {} if path is None else {"file": b64encode(path.read_bytes()).decode()}
        begun = httpx.post(start, json=sent | arguments).raise_for_status()
        lines = httpx.get(f"{start}/{begun.json()['event_id']}").text.splitlines()
        event, data = (line.partition(": ")[2] for line in lines[-3:-1])
        said = json.loads(data)
        if event == "error":
            said = said["error"]  # Gradio says beside it how long it is shown
        else:
            for each in (each for each in said if "orig_name" in each):
                picture = httpx.get(f"{address}gradio_api/file={each.pop('path')}")
                each |= {"url": type(each["url"]).__name__, "size": None}
                each["picture"] = _picture(Image.open(io.BytesIO(picture.content)))
        return self._without_sums({"event": event, "said": said})

    def _drawn(self, name: str, *words: str, pattern: str = "*.png") -> dict[str, Any]:
        said = self._said("explain", f"--output={name}", "--json", *words)
        pictures = {path.name: _picture(Image.open(path)) for path in Path(name).rglob(pattern)}
        return said | {"pictures": dict(sorted(pictures.items()))}

    def _said(self, *words: str) -> dict[str, Any]:
        out, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            try:
                status = main(words)
            except SystemExit as ended:  # argparse refused the words
                status = int(str(ended.code))
        lines = [json.loads(line) if line.startswith("{") else line for line in _split(out)]
        return self._without_sums({"status": status, "out": lines, "errors": _split(errors)})

    def _lines(self, path: str) -> list[str]:
        return self._without_sums(Path(path).read_text("utf-8").split("\n"))[:-1]

    def _without_sums(self, said: Any) -> Any:
        """Name the inputs whose check sums are said: another encoder writes other bytes."""
        text = json.dumps(said)
        for digits, name in self._sums.items():
            text = text.replace(digits, name)
        return json.loads(text)


def _split(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def _picture(image: Image.Image) -> dict[str, Any]:
    return {"mode": image.mode, "size": list(image.size), "blocks": _blocks(np.asarray(image), 255)}


def _blocks(pixels: np.ndarray, white: float) -> list[Any]:
    """Means of blocks across a picture, in [0, 1]."""
    rows = np.array_split(pixels / white, min(BLOCKS, pixels.shape[0]), axis=0)
    parts = (np.array_split(row, min(BLOCKS, row.shape[1]), axis=1) for row in rows)
    return [[part.mean(axis=(0, 1)).round(3).tolist() for part in row] for row in parts]


def _attributes(made: Dataset) -> dict[str, Any]:
    """Attributes by keyword, the pixels as blocks."""
    blocks = {}
    if "PixelData" in made:
        blocks["PixelData"] = _blocks(made.pixel_array, 2**made.BitsStored - 1)
        del made.PixelData
    return _by_keyword(made) | blocks


def _by_keyword(made: Dataset) -> dict[str, Any]:
    return {element.keyword or str(element.tag): _value(element) for element in made}


def _value(element: DataElement) -> Any:
    if element.VR == "SQ":
        return [_by_keyword(item) for item in element.value]
    texts = [f"{value}" for value in (element.value if element.VM > 1 else [element.value])]
    return texts if element.VM > 1 else texts[0]


PARTS: Sequence[str] = ("tables", "questions", "reports", "dicom", "answers")
"""The methods of `Records`, each kept in a file of its name."""
