"""The radiograph that a visitor has open, and what the model saw of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from cxr_gradcam.explanation import Examination, examine
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.models.stages import DETAIL


class Superseded(Exception):  # noqa: N818 - nothing went wrong
    """The visitor has asked something else meanwhile: nobody waits for this answer."""


@dataclass(eq=False)
class Session:
    """A visitor's radiograph; it belongs to one session of the page.

    Attributes:
        radiograph: the picture.
        image_id: names it in messages to the browser, and says nothing about it.
        clicked: when its example was clicked, in ms of the page's clock; 0 for an upload.
    """

    radiograph: Radiograph
    image_id: str = field(default_factory=lambda: uuid4().hex)
    clicked: float = 0
    _examination: Examination | None = None
    _questions: int = 0

    def examine(self, model: ResNet50FineTuned) -> Examination:
        """Let the model look once, at every layer that a map may be asked of."""
        if self._examination is None:
            self._examination = examine(model, self.radiograph, DETAIL["finest"])
        return self._examination

    def new_question(self) -> Callable[[], None]:
        """Begin a question, and with it end those before.

        Returns:
            To be called while the answer is made; raises `Superseded` once a newer question came.
        """
        self._questions += 1
        mine = self._questions

        def check() -> None:
            if self._questions != mine:
                raise Superseded

        return check
