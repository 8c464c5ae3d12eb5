"""Download of results as DICOM objects."""

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
class DicomSource:
    """The parts of an opened DICOM file that results need: 4 MB at most.

    Attributes:
        header: attributes of patient, study and image that results repeat.
        picture: grey values in 8 bits, at the size of the results' pictures.
    """

    header: SourceHeader
    picture: NDArray[np.uint8]

    @classmethod
    def of(cls, data: bytes, radiograph: Radiograph) -> DicomSource | None:
        """Return the parts of a file; None if no results can be written.

        Args:
            data: the file's bytes.
            radiograph: the radiograph that was read from the file.
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
            explanation: explanation of the radiograph, with its map in the radiograph's size.
            weights: the provenance of the model's weights.
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
    """The button that downloads results as DICOM, and the route that sends them.

    Args:
        models: models by their names on the page. Results must name the weights that made them, so
            none are offered for unknown weights.
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
        """The routes that the page must serve for the button."""
        return self._downloads.routes

    def connect(
        self, put: Callable[..., str], asked: Sequence[Any], settings: Mapping[str, Any]
    ) -> None:
        """Connect the button: the server makes the results, then the browser downloads them."""
        made = self.button.click(put, asked, self.name, show_progress_on=self.button, **settings)
        self._downloads.fetch_after(made, self.name)

    def offers(self, source: DicomSource | None, model: str) -> bool:
        """Return whether results of a file by a model can be written."""
        return source is not None and model in self._weights

    def put(self, source: DicomSource | None, model: str, explanation: Explanation) -> str:
        """Make results, and return the name for fetching them."""
        if source is None or model not in self._weights:
            return ""
        archive = source.results(explanation, self._weights[model])
        return self._downloads.put(download(archive, "results-dicom.zip", "application/zip"))
