"""From the bytes of a DICOM image to the objects of its result: what node and DICOMweb ask for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    JPEG2000,
    UID,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from cxr_gradcam.archive.header import read_header
from cxr_gradcam.archive.identity import Algorithm
from cxr_gradcam.archive.results import make_results
from cxr_gradcam.explanation import examine
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.imaging.radiograph import Radiograph, RadiographError
from cxr_gradcam.imaging.reading import read_radiograph
from cxr_gradcam.models.classifier import Classifier

Answer = Callable[[bytes], Mapping[str, Dataset]]
"""Makes the results of a DICOM file."""

IMAGE_CLASSES = (ComputedRadiographyImageStorage, DigitalXRayImageStorageForPresentation)
"""Images that are meant to be looked at; raw ones ("For Processing") are not."""

_NATIVE = (
    *(ExplicitVRLittleEndian, ImplicitVRLittleEndian),
    *(ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian),
)
_COMPRESSED = (
    *(*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes),
    *(JPEG2000Lossless, JPEG2000, RLELossless),
)

# PS3.16 annex L: what radiography shows besides the chest, where an image says so
_OTHER_BODY_PART = re.compile(
    "ABDOMEN|ANKLE|ARM|BREAST|CALCANEUS|CALF|CLAVICLE|COCCYX|CSPINE|ELBOW|EXTREMITY|FEMUR|FINGER|"
    "FOOT|FOREARM|HAND|HEAD|HIP|HUMERUS|JAW|KNEE|LEG|LSPINE|MAXILLA|NECK|NOSE|PATELLA|PELVIS|"
    "SACRUM|SCAPULA|SHOULDER|SKULL|SPINE|TIBIA|TOE|TSPINE|WRIST|ZYGOMA"
)


def decodable_syntaxes() -> list[UID]:
    """Return the transfer syntaxes of images that `read_radiograph` decodes here.

    Returns:
        The native ones, and those for which a decoder is installed.
    """
    return [*_NATIVE, *(uid for uid in _COMPRESSED if get_decoder(uid).is_available)]


def read_chest(data: bytes) -> tuple[Radiograph, Dataset]:
    """Read an image that is to be explained, and its header.

    Args:
        data: a DICOM file.

    Returns:
        The radiograph, and the header as `read_header` returns it.

    Raises:
        RadiographError: it cannot be read, results could not refer to it, or by its own account it
            shows another part of the body.
    """
    radiograph, header = read_radiograph(data), read_header(data)
    if _OTHER_BODY_PART.fullmatch(str(header.get("BodyPartExamined", ""))):
        raise RadiographError(
            f"(0018,0015) BodyPartExamined is '{header.BodyPartExamined}'; only chest radiographs "
            "can be explained. Send another image."
        )
    return radiograph, header


def answer_with(model: Classifier, algorithm: Algorithm, question: Question) -> Answer:
    """Return what answers the same question about every image.

    Args:
        model: what is asked.
        algorithm: the model's identity.
        question: what is asked of it.

    Returns:
        A function from a DICOM file to its results; it raises `RadiographError` as `read_chest`.
    """

    def answer(data: bytes) -> Mapping[str, Dataset]:
        radiograph, _ = read_chest(data)
        explanation = examine(model, radiograph, question.layers).answer(question)
        return make_results(data, radiograph, explanation, algorithm)

    return answer
