"""Which class is the finding: told by names, whatever their order."""

from __future__ import annotations

import pytest

from cxr_gradcam.data.findings import (
    absence_among,
    finding_among,
    findings_among,
    is_absence,
    require_finding,
)


@pytest.mark.parametrize(
    "name",
    [
        *("NORMAL", "Normal chest", "healthy", "Healthy_controls", "No_Finding", "no-finding"),
        *("Negative", "Negative for Pneumonia", "COVID negative", "control", "Non-COVID", "no"),
        *("unremarkable", "disease free", "without opacity", "none", "NORMAL1", "normal_cxr"),
        *("NoFinding", "Nofindings", "no abnormality", "Uninfected", "within normal limits"),
        *("Sano", "saudável", "saudave\u0301l", "SAĞLIKLI", "négatif", "unauffällig", "Témoin"),
        *("Sin hallazgos", "ohne Befund", "Без патологии", "норма", "正常", "健康", "정상"),
    ],
)
def test_names_of_an_absence(name: str) -> None:
    assert is_absence(name)


@pytest.mark.parametrize(
    "name",
    [
        *("COVID", "Abnormal", "not normal", "no lung opacity, not normal", "Uncontrolled", "TB"),
        *("Pneumonia", "positive", "yes", "Nodule", "class 1", "Pneumothorax", "Unhealthy"),
        *("Abnormal2", "Notable", "Nodules", "不正常", "肺炎", "COVID19", "Nonspecific", "1"),
    ],
)
def test_names_of_a_finding(name: str) -> None:
    assert not is_absence(name)


@pytest.mark.parametrize(
    ("class_names", "findings"),
    [
        (("Covid", "Normal"), ("Covid",)),
        (("Normal", "Pneumonia"), ("Pneumonia",)),
        (("Covid", "Non-covid", "Normal"), ("Covid", "Non-covid")),
        (("Covid", "Non-covid"), ("Covid",)),
        (("CT COVID", "CT NonCOVID"), ("CT COVID",)),
        (("Nopneumonia", "Pneumonia"), ("Pneumonia",)),
        (("Covid19", "Notcovid19"), ("Covid19",)),
        (("NORMAL1", "NORMAL2", "PNEUMONIA"), ("PNEUMONIA",)),
        (("Bacteria", "No finding", "Virus"), ("Bacteria", "Virus")),
        (("Cat", "Dog"), ("Cat", "Dog")),
        (("Control", "Healthy"), ()),
    ],
)
def test_findings_of_several_classes(
    class_names: tuple[str, ...], findings: tuple[str, ...]
) -> None:
    for names in (class_names, class_names[::-1]):
        assert sorted(findings_among(names)) == sorted(findings)
        assert finding_among(names) == (findings[0] if len(findings) == 1 else None)


def test_the_absence_of_a_finding() -> None:
    assert absence_among(("Covid", "Normal"), "Covid") == "Normal"
    assert absence_among(("Cat", "Dog"), "Cat") == "Dog"
    assert absence_among(("Bacteria", "Normal", "Virus"), "Bacteria") == "Normal"
    assert absence_among(("Bacteria", "Normal", "Virus"), None) == "Normal"
    assert absence_among(("Bacteria", "Fungus", "Virus"), "Fungus") is None


def test_a_finding_that_names_do_not_tell_is_asked_for() -> None:
    assert require_finding(("Cat", "Dog"), "dog", "calibrate") == "Dog"
    for written in ("lung opacity", "LungOpacity", "lung-opacity"):
        assert require_finding(("Lung_Opacity", "Cat"), written, "x") == "Lung_Opacity"
    with pytest.raises(ValueError, match=r"calibrate needs .* Cat, Dog .* --finding"):
        require_finding(("Cat", "Dog"), None, "calibrate")
    with pytest.raises(ValueError, match="no class 'Bird': the classes are Cat, Dog"):
        require_finding(("Cat", "Dog"), "Bird", "calibrate")
