"""A visitor's open radiograph, its forward passes, and the order of computations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Lock
from typing import Literal

from torch import Tensor

from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.explanation import Examination, Explanation
from cxr_gradcam.explanation.question import finest_layers
from cxr_gradcam.explanation.steadiness import Steadiness
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.compare.comparison import Comparison
from cxr_gradcam.web.downloads.dicom import DicomSource
from cxr_gradcam.web.question import PageQuestion

_KEPT = 2
"""Number of models whose forward passes are kept: as many as can be compared."""


class Urgency(IntEnum):
    """Kinds of waiting computations; the least number is first."""

    FIRST_MAP = 0
    QUESTION = 1
    SLOW_METHOD = 2


class Turns:
    """Let one thread at a time compute with all cores: the most urgent, then the first.

    When many visitors come at once, all get their first map before anyone's further questions, and
    slow methods use the remaining time.
    """

    def __init__(self) -> None:
        self._condition = Condition()
        self._arrivals = count()
        self._waiting: list[tuple[Urgency, int]] = []
        self._is_taken = False

    @contextmanager
    def turn(self, urgency: Urgency) -> Iterator[Callable[[], None]]:
        """Wait for a turn, and end it afterwards. Turns are not nested.

        Args:
            urgency: the kind of computation.

        Yields:
            A function to call regularly in long computations: it lets more urgent ones run first.
        """
        mine = urgency, next(self._arrivals)
        self._take(mine)
        try:
            yield lambda: self._give_way(mine)
        finally:
            self._end()

    def _take(self, mine: tuple[Urgency, int]) -> None:
        with self._condition:
            heappush(self._waiting, mine)
            self._condition.wait_for(lambda: not self._is_taken and self._waiting[0] == mine)
            heappop(self._waiting)
            self._is_taken = True

    def _end(self) -> None:
        with self._condition:
            self._is_taken = False
            self._condition.notify_all()

    def _give_way(self, mine: tuple[Urgency, int]) -> None:
        with self._condition:
            is_asked = bool(self._waiting) and self._waiting[0] < mine
        if is_asked:
            self._end()
            self._take(mine)


TURNS = Turns()
"""The turns of this process; all pages share its cores."""


class Superseded(Exception):  # noqa: N818 - nothing went wrong
    """The visitor has asked another question since, so this answer is not needed."""


@dataclass(eq=False)
class Session:
    """A radiograph that a visitor has open.

    The browser has the radiograph's pixels; the server keeps only 8-bit pixels of a DICOM file,
    2,048 at the longer side. It also keeps the input of each model (0.6 MB at 224 pixels, 1.2 MB at
    320, whatever the radiograph's size), so that another model can answer without the file, and the
    forward passes of the two models used last (3 MB with the bundled weights).

    Attributes:
        models: the page's models, by name.
        size: (H, W) of the radiograph in pixels.
        inputs: the input of each network, by the model's name.
        image_id: random name of the radiograph in messages to the browser.
        clicked: when the example was clicked, in ms of the page's clock; 0 for an upload.
        dicom: the parts of the file for results as DICOM; None if none can be written.
        example: the index in `example_files`; None for an upload.
        right_side: the side of the picture at which the patient's right is; None if the file does
            not state it.
        prior: the prior radiograph that is shown beside this one, or None.
        comparison: the second answer that is shown beside the first one, or None.
    """

    models: Mapping[str, Classifier]
    size: tuple[int, int]
    inputs: Mapping[str, Tensor]
    image_id: str
    clicked: float = 0
    dicom: DicomSource | None = None
    example: int | None = None
    right_side: Literal["left", "right"] | None = None
    prior: Session | None = None
    comparison: Comparison | None = None
    _examinations: dict[str, Examination] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _questions: int = 0
    _is_answered: bool = False

    @classmethod
    def of(
        cls,
        models: Mapping[str, Classifier],
        radiograph: Radiograph,
        image_id: str,
        clicked: float = 0,
        dicom: DicomSource | None = None,
        example: int | None = None,
    ) -> Session:
        """Open a radiograph: prepare the input of each model."""
        height, width = radiograph.pixels.shape
        inputs = {name: model.prepare(radiograph) for name, model in models.items()}
        side = radiograph.right_side
        return cls(models, (height, width), inputs, image_id, clicked, dicom, example, side)

    def examination(self, name: str) -> Examination:
        """Return a model's examination of the radiograph; run the network if it was not kept."""
        with self._lock:
            known = self._examinations.pop(name, None) or self._examine(name)
            self._examinations[name] = known  # at the end: used last
            while len(self._examinations) > _KEPT:
                self._examinations.pop(next(iter(self._examinations)))
        return known

    def answer(self, asked: PageQuestion, progress: Progress | None = None) -> Explanation:
        """Answer a question; keep only data that the next question needs.

        Args:
            asked: the model and the question.
            progress: called with (steps done, steps in all) while a slow method runs; an exception
                from it ends the computation.
        """
        examination = self.examination(asked.model)
        with self.turn(examination, asked.is_slow, progress) as report:
            try:
                return examination.answer(asked.question, report)
            finally:
                self._is_answered = True

    def steadiness(self, asked: PageQuestion) -> Steadiness:
        """Measure how steady an answer is, when nobody waits for a map."""
        examination = self.examination(asked.model)
        with self.turn(examination, is_slow=True):
            return examination.steadiness_of(asked.question)

    @contextmanager
    def turn(
        self, examination: Examination, is_slow: bool, progress: Progress | None = None
    ) -> Iterator[Progress]:
        """Wait until this visitor may compute, and release what the work leaves in memory.

        Args:
            examination: asked during the turn; made before it, since turns are not nested.
            is_slow: let everything else pass that is asked meanwhile.
            progress: as in `answer`.

        Yields:
            What the work reports its progress to.
        """
        with TURNS.turn(self._urgency(is_slow)) as give_way:

            def report(done: int, total: int) -> None:
                if progress is not None:
                    progress(done, total)
                give_way()

            try:
                yield report
            finally:
                examination.forward_pass.release()

    def cancel(self) -> None:
        """End the questions that are being answered; their answers are no longer needed."""
        self._questions += 1

    def new_question(self) -> Callable[[], None]:
        """Begin a question, which ends earlier ones.

        Returns:
            A function to call while computing the answer; it raises `Superseded` after a newer
            question.
        """
        self.cancel()
        mine = self._questions

        def check() -> None:
            if self._questions != mine:
                raise Superseded

        return check

    def _urgency(self, is_slow: bool) -> Urgency:
        if is_slow:
            return Urgency.SLOW_METHOD
        return Urgency.QUESTION if self._is_answered else Urgency.FIRST_MAP

    def _examine(self, name: str) -> Examination:
        model = self.models[name]
        with TURNS.turn(self._urgency(False)):
            forward_pass = model.record(self.inputs[name], finest_layers(model))
        return Examination(self.size, model, forward_pass, right_side=self.right_side)
