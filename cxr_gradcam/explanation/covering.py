"""Places of a radiograph to cover, and sentences on the answer afterwards."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.anatomy.filling import outside
from cxr_gradcam.explanation.explanation import Explanation
from cxr_gradcam.explanation.prediction import percentage
from cxr_gradcam.imaging.radiograph import RadiographError

HOTTEST, OUTSIDE_LUNGS = "hottest", "outside-lungs"

IN_WORDS = {
    HOTTEST: "the hottest place",
    OUTSIDE_LUNGS: "everything but the lungs",
}
"""The places that have a name."""

Mask = NDArray[np.bool_]
Place = str | tuple[int, int, int, int]
"""A name of `IN_WORDS`; or left and upper edge, width and height in pixels of the radiograph."""


def read_place(text: str) -> Place:
    """Parse the place to cover.

    Args:
        text: a name of `IN_WORDS`, or x,y,w,h: left and upper edge, width and height in pixels of
            the radiograph.

    Returns:
        The name, or the four numbers.

    Raises:
        ValueError: the text is neither of these.

    Example:
        >>> read_place("10,20,300,200")
        (10, 20, 300, 200)
    """
    if text in IN_WORDS:
        return text
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"{text!r} is no place to cover: write x,y,w,h in pixels, or {' or '.join(IN_WORDS)}"
        ) from None
    if min(x, y) < 0 or min(width, height) < 1:
        raise ValueError(
            f"the place {text} is impossible: x and y begin at 0, width and height at 1"
        )
    return x, y, width, height


def place_mask(place: Place, explanation: Explanation) -> Mask:
    """Return a place as a mask.

    Args:
        place: a result of `read_place`.
        explanation: explanation of the radiograph, with its map in the radiograph's size.

    Returns:
        bool (H, W), True at the place.

    Raises:
        RadiographError: the map is empty, the lungs are not plausible, or the four numbers lie
            outside the radiograph.
    """
    if place == HOTTEST:
        if explanation.is_empty:
            raise RadiographError("The map is empty, so it has no hottest place to cover.")
        return explanation.marked
    if place == OUTSIDE_LUNGS:
        return _outside_lungs(explanation)
    mask = np.zeros(explanation.heatmap.shape, bool)
    x, y, width, height = map(int, cast("tuple[int, int, int, int]", place))
    mask[y : y + height, x : x + width] = True
    if not mask.any():
        rows, columns = explanation.heatmap.shape
        raise RadiographError(
            f"The place {x},{y},{width},{height} lies outside the X-ray, which is {columns} pixels "
            f"wide and {rows} high."
        )
    return mask


def _outside_lungs(explanation: Explanation) -> Mask:
    lungs = explanation.lungs
    if lungs is None or not lungs.is_plausible:
        problem = "they were not outlined" if lungs is None else lungs.problem
        raise RadiographError(f"All but the lungs cannot be covered: {problem}.")
    return outside(lungs.right | lungs.left)


def in_words(place: Place) -> str:
    """Name a place.

    Example:
        >>> in_words("hottest")
        'the hottest place'
    """
    return IN_WORDS[place] if isinstance(place, str) else "the marked place"


def what_is_left(before: Explanation, after: Explanation, place: str) -> str:
    """Say how probable the explained class is with and without a place.

    Args:
        before: explanation of the whole radiograph.
        after: explanation for the same class with the place covered.
        place: the place in words.

    Returns:
        A sentence such as "Pneumonia: 96 %, and 12 % with the hottest place covered".
    """
    name = before.class_name
    shares = [percentage(each.probabilities[name]) for each in (before, after)]
    return f"{name}: {shares[0]}, and {shares[1]} with {place} covered"
