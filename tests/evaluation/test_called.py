import numpy as np
import pytest

from cxr_gradcam.anatomy.zones import Place, Zone
from cxr_gradcam.evaluation.trust.called import Called, in_words, measure_called
from cxr_gradcam.explanation.steadiness import STEADY, UNSTEADY, Steadiness

pytestmark = pytest.mark.usefixtures("few_resamples")


def called(
    number: int,
    right: bool,
    zone: Zone | None,
    share: float = 0.5,
    *,
    change: float = 0.0,
    left: float = 0.1,
) -> Called:
    place = None if zone is None else Place(zone, None, "", share)
    nothing = np.zeros(16), np.zeros(16), np.zeros((1, 1), np.float32)
    steadiness = Steadiness(0.01 if right else 0.2, 1.0, change, *nothing)
    return Called(f"patient {number}", right, 0.8, place, steadiness, left)


def test_right_and_wrong_answers_are_compared():
    right = [called(number, True, Zone.LOWER, 0.8) for number in range(6)]
    right += [called(6, True, Zone.HILUM, 0.7), called(7, True, None)]
    wrong = [called(number, False, Zone.BELOW, 0.3, left=0.7) for number in range(10, 13)]
    wrong += [called(13, False, Zone.UPPER, 0.75, left=float("nan"))]
    rows = {row["answers"]: row for row in measure_called(right + wrong)}
    assert rows["all"]["images"] == 12
    assert rows["all"]["right"]["value"] == pytest.approx(8 / 12)
    assert rows["right"]["images"] == 8
    assert rows["right"]["in the lungs"]["value"] == 1
    assert rows["wrong"]["in the lungs"]["value"] == pytest.approx(1 / 4)
    assert rows["wrong"]["share in the lungs"]["value"] == pytest.approx(1.65 / 4)
    assert rows["wrong"]["falls by half"]["value"] == 0
    assert rows["right"]["stays"]["value"] == rows["right"]["falls by half"]["value"] == 1
    aucs = rows["AUC, right against wrong"]
    assert aucs["in the lungs"]["value"] == pytest.approx(1 - 1 / 8)
    assert aucs["share in the lungs"]["value"] == pytest.approx(1 - 1 / 28)
    assert aucs["probability"]["value"] == 0.5


def test_each_word_says_how_often_it_was_right():
    steady = [called(number, True, Zone.LOWER, change=STEADY[1]) for number in range(3)]
    unsteady = [called(number, False, Zone.LOWER, change=UNSTEADY[1] + 0.1) for number in (3, 4)]
    rows = {row["answers"]: row for row in measure_called(steady + unsteady)}
    assert "wavering" not in rows
    assert rows["steady"]["right"]["value"] == 1
    assert rows["unsteady"]["right"]["value"] == 0


def test_without_wrong_answers_there_is_no_comparison():
    rows = measure_called([called(0, True, Zone.LOWER), called(1, True, None)])
    assert [row["answers"] for row in rows] == ["all", "right", "steady"]


def test_answers_without_lungs_are_counted_alone():
    rows = measure_called([called(0, True, None), called(1, False, None)])
    assert {row["in the lungs"] for row in rows} == {""}


def test_what_was_found_is_said_in_words():
    right = [called(number, True, Zone.LOWER) for number in range(3)] + [
        called(3, True, Zone.BELOW)
    ]
    said = in_words([*right, called(4, False, Zone.UPPER, left=0.7)])
    assert "called rightly (4 measured), the hottest place is in the lungs in 75 and stays" in said
    assert "changes in 100; the probability falls by half in 100 when" in said
    assert "called wrongly (1 measured), the hottest place is in the lungs in 100" in said
    assert "changes in 0; the probability falls by half in 0 when" in said
    assert "wrongly" not in in_words(right)
