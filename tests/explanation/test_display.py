"""How a map is displayed: what can be chosen, what is drawn, and what is said of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_gradcam.explanation.display import DISPLAY_FIELDS, STYLES, Display
from cxr_gradcam.imaging.contours import contour_overlay
from cxr_gradcam.imaging.rendering import COLORMAPS, colorize, overlay

GREY = np.full((6, 8, 3), 90, np.uint8)
MAP = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)

displays = st.builds(
    Display,
    st.floats(0, 1),
    st.sampled_from(list(COLORMAPS)),
    st.sampled_from(STYLES),
    st.floats(0, 1),
)


@pytest.mark.parametrize(
    ("display", "words"),
    [
        (Display(), "opacity 50 %"),
        (Display(style="contours"), "contours at 50, 75 and 90 % of the map's maximum"),
        (
            Display(style="contours", threshold=0.3),
            "contours at 50, 75 and 90 % of the map's maximum; "
            "nothing below 30 % of the map's maximum",
        ),
        (
            Display(style="contours", threshold=0.8),
            "contours at 90 % of the map's maximum; nothing below 80 % of the map's maximum",
        ),
        (
            Display(style="contours", threshold=1),
            "no contours; nothing below 100 % of the map's maximum",
        ),
        (Display(0.4, style="fading"), "opacity 40 % where the map is strongest, fading"),
        (Display(threshold=0.25), "opacity 50 %; nothing below 25 % of the map's maximum"),
    ],
)
def test_a_display_says_itself_in_words(display: Display, words: str) -> None:
    assert str(display) == words


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"opacity": 1.2}, "opacity is a number from 0 to 1, not 1.2"),
        ({"opacity": float("nan")}, "opacity is a number from 0 to 1, not nan"),
        ({"threshold": True}, "threshold is a number from 0 to 1, not True"),
        ({"colormap": "sepia"}, "no colour map 'sepia': choose from jet, "),
        ({"style": "dots"}, "no style 'dots': choose from even, fading, contours"),
    ],
)
def test_what_cannot_be_drawn_is_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Display(**values)  # type: ignore[arg-type]


def test_the_fields_are_those_of_the_display() -> None:
    made = Display(**{field.name: field.default for field in DISPLAY_FIELDS})  # type: ignore[arg-type]
    assert made == Display()


@given(displays)
def test_what_is_drawn_is_the_overlay_of_its_style(display: Display) -> None:
    drawn = display.draw(GREY, MAP)
    np.testing.assert_array_equal(drawn["heatmap"], colorize(MAP, display.colormap))
    if display.style == "contours":
        levels = [level for level in (0.5, 0.75, 0.9) if level >= display.threshold]
        expected = contour_overlay(GREY, MAP, display.colormap, levels=levels)
    else:
        expected = overlay(
            GREY,
            MAP,
            display.opacity,
            display.colormap,
            fading=display.style == "fading",
            threshold=display.threshold,
        )
    np.testing.assert_array_equal(drawn["overlay"], expected)


def test_contours_below_the_threshold_are_not_drawn() -> None:
    below, above = (
        Display(style="contours", threshold=threshold).draw(GREY, MAP)["overlay"]
        for threshold in (0.95, 0.8)
    )
    np.testing.assert_array_equal(below, GREY)
    assert (above != GREY).any()
