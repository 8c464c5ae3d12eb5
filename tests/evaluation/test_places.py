import pytest

from cxr_gradcam.anatomy.zones import Place, Zone
from cxr_gradcam.evaluation.lungs.places import Called, measure_places


def called(number: int, right: bool, zone: Zone | None, share: float = 0.5) -> Called:
    place = None if zone is None else Place(zone, None, "", share)
    return Called(f"patient {number}", right, place)


def test_right_and_wrong_answers_are_compared():
    right = [called(number, True, Zone.LOWER, 0.8) for number in range(6)]
    right += [called(6, True, Zone.HILUM, 0.7), called(7, True, None)]
    wrong = [called(number, False, Zone.BELOW, 0.3) for number in range(10, 13)]
    wrong += [called(13, False, Zone.UPPER, 0.75)]
    rows = {row["answers"]: row for row in measure_places(right + wrong)}
    assert rows["all"]["images"] == 12
    assert (rows["right"]["images"], rows["right"]["lungs outlined"]) == (8, 7)
    assert rows["right"]["in the lungs"]["value"] == 1
    assert rows["wrong"]["in the lungs"]["value"] == pytest.approx(1 / 4)
    assert rows["wrong"]["share in the lungs"]["value"] == pytest.approx(1.65 / 4)
    aucs = rows["AUC, right against wrong"]
    assert aucs["in the lungs"]["value"] == pytest.approx(1 - 1 / 8)
    assert aucs["share in the lungs"]["value"] == pytest.approx(1 - 1 / 28)


def test_without_wrong_answers_there_is_no_comparison():
    rows = measure_places([called(0, True, Zone.LOWER), called(1, True, None)])
    assert [row["answers"] for row in rows] == ["all", "right"]


def test_answers_without_lungs_are_counted_alone():
    rows = measure_places([called(0, True, None), called(1, False, None)])
    assert [row["in the lungs"] for row in rows] == ["", "", ""]
