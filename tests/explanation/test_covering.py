"""Covering a place: what is left of the answer and the map."""

import numpy as np
import pytest
from torch import nn

from cxr_gradcam import examine
from cxr_gradcam.explanation.covering import in_words, place_mask, read_place, what_is_left
from cxr_gradcam.imaging.radiograph import Radiograph, RadiographError
from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.preprocessing import Preprocessing

HEIGHT, WIDTH = 90, 120


@pytest.fixture(scope="module")
def examination():
    """Examine a noisy bright square by a network that finds what is bright."""
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network.append(nn.Linear(2, 2))
    for parameter, value in zip(network.parameters(), (1.0, -0.5, 40.0, 0.0), strict=True):
        nn.init.constant_(parameter, value)
    nn.init.constant_(network[4].weight[1], -40.0)
    model = CAM(
        network,
        "1",
        class_names=["Bright", "Dark"],
        preprocessing=Preprocessing(64, (0.0,), (1.0,)),
    )
    pixels = np.full((HEIGHT, WIDTH), 0.2, np.float32)
    pixels[30:50, 40:60] = 0.9
    return examine(model, Radiograph(pixels))


def test_covering_the_reason_changes_the_answer(examination):
    explanation = examination.explain("Bright")
    covered = examination.cover(place_mask("hottest", explanation))
    assert covered.probabilities["Bright"] < examination.probabilities["Bright"] - 0.05
    after = covered.explain("Bright")
    assert after.heatmap.shape == (HEIGHT, WIDTH)
    assert after.pixels.shape == (HEIGHT, WIDTH)
    assert after.pixels[40, 50] < 0.6
    assert after.pixels[5, 5] == pytest.approx(0.2, abs=1e-3)
    assert covered.lungs is examination.lungs  # of the whole radiograph
    said = what_is_left(explanation, after, "the hottest place")
    assert said.startswith("Bright: ")
    assert said.endswith("with the hottest place covered")


def test_covering_another_place_leaves_it(examination):
    explanation = examination.explain("Bright")
    covered = examination.cover(place_mask((0, 60, 20, 20), explanation))
    before = examination.probabilities["Bright"]
    assert covered.probabilities["Bright"] == pytest.approx(before, abs=0.01)


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        (np.zeros((HEIGHT, WIDTH), bool), "the place is empty"),
        (np.ones((HEIGHT, WIDTH)), "not float64"),
        (np.ones(5, bool), r"not bool \(5,\)"),
    ],
)
def test_no_place_is_refused(examination, place, problem):
    with pytest.raises(ValueError, match=problem):
        examination.cover(place)


def test_places_are_read_from_text():
    assert read_place("hottest") == "hottest"
    assert read_place("1,2,3,4") == (1, 2, 3, 4)
    assert in_words((1, 2, 3, 4)) == "the marked place"
    for text in ("", "heart", "1,2,3", "a,b,c,d"):
        with pytest.raises(ValueError, match="no place to cover"):
            read_place(text)
    for text in ("-1,2,3,4", "1,2,0,4"):
        with pytest.raises(ValueError, match="impossible"):
            read_place(text)


def test_a_place_that_is_not_there_is_refused(examination):
    explanation = examination.explain("Bright")
    mask = place_mask((100, 80, 500, 500), explanation)
    assert mask.sum() == 10 * 20
    with pytest.raises(RadiographError, match="lies outside the X-ray, which is 120 pixels wide"):
        place_mask((120, 0, 5, 5), explanation)
    with pytest.raises(RadiographError, match="All but the lungs cannot be covered"):
        place_mask("outside-lungs", explanation)


def test_the_marked_region_is_one_piece(examination):
    marked = examination.explain("Bright").marked
    assert marked.dtype == bool
    assert marked[40, 50]
    assert not marked[5, 5]
