"""Checks of each answer: with a place covered, and under small changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.batch.pictures import Drawn, save_pictures
from cxr_gradcam.explanation import Explanation, examine
from cxr_gradcam.explanation.covering import Place, in_words, place_mask, what_is_left
from cxr_gradcam.explanation.display import Display
from cxr_gradcam.imaging.rendering import as_rgb
from cxr_gradcam.models.classifier import Classifier


@dataclass(frozen=True)
class Covering:
    """Cover a place of each radiograph, and write the covered picture and its map.

    Args:
        model: the model.
        place: the place to cover.
        display: how the map is overlaid on the radiograph.
    """

    model: Classifier
    place: Place
    display: Display

    def __call__(self, drawn: Drawn) -> dict[str, Any]:
        """Answer the question again for a radiograph with the place covered.

        Raises:
            RadiographError: the radiograph has no such place.
        """
        before = drawn.explanation
        examination = examine(self.model, drawn.radiograph, before.layers)
        covered = examination.cover(place_mask(self.place, before))
        after = covered.answer(before.question)
        name = in_words(self.place)
        said = {
            "place": name,
            "probabilities": after.probabilities,
            "words": what_is_left(before, after, name),
        }
        return {"covered": said, "outputs": self._write(drawn, after)}

    def _write(self, drawn: Drawn, after: Explanation) -> dict[str, Any]:
        pixels = drawn.radiograph.pixels if after.pixels is None else after.pixels
        left = as_rgb(pixels)
        overlay = self.display.draw(left, after.heatmap)["overlay"]
        pictures: dict[str, NDArray[np.uint8]] = {"covered": left, "covered-overlay": overlay}
        start = drawn.start
        paths = {kind: start.with_name(f"{start.name}-{kind}.png") for kind in pictures}
        save_pictures(pictures, paths)
        return paths


def steadiness_record(model: Classifier, drawn: Drawn) -> dict[str, Any]:
    """Return the steadiness of a radiograph's answer and map, as a key of its record.

    Args:
        model: the model.
        drawn: the radiograph and its explanation.
    """
    question = drawn.explanation.question
    examination = examine(model, drawn.radiograph, question.layers)
    return {"steadiness": examination.steadiness_of(question).as_json()}
