"""One explanation as DICOM objects for the archive of its radiograph."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from pydicom.dataset import Dataset

from cxr_gradcam.archive.header import read_header, suppress_library_messages
from cxr_gradcam.archive.identity import Algorithm, Result
from cxr_gradcam.archive.images import parametric_map, secondary_capture
from cxr_gradcam.archive.pictures import contour_picture, overlay_picture
from cxr_gradcam.archive.source import read_source
from cxr_gradcam.archive.structured_report import structured_report
from cxr_gradcam.atomic_files import atomic_files
from cxr_gradcam.explanation import Explanation, examine
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.imaging.radiograph import Radiograph, RadiographError
from cxr_gradcam.models.classifier import Classifier

ResultMaker = Callable[[bytes], Mapping[str, Dataset]]
"""A function that makes the result objects of a DICOM file: {kind: object}."""

KINDS = ("overlay", "contours", "map", "report")
"""The objects of a result, in the order in which they are made, stored and sent."""


def result_maker(model: Classifier, algorithm: Algorithm, question: Question) -> ResultMaker:
    """Return a function that answers the same question about each DICOM file.

    Args:
        model: the classifier.
        algorithm: the identity of the classifier's weights.
        question: the question about each radiograph.

    Returns:
        A function from the bytes of a DICOM file to {kind: object} for the four `KINDS`. It raises
        `RadiographError` if `read_source` or `make_results` raises it.
    """

    def make(data: bytes) -> Mapping[str, Dataset]:
        radiograph, _ = read_source(data)
        explanation = examine(model, radiograph, question.layers).answer(question)
        return make_results(data, radiograph, explanation, algorithm)

    return make


def make_results(
    data: bytes, radiograph: Radiograph, explanation: Explanation, algorithm: Algorithm
) -> dict[str, Dataset]:
    """Make the DICOM objects of a result.

    They belong to the source's study, in new series, and are the same, byte for byte, for the same
    image, question and weights.

    Args:
        data: the DICOM file that the radiograph was read from.
        radiograph: the radiograph, as it was read from the file.
        explanation: explanation of the radiograph.
        algorithm: the algorithm that made the explanation.

    Returns:
        {kind: object} for the four `KINDS`.

    Raises:
        RadiographError: the file is not DICOM, or its header is damaged, lacks a valid UID, or has
            a value that cannot be stored unchanged in a result.
    """
    if radiograph.file_format != "DICOM":
        raise RadiographError(
            f"DICOM results belong to a DICOM image; received {radiograph.file_format}. "
            "Choose the DICOM file, or leave the DICOM results out."
        )
    return make_objects(Result(read_header(data), explanation, algorithm), radiograph)


def make_objects(result: Result, radiograph: Radiograph) -> dict[str, Dataset]:
    """Make the DICOM objects of a result whose header has been read.

    Args:
        result: the result, whose map has the radiograph's size.
        radiograph: the radiograph as it was read, or `reduced`.

    Returns:
        {kind: object} for the four `KINDS`.
    """
    overlay, contours = overlay_picture(result, radiograph), contour_picture(result, radiograph)
    with suppress_library_messages():
        evidence_map = parametric_map(result)
        made = {
            "overlay": secondary_capture(result, overlay, "Overlay", 1),
            "contours": secondary_capture(result, contours, "Contours", 2),
            "map": evidence_map,
            "report": structured_report(result, evidence_map),
        }
        for dataset in made.values():
            result.header.identify(dataset)
    return made


def write_results(
    folder: str | os.PathLike[str],
    data: bytes,
    radiograph: Radiograph,
    explanation: Explanation,
    algorithm: Algorithm,
) -> dict[str, Path]:
    """Write the DICOM objects of a result into a folder.

    The files are named after their unique identifiers, which reveal nothing about the patient. Each
    is written completely or not at all, and a second run writes the same files again.

    Args:
        folder: folder of the files; it is made if it does not exist.
        data: the DICOM file that the radiograph was read from.
        radiograph: the radiograph, as it was read from the file.
        explanation: explanation of the radiograph.
        algorithm: the algorithm that made the explanation.

    Returns:
        {kind: file} for the four `KINDS`.

    Raises:
        RadiographError: no results can be made, as in `make_results`.
        OSError: a file cannot be written.
    """
    made = make_results(data, radiograph, explanation, algorithm)
    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = {}
    for kind, dataset in made.items():
        paths[kind] = Path(folder) / f"{dataset.SOPInstanceUID}.dcm"
        write_object(paths[kind], dataset)
    return paths


def write_object(path: Path, dataset: Dataset) -> None:
    """Write a DICOM object, completely or not at all.

    Args:
        path: the file.
        dataset: the object, with its file meta information.

    Raises:
        OSError: the file cannot be written.
    """
    with suppress_library_messages(), atomic_files(path) as [partial]:
        dataset.save_as(partial, enforce_file_format=True)
