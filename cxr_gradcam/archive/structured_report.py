"""Results as a structured report: a Measurement Report (PS3.16 TID 1500)."""

from __future__ import annotations

from collections.abc import Iterator

from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    ImageContentItem,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from highdicom.sr.utils import collect_evidence
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import Comprehensive3DSRStorage

from cxr_gradcam.anatomy.zones import Place
from cxr_gradcam.archive.identity import DISCLAIMER, MANUFACTURER, Result, derived_uid
from cxr_gradcam.archive.images import quantity
from cxr_gradcam.archive.objects import as_text, new_object
from cxr_gradcam.explanation import Explanation
from cxr_gradcam.explanation.prediction import Prediction

REPORT_SERIES = 9002

SCHEME = "99CXRGRADCAM"
"""Designator of the coding scheme of this software, for terms that no public scheme has."""

VERDICT = Code("VERDICT", SCHEME, "Verdict on the finding")
RESEMBLANCE = Code("RESEMBLANCE", SCHEME, "Resemblance to the training images")
HOTTEST_PLACE = Code("HOTTEST", SCHEME, "Part of the chest where the map is strongest")
CHEST_RADIOGRAPHY = Code("399208008", "SCT", "Plain X-ray of chest")
VISUAL_EXPLANATION = Code("130401", "DCM", "Visual explanation")

_FINDINGS: dict[str, Code] = {
    "normal": codes.SCT.Normal,
    "pneumonia": Code("233604007", "SCT", "Pneumonia"),
    "pneumothorax": codes.SCT.Pneumothorax,
    "effusion": codes.SCT.PleuralEffusion,
    "edema": codes.SCT.PulmonaryEdema,
    "infiltration": codes.DCM.Infiltrate,
}


def structured_report(result: Result, evidence_map: Dataset) -> Dataset:
    """Write a result as a Comprehensive 3D SR, the SOP class of IHE AI Results.

    Each class is a measurement group (TID 1501) with its probability. The first group is that of
    the finding, with verdict and resemblance to the training images. The group of the explained
    class refers to the map and says where it is strongest; this place is not a finding site. All
    groups name the chest as finding site, the algorithm (TID 4019) and the radiograph.

    Args:
        result: the result.
        evidence_map: the map, as `parametric_map` makes it.

    Returns:
        The object: complete, preliminary, not verified.
    """
    made = new_object(result, "report", Comprehensive3DSRStorage, "SR", REPORT_SERIES)
    content = MeasurementReport(
        observation_context=_observer(result),
        procedure_reported=CHEST_RADIOGRAPHY,
        imaging_measurements=[_group(result, name, evidence_map) for name in _classes(result)],
    )[0]
    made.update({element.tag: element for element in content})
    made.CompletionFlag, made.PreliminaryFlag = "COMPLETE", "PRELIMINARY"
    made.VerificationFlag = "UNVERIFIED"
    made.PerformedProcedureCodeSequence = []
    made.ReferencedPerformedProcedureStepSequence = []
    made.CodingSchemeIdentificationSequence = [_coding_scheme()]
    evidence = [result.header.image, evidence_map]
    same_study, _ = collect_evidence(evidence, content, str(made.StudyInstanceUID))
    made.CurrentRequestedProcedureEvidenceSequence = same_study
    return made


def finding_code(class_name: str) -> Code:
    """Return the code of a class: a public code if one is known for its name."""
    text = as_text(class_name)
    return _FINDINGS.get(class_name.casefold(), Code(text, SCHEME, text))


def _classes(result: Result) -> list[str]:
    others = [name for name in result.explanation.probabilities if name != result.finding]
    return [result.finding, *others]


def _observer(result: Result) -> ObservationContext:
    algorithm = result.algorithm
    device = DeviceObserverIdentifyingAttributes(
        uid=derived_uid("device", algorithm.version, algorithm.checksum),
        name=as_text(algorithm.name),
        manufacturer_name=MANUFACTURER,
        model_name=as_text(algorithm.name),
        serial_number=algorithm.checksum[:16],
    )
    return ObservationContext(ObserverContext(codes.DCM.Device, device))


