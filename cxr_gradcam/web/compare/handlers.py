"""Event handler of the comparison."""

from __future__ import annotations

from typing import Any

import gradio as gr

from cxr_gradcam.web.compare.comparison import read_comparison
from cxr_gradcam.web.compare.views import compared
from cxr_gradcam.web.controls import Controls
from cxr_gradcam.web.failures import GONE, reason
from cxr_gradcam.web.session import Session, Superseded
from cxr_gradcam.web.viewer import View

_PROGRESS = gr.Progress()


class CompareHandlers:
    """The event handler of the compare field; it keeps no data of a visitor.

    Args:
        controls: the components of the question.
    """

    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    def compare(
        self,
        chosen: gr.EventData,
        session: Session | None,
        progress: gr.Progress = _PROGRESS,
        *values: object,
    ) -> list[Any]:
        """Show a second answer beside the first, instead of a prior; or end the comparison."""
        if session is None:
            raise gr.Error(GONE, print_exception=False)
        asked = self._controls.question_of(*values)
        check = session.new_question()
        session.prior = None
        session.comparison = read_comparison(str(chosen.wanted), asked.model, session.models)

        def report(done: int, total: int) -> None:
            check()
            progress(done / total, desc="Comparing")

        if session.comparison is not None and session.comparison.is_slow:
            report(0, 1)  # so that the page offers to stop it at once
        try:
            return ["", compared(session, asked, report) or View(pane="b")]
        except Superseded:
            return [gr.skip(), gr.skip()]
        except Exception as error:
            session.comparison = None
            gr.Warning(reason(error))
            return ["", View(pane="b")]
