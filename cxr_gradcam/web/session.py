"""What one visitor has open: the forward pass of a radiograph, from which every map follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cxr_gradcam.explanation import Examination


class Superseded(Exception):  # noqa: N818 - nothing went wrong
    """The visitor has asked something else meanwhile: nobody waits for this answer."""


@dataclass(eq=False)
class Session:
    """A radiograph that a visitor has open.

    It holds the forward pass (2 MB with the bundled weights, whatever the picture's size) and none
    of the picture's pixels: the browser has them.

    Attributes:
        examination: answers the questions about the radiograph.
        image_id: names it in messages to the browser, and says nothing about it.
        clicked: when its example was clicked, in ms of the page's clock; 0 for an upload.
    """

    examination: Examination
    image_id: str
    clicked: float = 0
    _questions: int = 0

    def cancel(self) -> None:
        """End the questions that are being answered: nobody waits for them any more."""
        self._questions += 1

    def new_question(self) -> Callable[[], None]:
        """Begin a question, and with it end those before.

        Returns:
            To be called while the answer is made; raises `Superseded` once a newer question came.
        """
        self.cancel()
        mine = self._questions

        def check() -> None:
            if self._questions != mine:
                raise Superseded

        return check
