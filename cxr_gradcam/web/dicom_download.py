"""Results as DICOM from the page: made in memory when they are asked for, and sent once."""

from __future__ import annotations

import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from secrets import token_hex
from threading import Lock

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cxr_gradcam.explanation import Explanation
from cxr_gradcam.imaging.radiograph import Radiograph, RadiographError
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.models.provenance import Provenance

_BUDGET = 200_000_000  # bytes of results that wait to be fetched
_PREFIX = "dicom-results"
_FETCH = f"""(name) => {{
  if (!name) return;
  const link = document.createElement("a");
  link.href = new URL(`{_PREFIX}/${{name}}`, document.baseURI);
  link.download = "";
  link.click();
}}"""


@dataclass(frozen=True, eq=False)
class Film:
    """What results need of a DICOM film, beside the map: 4 MB at most.

    Attributes:
        header: what results take over of patient, study and image.
        picture: grey values, at the size of the results' pictures.
    """

    header: Dataset
    picture: NDArray[np.uint8]

    @classmethod
    def of(cls, data: bytes, radiograph: Radiograph) -> Film | None:
        """Keep it of a file; None where no result can be written.

        Args:
            data: the file.
            radiograph: what was read from it.
        """
        if radiograph.file_format != "DICOM" or find_spec("highdicom") is None:
            return None
        from cxr_gradcam.archive.header import read_header
        from cxr_gradcam.archive.pictures import reduced

        try:
            return cls(read_header(data), reduced(radiograph))
        except RadiographError:
            return None

    def results(self, explanation: Explanation, weights: Provenance) -> bytes:
        """Return the results of an explanation as a ZIP archive.

        Args:
            explanation: of the film, its map on the film's own grid.
            weights: the model's.
        """
        from cxr_gradcam.archive.header import quiet
        from cxr_gradcam.archive.identity import Algorithm, Result
        from cxr_gradcam.archive.results import make_objects

        grey = Radiograph(self.picture.astype(np.float32) / np.float32(255), "DICOM")
        result = Result(self.header, explanation, Algorithm.of_provenance(weights))
        made, buffer = make_objects(result, grey), BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for kind, dataset in made.items():
                file = BytesIO()
                with quiet():
                    dataset.save_as(file, enforce_file_format=True)
                archive.writestr(f"{kind}.dcm", file.getbuffer())
        return buffer.getvalue()


class Downloads:
    """Holds archives until they are fetched, each once, under names that nobody can guess.

    Args:
        budget: bytes held at most; the newest is held in any case.
    """

    def __init__(self, budget: int = _BUDGET) -> None:
        self._budget = budget
        self._held: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    @property
    def routes(self) -> list[Route]:
        """The route under which the browser fetches an archive."""
        return [Route(f"/{_PREFIX}/{{name}}", self.send)]

    def put(self, data: bytes) -> str:
        """Hold an archive, and return its name."""
        name = token_hex(16)
        with self._lock:
            self._held[name] = data
            while len(self._held) > 1 and sum(map(len, self._held.values())) > self._budget:
                self._held.popitem(last=False)
        return name

    def send(self, request: Request) -> Response:
        """Send an archive and forget it."""
        name = request.path_params["name"]
        data = self._held.get(name)
        if data is None:
            return Response(status_code=404)
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": 'attachment; filename="results-dicom.zip"',
        }
        done = BackgroundTask(self._held.pop, name, None)
        return Response(data, 200, headers, "application/zip", done)


class DicomDownload:
    """The button that downloads what is shown as DICOM, and what stands behind it.

    Args:
        models: by their names; a result of one whose weights are not known could not say what
            made it, and is not offered.
    """

    def __init__(self, models: Mapping[str, Classifier]) -> None:
        known = {name: model.provenance for name, model in models.items()}
        self._weights = {name: weights for name, weights in known.items() if weights is not None}
        self._downloads = Downloads()
        self.button = gr.Button("Download results as DICOM", visible=False, elem_id="dicom")
        self.name = gr.Textbox(visible=False)

    @property
    def routes(self) -> list[Route]:
        """What the page must serve for it."""
        return self._downloads.routes

    def fetch(self, made: gr.events.Dependency) -> None:
        """Let the browser fetch what an event has put."""
        made.then(None, self.name, None, js=_FETCH)

    def offers(self, film: Film | None, model: str) -> bool:
        """Return whether results of a film by a model can be written."""
        return film is not None and model in self._weights

    def put(self, film: Film | None, model: str, explanation: Explanation) -> str:
        """Make the results of a film, and return the name under which they are fetched."""
        if film is None or model not in self._weights:
            return ""
        return self._downloads.put(film.results(explanation, self._weights[model]))
