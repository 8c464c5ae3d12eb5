"""What is learnt from validation pictures: on which of them it rests."""

import numpy as np
import torch
from torch import Tensor

from cxr_gradcam.data.dataset import LabelledImages
from cxr_gradcam.data.split import Split
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.training.calibration import (
    BATCH_SIZE,
    VIEWS,
    fit_calibration,
    mixed_appearance,
)

COUNT = 2 * BATCH_SIZE + 3


class Brightness:
    """A model whose evidence for the finding is the mean grey of the picture."""

    class_names = ("Normal", "Pneumonia")
    preprocessing = Preprocessing(8, (0.0,), (1.0,))

    def __init__(self) -> None:
        self.forward_pass: list[Tensor] = []

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        self.forward_pass.append(x)
        evidence = (x.mean((1, 2, 3)) - 0.5) * 8
        return x.flatten(1), torch.stack([torch.zeros_like(evidence), evidence], dim=1)


def _validation(noisy: int, phantoms: int) -> LabelledImages:
    """Draw pictures whose class is their brightness; every second noisy one's label is wrong."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (COUNT, 1, 8, 8), generator=generator)
    bright = torch.arange(COUNT) % 2
    images = (images // 4 + bright.view(-1, 1, 1, 1) * 150).to(torch.uint8)
    source_of = torch.zeros(COUNT, dtype=torch.long)
    source_of[COUNT - phantoms - noisy :] = 1
    source_of[COUNT - phantoms :] = 2
    wrong = (source_of == 1) & (torch.arange(COUNT) % 4 < 2)
    labels = torch.where(wrong, 1 - bright, bright)
    none = torch.zeros(COUNT, dtype=torch.long)
    return LabelledImages(images, labels, source_of, images[COUNT - phantoms :], none, none)


def _split() -> Split:
    """Two sources, of which the second has noisy labels."""
    none = torch.zeros(0, dtype=torch.long)
    return Split(Brightness.class_names, ("sure", "noisy"), [], none, none, none, 1, 1, none, none)


def test_each_picture_stays_at_its_place_when_exchanged() -> None:
    grey = torch.randint(0, 256, (COUNT, 1, 16, 16), generator=torch.Generator().manual_seed(1))
    images = grey.to(torch.uint8)
    changed = mixed_appearance(images, seed=0)
    alike = np.corrcoef(images.flatten(1).numpy(), changed.flatten(1).numpy())[:COUNT, COUNT:]
    assert alike.argmax(axis=1).tolist() == list(range(COUNT))
    assert not torch.equal(images, changed)
    assert torch.equal(changed, mixed_appearance(images, seed=0))
    assert not torch.equal(changed, mixed_appearance(images, seed=1))


def test_phantoms_are_not_looked_at_and_noisy_labels_move_no_bound() -> None:
    model = Brightness()
    validation = _validation(noisy=9, phantoms=5)
    calibration, features, verdicts = fit_calibration(model, validation, _split(), ["Pneumonia"])  # type: ignore[arg-type]
    assert set(verdicts["Pneumonia"]) == {"sure", "noisy"}
    counted = verdicts["Pneumonia"]["sure"].values()
    assert sum(images for images, _ in counted) == COUNT - 14
    assert sum(ill for _, ill in counted) == (COUNT - 14) // 2
    assert verdicts["Pneumonia"]["sure"]["likely"] == ((COUNT - 14) // 2,) * 2
    assert len(features) == COUNT - 5
    assert sum(map(len, model.forward_pass)) == (1 + VIEWS) * (COUNT - 5)
    point = calibration.operating_point
    assert point is not None
    assert point.class_name == "Pneumonia"
    forward_pass = model.forward_pass[0][: COUNT - 14]
    evidence = calibration.probabilities(model.features(forward_pass)[1])[:, 1]
    called = evidence >= point.threshold
    assert called.tolist() == [index % 2 == 1 for index in range(len(forward_pass))]


def test_wrong_labels_make_the_temperature_higher() -> None:
    few, many = (
        fit_calibration(Brightness(), _validation(n, 0), _split(), ["Pneumonia"])[0].temperature  # type: ignore[arg-type]
        for n in (2, 12)
    )
    assert few < many


def test_each_of_several_findings_gets_its_operating_point() -> None:
    calibration, _, verdicts = fit_calibration(
        Brightness(),  # type: ignore[arg-type]
        _validation(0, 0),
        _split(),
        ["Normal", "Pneumonia"],
    )
    assert calibration.operating_point is None
    assert [point.class_name for point in calibration.further_points] == ["Normal", "Pneumonia"]
    assert calibration.point_of("Pneumonia") == calibration.further_points[1]
    assert calibration.point_of("Fracture") is None
    assert [*verdicts] == ["Normal", "Pneumonia"]
    for name, shown in (("Normal", COUNT // 2 + 1), ("Pneumonia", COUNT // 2)):
        counted = verdicts[name]["sure"].values()
        assert sum(images for images, _ in counted) == COUNT
        assert sum(with_finding for _, with_finding in counted) == shown
