"""The contents of a report, in words and as JSON; no patient data is included automatically."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.explanation import Explanation
from cxr_gradcam.explanation.display import DEFAULT, Display
from cxr_gradcam.explanation.prediction import percentage
from cxr_gradcam.explanation.records import report_record
from cxr_gradcam.imaging.radiograph import RadiographError
from cxr_gradcam.imaging.rendering import RGBImage
from cxr_gradcam.report.model import ReportedModel

TITLE = "What the model sees on a chest X-ray, and where"
"""The title of a report for which the reader types none."""

DISCLAIMER = (
    "This is no diagnosis, and not for clinical use. The heat map shows where the model looked, "
    "not where the disease is."
)

MAX_TITLE, MAX_REMARK = 200, 5_000
"""The longest title and remark, in characters."""

_MOST_CLASSES = 12  # classes that are listed with their probability
_WARNING = (
    "This does not look like the frontal chest X-rays the model was trained on. "
    "Do not rely on the percentages."
)
_FAMILIAR = {
    True: "like those of the training",
    False: "unlike those of the training",
    None: "not compared with those of the training",
}


@dataclass(frozen=True, eq=False)
class Panels:
    """The three pictures of a report, RGB (H, W, 3), all of one shape.

    Attributes:
        original: the X-ray.
        heatmap: the heat map in its colours.
        overlay: the heat map over the X-ray.
        window: name of the grey scale.
        display: how the heat map is laid over the X-ray.
    """

    original: RGBImage
    heatmap: RGBImage
    overlay: RGBImage
    window: str
    display: Display = DEFAULT


@dataclass(frozen=True, eq=False)
class Report:
    """One explanation, to be written as PDF or JSON.

    Args:
        explanation: the explanation, by any model.
        model: the model that made the explanation.
        panels: the pictures, which JSON leaves out.
        title: the user's title; "" for `TITLE`.
        remark: the user's remark.
        date: date and time of the report, with a time zone.

    Raises:
        RadiographError: a title or remark longer than `MAX_TITLE` or `MAX_REMARK` characters.
    """

    explanation: Explanation
    model: ReportedModel
    panels: Panels
    title: str = ""
    remark: str = ""
    date: datetime = field(default_factory=lambda: datetime.now().astimezone())

    def __post_init__(self) -> None:
        """Refuse a title or a remark that fills more than a few pages."""
        check_typed(self.title, self.remark)

    @property
    def answer(self) -> str:
        """The verdict or, without an operating point, the most probable class."""
        return self.explanation.answer

    @property
    def place(self) -> str:
        """A sentence on where the heat map is strongest."""
        if self.explanation.is_empty:
            return "The heat map is empty: nothing in the X-ray answers the question."
        region = self.explanation.hottest_region
        return f"The heat map is {region}: where the model looked, not where the disease is."

    @property
    def warning(self) -> str:
        """A warning to show before the answer; "" for none."""
        return _WARNING if self.explanation.is_familiar is False else ""

    def facts(self) -> Iterator[tuple[str, str]]:
        """Yield the facts of the report, as pairs of a name and a text."""
        explanation, panels = self.explanation, self.panels
        height, width = explanation.heatmap.shape
        method = METHODS[explanation.method]
        yield "Probabilities", _probabilities(explanation.probabilities)
        if explanation.verdict is not None:
            yield "Verdict", f"{explanation.finding} {explanation.verdict}"
        if not explanation.prediction.is_calibrated:
            yield "Calibration", "none: the percentages are no probabilities of disease"
        if explanation.prediction.assumptions:
            yield "Assumed", "; ".join(explanation.prediction.assumptions)
        yield "This X-ray", f"{_FAMILIAR[explanation.is_familiar]}; {width} by {height} pixels"
        yield "Question", f"evidence {explanation.question}" if method.needs_class else "any class"
        yield "Method", f"{method.label}: {method.summary}"
        yield "Layers", _layers(explanation)
        yield "Heat map", explanation.hottest_region
        yield "Grey scale", panels.window
        yield "Overlay", f"{panels.display}; colour map {panels.display.colormap}"
        yield "Model", self.model.name
        yield "Weights", f"SHA-256 {self.model.checksum}" if self.model.checksum else "no file"
        yield "Date", f"{self.date:%Y-%m-%d %H:%M %Z}"

    def as_json(self) -> dict[str, Any]:
        """Return the report in JSON types.

        Returns:
            The keys of `records.report_record`; before them "title", "remark" and "date", after
            them "window", "colormap", "overlay", "model" and "disclaimer". "model" holds {"name",
            "checksum", "measured"}.
        """
        display = self.panels.display
        return report_record(
            self.explanation,
            {
                "title": self.title or TITLE,
                "remark": self.remark,
                "date": self.date.isoformat(timespec="seconds"),
            },
            {
                "window": self.panels.window,
                "colormap": display.colormap,
                "overlay": str(display),
                "model": asdict(self.model),
                "disclaimer": DISCLAIMER,
            },
        )


def check_typed(title: str, remark: str) -> None:
    """Refuse a title or a remark that fills more than a few pages.

    Args:
        title: the user's title.
        remark: the user's remark.

    Raises:
        RadiographError: a title or remark longer than `MAX_TITLE` or `MAX_REMARK` characters.
    """
    for name, text, most in (("title", title, MAX_TITLE), ("remark", remark, MAX_REMARK)):
        if len(text) > most:
            raise RadiographError(
                f"The {name} has {len(text):,} characters, and a report holds {most:,}: shorten it."
            )


def _probabilities(probabilities: dict[str, float]) -> str:
    names = sorted(probabilities, key=probabilities.__getitem__, reverse=True)
    said = [f"{name} {percentage(probabilities[name])}" for name in names[:_MOST_CLASSES]]
    more = len(names) - _MOST_CLASSES
    return ", ".join(said) + (f", and {more} less probable" if more > 0 else "")


def _layers(explanation: Explanation) -> str:
    said = ", ".join(explanation.layers) or "the model's own"
    several = len(explanation.layers) > 1
    return f"{said}; joined by their {explanation.question.fusion}" if several else said
