"""Checks of an answer: with a place covered, or with small changes of the radiograph."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode
from uuid import uuid4

import cv2
import numpy as np

from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.explanation import Examination, Explanation
from cxr_gradcam.explanation.covering import Place, in_words, place_mask, read_place
from cxr_gradcam.explanation.prediction import percentage
from cxr_gradcam.imaging.stored_values import from_grey
from cxr_gradcam.web.compare.comparison import Comparison
from cxr_gradcam.web.question import PageQuestion
from cxr_gradcam.web.session import Session
from cxr_gradcam.web.viewer import View

_SIDE = 512
"""The longer side of a covered picture in pixels: more than most networks use."""


def covered_view(
    session: Session, asked: PageQuestion, comparison: Comparison, report: Progress | None
) -> View:
    """Return the view of the radiograph with a place covered, and of its map.

    Args:
        session: the open radiograph.
        asked: the question of the first answer.
        comparison: a comparison of the kind "cover"; its name is the place.
        report: called with (steps done, steps in all) while a slow method runs.

    Raises:
        RadiographError: the radiograph has no such place.
    """
    examination = _at_display_size(session, asked)
    place = _scaled(read_place(comparison.name), session.size, examination.size)
    with session.turn(examination, asked.is_slow, report) as progress:
        before = examination.answer(asked.question, progress)
        covered = examination.cover(place_mask(place, before))
        question = replace(asked.question, class_name=before.class_name)
        after = covered.answer(question, progress)
    words = in_words(place)
    return View(
        uuid4().hex,
        from_grey(np.asarray(covered.pixels), 255),
        after,
        pane="b",
        first_caption=f"Whole X-ray, {_said(before)}",
        caption=f"{words[0].upper()}{words[1:]} covered, {_said(after)}",
        link=urlencode({"compare": str(comparison)}),
    )


def mean_view(session: Session, asked: PageQuestion, comparison: Comparison) -> View:
    """Return the view of the mean map of sixteen small changes, to show beside the map.

    Args:
        session: the open radiograph.
        asked: the question of the first answer.
        comparison: a comparison of the kind "changes".
    """
    explanation = session.answer(asked)
    found = session.steadiness(asked.changed(class_name=explanation.class_name))
    height, width = session.size
    mean = cv2.resize(found.mean_map, (width, height), interpolation=cv2.INTER_LINEAR)
    hottest = np.unravel_index(int(mean.argmax()), mean.shape)
    shown = replace(
        explanation,
        heatmap=np.asarray(mean / max(float(mean.max()), 1e-6), np.float32),
        hottest=(float(hottest[1]) + 0.5, float(hottest[0]) + 0.5),
    )
    return View(
        session.image_id,
        explanation=shown,
        pane="b",
        same_picture=True,
        first_caption="As it is",
        caption=f"Mean of 16 small changes: {found.word}",
        link=urlencode({"compare": str(comparison)}),
    )


def _at_display_size(session: Session, asked: PageQuestion) -> Examination:
    """Return the examination at a size that is quickly sent, with the pixels that the model saw."""
    examination = session.examination(asked.model)
    scale = min(1.0, _SIDE / max(session.size))
    height, width = (max(1, round(side * scale)) for side in session.size)
    seen = examination.model.preprocessing.picture(examination.forward_pass.x)[..., 0]
    pixels = cv2.resize(seen, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    return replace(examination, size=(height, width), pixels=np.asarray(pixels, np.float32))


def _scaled(place: Place, size: tuple[int, int], other: tuple[int, int]) -> Place:
    """Scale a place from a picture of one size (H, W) to another size."""
    if isinstance(place, str):
        return place
    down, across = (new / old for new, old in zip(other, size, strict=True))
    x, y, width, height = place
    scaled = (x * across, y * down, max(width * across, 1), max(height * down, 1))
    left, top, wide, high = (round(min(number, max(other))) for number in scaled)
    return left, top, wide, high


def _said(explanation: Explanation) -> str:
    name = explanation.class_name
    return f"{name} {percentage(explanation.probabilities[name])}"
