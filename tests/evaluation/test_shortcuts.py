"""Shortcuts: a model that reads the machine from the picture is found out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from cxr_gradcam.data.selection import Selection
from cxr_gradcam.evaluation.shortcuts import (
    bordered,
    compressed,
    forms,
    marked,
    measure_shortcuts,
    radiographs_without_finding,
    small,
    study,
)
from cxr_gradcam.models.calibration import Calibration
from cxr_gradcam.models.preprocessing import Preprocessing

pytestmark = pytest.mark.usefixtures("few_resamples")


class Brightness(nn.Module):
    """A model whose evidence for the finding is the mean grey of the picture."""

    class_names = ("Normal", "Pneumonia")
    preprocessing = Preprocessing(32, (0.0,), (1.0,))
    calibration = Calibration()
    multi_label = False
    finding = None

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(8.0))

    def forward(self, x: Tensor) -> Tensor:
        evidence = (x.mean((1, 2, 3)) - 0.5) * self.weight
        return torch.stack([torch.zeros_like(evidence), evidence], dim=1)


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    """Children are dark and adults bright; among adults AP is darker than PA; age says nothing."""
    rows = ["image,age,view,read"]
    for source, level in (("children", 60), ("adults", 120)):
        for name in ("normal", "pneumonia"):
            (tmp_path / source / name).mkdir(parents=True)
            for number in range(12):
                view = "AP" if number % 2 else "PA"
                grey = level + number // 2 + (0 if view == "AP" else 30)
                noise = np.random.default_rng([number, len(name)]).integers(-9, 9, (40, 32))
                file = tmp_path / source / name / f"{source}{number}.png"
                Image.fromarray((grey + noise).astype(np.uint8)).save(file)
                if source == "adults":
                    age = 30 if number // 2 % 2 else 70
                    rows.append(f"{name}/{file.name},{age},{view},{name}")
    table = "\n".join(rows).replace(",pneumonia\n", ",lung opacity\n")
    (tmp_path / "adults" / "reads.csv").write_text(table)
    return [tmp_path / "children", tmp_path / "adults"]


def test_source_and_projection_are_read_from_a_model_that_looks_at_them(
    sources: list[Path],
) -> None:
    model = Brightness()
    healthy = radiographs_without_finding(
        model, Selection(sources, [sources[1] / "reads.csv"]), 100
    )  # type: ignore[arg-type]
    assert len(healthy) == 24
    rows = {row["what"]: row for row in measure_shortcuts(model, healthy, "Pneumonia")}  # type: ignore[arg-type]
    groups = ["source adults", "projection AP", "age under 40"]
    assert list(rows) == [*groups, *forms()]
    assert rows["source adults"]["AUC"]["value"] == 1
    assert rows["projection AP"]["AUC"]["value"] == 0
    assert 0.3 < rows["age under 40"]["AUC"]["value"] < 0.7
    assert rows["projection AP"]["images"] == 6
    assert rows["mirrored"]["difference"]["value"] == pytest.approx(0, abs=1e-5)
    assert rows["mirrored"]["AUC"]["value"] == pytest.approx(0.5, abs=0.01)
    assert rows["white marker"]["AUC"]["value"] > 0.5 > rows["black border"]["AUC"]["value"]
    assert rows["black border"]["difference"]["value"] > 0.01
    assert len({tuple(row) for row in rows.values()}) == 1


def test_the_study_says_on_how_many_it_rests(sources: list[Path]) -> None:
    result = study(Brightness(), Selection(sources), count=5)  # type: ignore[arg-type]
    assert set(result) == {"title", "about", "rows"}
    assert result["about"].startswith("10 X-rays without the finding.")


def test_without_healthy_radiographs_there_is_nothing_to_measure(tmp_path: Path) -> None:
    (tmp_path / "pneumonia").mkdir()
    Image.new("L", (8, 8), 90).save(tmp_path / "pneumonia" / "1.png")
    with pytest.raises(ValueError, match="no X-ray is Normal"):
        study(Brightness(), Selection([tmp_path]), count=5)  # type: ignore[arg-type]


def test_forms_change_what_they_say() -> None:
    picture = np.random.default_rng(0).random((224, 200), dtype=np.float32)
    assert small(picture).shape == (112, 112)
    assert small(picture).mean() == pytest.approx(picture.mean(), abs=1e-3)
    assert 0.01 < np.abs(compressed(picture) - picture).mean() < 0.3
    assert not bordered(picture)[:13].any()
    np.testing.assert_array_equal(bordered(picture)[13:-13, 12:-12], picture[13:-13, 12:-12])
    white = marked(picture) != picture
    assert 20 < white.sum() < 1000
    assert (marked(picture)[white] == 1).mean() > 0.6  # its edges are smooth
    assert np.argwhere(white)[:, 0].max() < 40


class InOtherOrder(Brightness):
    """The same model, whose classes stand the other way round and have other names."""

    class_names = ("Covid", "Healthy")

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).flip(1)


def test_the_finding_is_not_the_last_class_of_the_alphabet(sources: list[Path]) -> None:
    expected = study(Brightness(), Selection(sources), count=5)  # type: ignore[arg-type]
    for source in sources:
        (source / "normal").rename(source / "healthy")
        (source / "pneumonia").rename(source / "covid")
    assert study(InOtherOrder(), Selection(sources), count=5) == expected  # type: ignore[arg-type]


class OfThree(Brightness):
    """Two findings, of which the second one is never said."""

    class_names = ("Bacteria", "Normal", "Virus")

    def forward(self, x: Tensor) -> Tensor:
        normal, evidence = super().forward(x).T
        return torch.stack([evidence, normal, normal - 9], dim=1)


def test_each_of_several_findings_is_measured(sources: list[Path]) -> None:
    for source in sources:
        (source / "pneumonia").rename(source / "virus")
    rows = study(OfThree(), Selection(sources), count=5)["rows"]  # type: ignore[arg-type]
    assert [row["what"] for row in rows][:2] == [
        "Bacteria: source adults",
        f"Bacteria: {next(iter(forms()))}",
    ]
    assert sum(row["what"].startswith("Virus: ") for row in rows) == len(rows) // 2
    named = study(OfThree(), Selection(sources, finding="virus"), count=5)["rows"]  # type: ignore[arg-type]
    assert named == [
        row | {"what": row["what"].removeprefix("Virus: ")} for row in rows[len(rows) // 2 :]
    ]
