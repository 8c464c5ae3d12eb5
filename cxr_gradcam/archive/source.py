"""The radiographs that the node and DICOMweb accept: SOP classes, transfer syntaxes, body part."""

from __future__ import annotations

import re

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

from cxr_gradcam.archive.header import SourceHeader, read_header
from cxr_gradcam.imaging.radiograph import Radiograph, RadiographError
from cxr_gradcam.imaging.reading import read_radiograph

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


def read_source(data: bytes) -> tuple[Radiograph, SourceHeader]:
    """Read a DICOM instance that is to be explained.

    Args:
        data: a DICOM file.

    Returns:
        The radiograph, and the header as `read_header` returns it.

    Raises:
        RadiographError: the file cannot be read, its header lacks an identifier that results refer
            to, or Body Part Examined names another part of the body than the chest.
    """
    radiograph, header = read_radiograph(data), read_header(data)
    body_part = str(header.image.get("BodyPartExamined", ""))
    if _OTHER_BODY_PART.fullmatch(body_part):
        raise RadiographError(
            f"(0018,0015) BodyPartExamined is '{body_part}'; only chest radiographs "
            "can be explained. Send another image."
        )
    return radiograph, header
