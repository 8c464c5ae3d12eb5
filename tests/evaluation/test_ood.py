"""Outliers: pictures that stay the same, and a gate whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.evaluation.ood import corruptions, measure_ood
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.ood import OODDetector
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.synthetic.chest import draw_phantom
from cxr_gradcam.synthetic.non_chest import ood_images

pytestmark = pytest.mark.usefixtures("few_resamples")


@pytest.fixture(scope="module")
def foreign() -> dict[str, list[list[np.ndarray]]]:
    return ood_images()


def test_every_group_has_pictures_that_can_be_looked_at(
    foreign: dict[str, list[list[np.ndarray]]],
) -> None:
    assert len(foreign) == 7
    for name, origins in foreign.items():
        pictures = [picture for origin in origins for picture in origin]
        assert len(pictures) >= 20, name
        for picture in pictures:
            assert Radiograph(picture).pixels.std() > 0.02, name


def test_they_are_the_same_at_every_call(foreign: dict[str, list[list[np.ndarray]]]) -> None:
    for name, origins in ood_images().items():
        np.testing.assert_array_equal(origins[0][0], foreign[name][0][0])


def test_changes_by_hand() -> None:
    picture = np.array([[0.0, 0.25], [0.5, 1.0]], np.float32)
    inverted, turned, flipped = (group[0].tolist() for group in corruptions([picture]).values())
    assert inverted == [[1.0, 0.75], [0.5, 0.0]]
    assert turned == [[0.25, 1.0], [0.0, 0.5]]
    assert flipped == [[0.5, 1.0], [0.0, 0.25]]


def ood_detector(threshold: float) -> OODDetector:
    """The square of the features' length."""
    mean, directions = np.zeros(2048, np.float32), np.zeros((1, 2048), np.float32)
    return OODDetector(mean, directions, np.ones(1, np.float32), 1.0, threshold)


def test_a_gate_that_nothing_passes_notices_everything(model: ResNet50FineTuned) -> None:
    model.preprocessing, model.ood_detector = Preprocessing(32), ood_detector(1e-9)
    radiographs = [Radiograph(draw_phantom(seed, size=64).pixels) for seed in (1, 2, 3)]
    same = {"same": [[each.pixels for each in radiographs]]}
    rows = measure_ood(model, radiographs, same)
    assert [row["noticed"]["value"] for row in rows] == [1] * 5
    assert [(row["images"], row["origins"]) for row in rows] == [(3, 3)] * 4 + [(3, 1)]
    # the share under which all of 3, or of 1, are noticed with a probability of 2.5 %
    assert rows[0]["noticed"]["low"] ** 3 == pytest.approx(0.025)
    assert rows[-1]["noticed"]["low"] == pytest.approx(0.025)
    assert rows[0]["AUROC"] == ""
    assert rows[-1]["AUROC"]["value"] == pytest.approx(0.5)
    model.ood_detector = ood_detector(np.inf)
    assert measure_ood(model, radiographs, same)[-1]["noticed"]["value"] == 0


def test_what_shows_no_lungs_is_noticed_though_the_detector_passes_it(
    model: ResNet50FineTuned,
) -> None:
    model.preprocessing, model.ood_detector = Preprocessing(32), ood_detector(np.inf)
    radiographs = [Radiograph(draw_phantom(seed, size=64).pixels) for seed in (1, 2)]
    noise = {"noise": [[np.random.default_rng(0).random((64, 64), np.float32)]]}
    known, *_, row = measure_ood(model, radiographs, noise)
    assert known["noticed"]["value"] == 0
    assert row["noticed"]["value"] == row["AUROC"]["value"] == 1
    assert (row["by the detector"], row["by the lungs"]) == ("0.000", "1.000")


def test_without_a_gate_there_is_nothing_to_measure(model: ResNet50FineTuned) -> None:
    model.ood_detector = None
    with pytest.raises(ValueError, match="calibrate"):
        measure_ood(model, [Radiograph(np.zeros((8, 8), np.float32))])