def _group(
    result: Result, class_name: str, evidence_map: Dataset
) -> MeasurementsAndQualitativeEvaluations:
    header = result.header.image
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            result.uid("group", class_name), identifier=as_text(class_name)
        ),
        finding_type=finding_code(class_name),
        finding_sites=[FindingSite(codes.SCT.Chest)],
        algorithm_id=_algorithm(result),
        measurements=[_probability(result.explanation.probabilities[class_name])],
        qualitative_evaluations=_evaluations(result, class_name) or None,
        source_images=[SourceImageForMeasurementGroup(header.SOPClassUID, header.SOPInstanceUID)],
    )
    if class_name == result.explanation.class_name:
        group[0].ContentSequence.append(_explained_by(result, evidence_map))
    return group


def _probability(probability: float) -> Measurement:
    percent = Code("%", "UCUM", "percent")
    return Measurement(codes.DCM.Probability, round(probability * 100, 4), percent)


def _evaluations(result: Result, class_name: str) -> list[QualitativeEvaluation]:
    found = _of_finding(result.explanation) if class_name == result.finding else []
    place = result.explanation.place
    if place is not None and class_name == result.explanation.class_name:
        found.append(QualitativeEvaluation(HOTTEST_PLACE, place_code(place)))
    return found


def place_code(place: Place) -> Code:
    """Return the code of a part of the chest, with the patient's side if it has one.

    Example:
        >>> from cxr_gradcam.anatomy.zones import Zone
        >>> place_code(Place(Zone.LOWER, "right", "right lung, lower zone", 0.5)).value
        'LOWER-RIGHT'
    """
    value = place.zone.name if place.side is None else f"{place.zone.name}-{place.side.upper()}"
    # A code's meaning has at most 64 characters.
    return Code(value, SCHEME, as_text(place.words.replace(" in the usual view", ", usual view")))


def _of_finding(explanation: Explanation) -> list[QualitativeEvaluation]:
    found = []
    if explanation.verdict is not None:
        verdict = Code(explanation.verdict.upper(), SCHEME, explanation.verdict)
        found.append(QualitativeEvaluation(VERDICT, verdict))
    if explanation.is_familiar is not None:
        word = "like" if explanation.is_familiar else "unlike"
        meaning = f"{word} the X-rays that the model was trained on"
        found.append(QualitativeEvaluation(RESEMBLANCE, Code(word.upper(), SCHEME, meaning)))
    return found


def _algorithm(result: Result) -> AlgorithmIdentification:
    explanation, algorithm = result.explanation, result.algorithm
    return AlgorithmIdentification(
        name=as_text(algorithm.name),
        version=as_text(algorithm.version),
        manufacturer=MANUFACTURER,
        parameters=[
            f"Weights, SHA-256: {algorithm.checksum}",
            as_text(f"Method: {explanation.method}"),
            as_text(f"Map: {result.title}", 1024),
            as_text(f"Layers: {', '.join(explanation.layers)}", 1024),
            *_caveats(explanation.prediction),
            f"Use: {DISCLAIMER}",
        ],
    )


def _caveats(prediction: Prediction) -> Iterator[str]:
    """Yield limitations of the probabilities: no calibration, and assumptions on the model."""
    if not prediction.is_calibrated:
        yield "Calibration: none"
    if prediction.assumptions:
        yield as_text(f"Assumed: {'; '.join(prediction.assumptions)}", 1024)


def _explained_by(result: Result, evidence_map: Dataset) -> ImageContentItem:
    """Refer to the map, and say what kind of explanation it is (PS3.16 CID 217)."""
    item = ImageContentItem(
        VISUAL_EXPLANATION,
        evidence_map.SOPClassUID,
        evidence_map.SOPInstanceUID,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
    kind = CodeContentItem(
        codes.SCT.MeasurementMethod,
        quantity(result.explanation.method),
        RelationshipTypeValues.HAS_CONCEPT_MOD,
    )
    item.ContentSequence = ContentSequence([kind])
    return item


def _coding_scheme() -> Dataset:
    scheme = Dataset()
    scheme.CodingSchemeDesignator = SCHEME
    scheme.CodingSchemeName = "Terms of cxr_gradcam"
    scheme.CodingSchemeResponsibleOrganization = MANUFACTURER
    return scheme
