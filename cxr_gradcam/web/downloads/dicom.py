"""Results as DICOM from the page."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from starlette.routing import Route

from cxr_gradcam.explanation import Explanation
from cxr_gradcam.imaging.radiograph import Radiograph, RadiographError
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.models.provenance import Provenance
from cxr_gradcam.web.expiring_store import ExpiringStore
from cxr_gradcam.web.sent_once import Content, SentOnce, download

if TYPE_CHECKING:
    from cxr_gradcam.archive.header import SourceHeader


@dataclass(frozen=True, eq=False)
class Film:
    """What results need of a DICOM film, beside the map: 4 MB at most.

    Attributes:
        header: what results take over of patient, study and image.
        picture: grey values, at the size of the results' pictures.
    """

    header: SourceHeader
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
        from cxr_gradcam.archive.header import suppress_library_messages
        from cxr_gradcam.archive.identity import Algorithm, Result
        from cxr_gradcam.archive.results import make_objects

        grey = Radiograph(self.picture.astype(np.float32) / np.float32(255), "DICOM")
        result = Result(self.header, explanation, Algorithm.of_provenance(weights))
        made, buffer = make_objects(result, grey), BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for kind, dataset in made.items():
                file = BytesIO()
                with suppress_library_messages():
                    dataset.save_as(file, enforce_file_format=True)
                archive.writestr(f"{kind}.dcm", file.getbuffer())
        return buffer.getvalue()


class DicomDownload:
    """The button that downloads what is shown as DICOM, and what stands behind it.

    Args:
        models: by their names; a result of one whose weights are not known could not say what
            made it, and is not offered.
    """

    def __init__(self, models: Mapping[str, Classifier]) -> None:
        known = {name: model.provenance for name, model in models.items()}
        self._weights = {name: weights for name, weights in known.items() if weights is not None}
        self._downloads = SentOnce("dicom-results")
        self.button = gr.Button("Download results as DICOM", visible=False, elem_id="dicom")
        self.name = gr.Textbox(visible=False)

    @property
    def store(self) -> ExpiringStore[Content]:
        """The files that wait to be fetched."""
        return self._downloads.store

    @property
    def routes(self) -> list[Route]:
        """What the page must serve for it."""
        return self._downloads.routes

    def connect(
        self, put: Callable[..., str], asked: Sequence[Any], settings: Mapping[str, Any]
    ) -> None:
        """Let the button put the results of what is asked, and the browser fetch them."""
        made = self.button.click(put, asked, self.name, show_progress_on=self.button, **settings)
        self._downloads.fetch_after(made, self.name)

    def offers(self, film: Film | None, model: str) -> bool:
        """Return whether results of a film by a model can be written."""
        return film is not None and model in self._weights

    def put(self, film: Film | None, model: str, explanation: Explanation) -> str:
        """Make the results of a film, and return the name under which they are fetched."""
        if film is None or model not in self._weights:
            return ""
        archive = film.results(explanation, self._weights[model])
        return self._downloads.put(download(archive, "results-dicom.zip", "application/zip"))
