from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cxr_gradcam.anatomy.network import SIDE
from cxr_gradcam.anatomy.outline import Lungs
from cxr_gradcam.data.patients import PatientRules
from cxr_gradcam.evaluation.trust import outlines
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.synthetic.chest import draw_phantom


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path, Path]:
    """Write two chests with their cut-outs, and a table that names the patient of one."""
    root = tmp_path_factory.mktemp("outlines")
    data, cut_outs, table = root / "clinic", root / "cut-outs", root / "only.csv"
    for folder in (data, cut_outs):
        (folder / "PNEUMONIA").mkdir(parents=True)
    for number in range(2):
        phantom = draw_phantom(number, size=96, opacity=True)
        grey = (phantom.pixels * 255).round().astype(np.uint8)
        lungs = phantom.right_lung | phantom.left_lung
        name = f"PNEUMONIA/{number:08}_000.png"
        cv2.imwrite(str(data / name), grey)
        cv2.imwrite(str(cut_outs / name), np.where(lungs, np.maximum(grey, 9), 0))
    table.write_text("patient\n00000001\n")
    return data, cut_outs, table


def test_the_study_measures_the_patients_that_count_and_synthetic_chests(
    folders, tmp_path, monkeypatch
):
    data, cut_outs, table = folders
    monkeypatch.setattr(outlines, "PHANTOMS", 2)
    result = outlines.study(5, [data], PatientRules(), cut_outs, table, tmp_path / "report")
    known, drawn = result["rows"]
    assert (known["X-rays"], known["images"], drawn["images"]) == ("clinic", 1, 2)
    for row in (known, drawn):
        assert 0.93 < row["Dice"]["value"] <= 1
        assert 0.9 < row["known lung outlined"]["value"] <= 1
    assert drawn["zone named rightly"] == "2 of 2"
    with Image.open(tmp_path / "report" / "outlines-clinic.png") as sheet:
        assert sheet.size == (2240, 224)


def test_folders_without_a_patient_that_counts_are_refused(folders, tmp_path):
    data, cut_outs, _ = folders
    table = tmp_path / "only.csv"
    table.write_text("patient\nnobody\n")
    with pytest.raises(ValueError, match="none of the patients"):
        outlines.study(5, [data], PatientRules(), cut_outs, table)


def test_agreement_is_that_of_areas():
    shares = np.zeros((2, SIDE, SIDE), np.float32)
    shares[0, :, :64] = 1
    known = np.zeros((SIDE, SIDE), bool)
    known[:, :32] = True
    lungs = Lungs((SIDE, SIDE), shares, known, 0.0)
    dice, covered = outlines.agreement(lungs, known)
    assert dice == pytest.approx(2 * 32 / (64 + 32), abs=0.01)
    assert covered == 1


def test_outlines_are_drawn_in_their_colours_and_doubt_is_marked():
    shares = np.zeros((2, SIDE, SIDE), np.float32)
    shares[0, 40:90, 10:50] = shares[1, 40:90, 70:110] = 1
    body = np.ones((SIDE, SIDE), bool)
    radiograph = Radiograph(np.zeros((60, 80), np.float32))
    plain = outlines.outlined(radiograph, Lungs((60, 80), shares, body, 0.0))
    doubtful = outlines.outlined(
        radiograph, Lungs((60, 80), shares, body, 2.0, "only one lung was found")
    )
    colors = {tuple(color) for color in plain.reshape(-1, 3).tolist()}
    assert colors == {(0, 0, 0), (255, 255, 0), (0, 200, 255)}
    assert (doubtful[0] == (255, 0, 0)).all()
