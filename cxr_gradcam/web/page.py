"""The page: its layout and its launch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from cxr_gradcam.imaging.radiograph import MAX_BYTES
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.about import facts_of, scope
from cxr_gradcam.web.api.service import ServedBlocks, Service
from cxr_gradcam.web.compare.component import CompareField
from cxr_gradcam.web.compare.handlers import CompareHandlers
from cxr_gradcam.web.compare.steadiness import SteadinessField, SteadinessHandlers
from cxr_gradcam.web.controls import Controls, model_field
from cxr_gradcam.web.downloads.dicom import DicomDownload
from cxr_gradcam.web.downloads.handlers import DownloadHandlers
from cxr_gradcam.web.downloads.report import ReportDownload
from cxr_gradcam.web.events import Events
from cxr_gradcam.web.prediction import EMPTY, SEARCHING
from cxr_gradcam.web.sent_once import PixelStore
from cxr_gradcam.web.sharing.component import LinkButton
from cxr_gradcam.web.start.bar import Bar
from cxr_gradcam.web.start.gallery import examples
from cxr_gradcam.web.start.theme import style_sheets, theme
from cxr_gradcam.web.start.welcome import welcome
from cxr_gradcam.web.uploads import UploadField
from cxr_gradcam.web.viewer import Viewer
from cxr_gradcam.web.worklist.component import Worklist
from cxr_gradcam.web.worklist.prior import prior_answer

_STATIC = Path(__file__).parent / "static"
_HOUR = 3600
# The element for the viewer's description of the map
_PLACE = '<p class="note" role="status"></p>'
_FACTS = (
    '<div class="facts-head"><h2>About this model</h2>'
    '<button type="button" class="close">Close</button></div><div class="label"></div>'
)
_CLOSES = """
element.querySelector(".close").addEventListener("click", () => {
  element.closest("#facts").hidePopover();
});
"""


LAUNCH: dict[str, Any] = {
    "theme": theme(),
    # In the head, because Gradio limits a page's own style sheets to elements in its container.
    "head": f"<style>{style_sheets()}</style>",
    "js": (_STATIC / "paste.js").read_text("utf-8"),
    "max_file_size": MAX_BYTES,
    "footer_links": ["api", "settings"],
    "state_session_capacity": 100,
    "ssr_mode": False,
    "run_history": False,
    "pwa": False,
    # Gradio says this to screen readers after every event, and has no words for it.
    "i18n": gr.I18n(en={"common.complete": "Done"}),
}
"""How the page is launched."""

_ANALYSE: dict[str, Any] = {
    # In sequence: if two images are opened quickly, the last one remains.
    "trigger_mode": "multiple",
    "concurrency_id": "analyse",
    "concurrency_limit": 1,
    "api_visibility": "private",
}
# Each question starts at once and ends the previous one, which may be computing a slow map.
_QUESTION: dict[str, Any] = _ANALYSE | {"concurrency_id": "question", "concurrency_limit": 16}
# Results that arrive after a map never delay the next map; only the last one is needed.
_LATER: dict[str, Any] = _ANALYSE | {"concurrency_id": "later", "trigger_mode": "always_last"}


class Page(ServedBlocks):
    """The page around one or several models.

    Args:
        models: the models by the names that the page shows, the first as default; or one model.
            They have Grad-CAM enabled, are shared by all visitors and never changed.
        card: the model card of the first model, in Markdown; or the cards of several models by
            name.
    """

    def __init__(
        self,
        models: Mapping[str, Classifier] | Classifier,
        card: str | Mapping[str, str] = "",
    ) -> None:
        super().__init__(
            title="Chest X-ray viewer",
            analytics_enabled=False,
            delete_cache=(_HOUR, _HOUR),
            fill_width=True,
        )
        named = models if isinstance(models, Mapping) else {"model": models}
        first = next(iter(named))
        given = {first: card} if isinstance(card, str) else card
        cards = defaultdict(str, {name: _text_of(each) for name, each in given.items()})
        with self:
            self._bar = Bar()
            self._upload = UploadField(file_count="multiple", elem_id="upload", visible="hidden")
            with gr.Row(elem_id="layout"):
                with gr.Column(elem_id="list", min_width=0):
                    self._worklist = Worklist(named)
                with gr.Column(elem_id="view", min_width=0):
                    welcome()
                    self._gallery = examples()
                    self._viewer = Viewer(PixelStore())
                with gr.Column(elem_id="side", min_width=0):
                    self._prediction = gr.HTML(EMPTY, elem_id="answer", js_on_load=SEARCHING)
                    gr.HTML(_PLACE, elem_id="place")
                    self._steadiness = SteadinessField()
                    self._prior_answer = prior_answer()
                    model = model_field(named)
                    self._controls = Controls(named, model)
                    self._compare = CompareField(named)
                    self._dicom = DicomDownload(named)
                    self._scope = gr.HTML(scope(named[first]), elem_id="scope")
            with gr.Column(elem_id="facts", min_width=0):
                gr.HTML(_FACTS, js_on_load=_CLOSES)
                with gr.Accordion(
                    "The whole model card", open=False, visible=bool(cards[first]), elem_id="card"
                ) as self._card:
                    self._card_text = gr.Markdown(cards[first])
            with gr.Column(elem_id="pressed", min_width=0):
                self._link = LinkButton()
                self._report = ReportDownload(named)
            self._facts = facts_of(named)
            self._service = Service(named, self.uploads)
            self._service.endpoints.add_to(self)
            events = Events(named, self._controls, cards, self.uploads)
            self._connect(events)

    def launch(self, *args: Any, mcp: bool = False, **settings: Any) -> Any:  # noqa: ANN401 - as in Gradio
        """Start the page's server.

        The server name is Gradio's default: only this machine, unless GRADIO_SERVER_NAME is set, as
        on a Space.

        Args:
            args: arguments for `gr.Blocks.launch`.
            mcp: offer the endpoints as tools of the Model Context Protocol too, which needs the
                package mcp.
            settings: arguments of `gr.Blocks.launch` that override the page's own settings.

        Returns:
            The result of `gr.Blocks.launch`.
        """
        routes = [
            *self._bar.routes,
            *self._viewer.routes,
            *self._worklist.routes,
            *self._dicom.routes,
            *self._report.routes,
            *self._link.routes,
            *self._compare.routes,
            self._facts,
        ]
        stores = self._viewer.store, self._dicom.store, self._report.store
        self.mcp_server = mcp  # Gradio then shows the tools' address
        own = {"app_kwargs": self._service.settings(routes, stores, mcp=mcp), "mcp_server": False}
        return super().launch(*args, **(LAUNCH | own | settings))

    def _connect(self, events: Events) -> None:
        session = gr.State(None, time_to_live=_HOUR)
        asked, controls = [session, *self._controls.all], self._controls
        answered = [
            self._prediction,
            controls.class_name,
            controls.question,
            controls.method,
            self._viewer,
        ]
        opened: dict[str, Any] = {
            "outputs": [session, *answered],
            "show_progress_on": self._prediction,
        }
        upload = self._upload.upload(
            events.open_upload, [self._upload, *asked], **opened, **_ANALYSE
        )
        upload.then(None, None, self._upload, js="() => null")  # ready for the next file
        listed = self._worklist.select(events.open_listed, asked, **opened, **_ANALYSE)
        example = self._gallery.select(events.open_example, asked, **opened, **_ANALYSE)
        about = [controls.detail, self._scope, self._card, self._card_text]
        controls.model.input(
            events.change_model,
            asked,
            [*answered, *about],
            show_progress_on=self._prediction,
            **_ANALYSE,
        )
        linked = self._link.select(
            events.open_link,
            asked,
            [self._link, controls.model, *answered, *about],
            show_progress_on=self._prediction,
            **_ANALYSE,
        )
        shown = linked.then(events.open_linked, [self._link, *asked], **opened, **_ANALYSE)
        self._link.submit(
            events.ask_slowly,
            asked,
            [controls.method, self._viewer],
            show_progress_on=self._viewer,
            **_QUESTION,
        )
        for change in (controls.model.input, shown.then):
            change(lambda name: name, controls.model, self._worklist, api_visibility="private")
        self._connect_prior(events, asked)
        changed = [controls.question, self._viewer, controls.method]
        controls.class_name.input(events.change_class, asked, changed, **_QUESTION)
        for control in (controls.question, controls.method, controls.detail):
            control.input(events.change_map, asked, self._viewer, **_QUESTION)
        stopped = [controls.method, self._viewer]
        self._viewer.stop(
            events.stop,
            asked,
            stopped,
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )
        self._connect_downloads(
            asked, [upload.then, listed.then, example.then, shown.then, controls.model.input]
        )

    def _connect_prior(self, events: Events, asked: list[Any]) -> None:
        shown = [self._prior_answer, self._viewer]
        self._worklist.upload(events.open_prior, asked, shown, **_ANALYSE)
        self._prior_answer.click(events.close_prior, asked[0], shown, **_ANALYSE)
        self._controls.model.input(events.describe_prior, asked, self._prior_answer, **_ANALYSE)
        compare = CompareHandlers(self._controls).compare
        self._compare.select(compare, asked, shown, show_progress_on=self._viewer, **_QUESTION)
        self._steadiness.select(
            SteadinessHandlers(self._controls).measure,
            asked,
            self._steadiness,
            show_progress="hidden",
            **_LATER,
        )

    def _connect_downloads(self, asked: list[Any], changes: Sequence[Callable[..., Any]]) -> None:
        """Connect the downloads; results as DICOM are offered if they can be written."""
        handlers = DownloadHandlers(self._controls, self._dicom, self._report)
        inputs = [asked[0], self._controls.model]
        for change in changes:
            button = self._dicom.button
            change(handlers.offer_dicom, inputs, button, queue=False, api_visibility="private")
        self._dicom.connect(handlers.put_dicom, asked, _QUESTION)
        self._report.connect(handlers.put_report, asked, _QUESTION)


def _text_of(card: str) -> str:
    """Return a model card without its machine-readable front matter."""
    parts = card.split("---\n", 2)
    return parts[2] if card.startswith("---\n") and len(parts) == 3 else card
