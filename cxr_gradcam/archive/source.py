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
"""SOP classes of radiographs for presentation; raw ones ("For Processing") are not displayed."""

_NATIVE = (
    *(ExplicitVRLittleEndian, ImplicitVRLittleEndian),
    *(ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian),
)
_COMPRESSED = (
    *(*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes),
    *(JPEG2000Lossless, JPEG2000, RLELossless),
)

# PS3.16 annex L: the other body parts of radiography
_OTHER_BODY_PART = re.compile(
    "ABDOMEN|ANKLE|ARM|BREAST|CALCANEUS|CALF|CLAVICLE|COCCYX|CSPINE|ELBOW|EXTREMITY|FEMUR|FINGER|"
    "FOOT|FOREARM|HAND|HEAD|HIP|HUMERUS|JAW|KNEE|LEG|LSPINE|MAXILLA|NECK|NOSE|PATELLA|PELVIS|"
    "SACRUM|SCAPULA|SHOULDER|SKULL|SPINE|TIBIA|TOE|TSPINE|WRIST|ZYGOMA"
)


def decodable_syntaxes() -> list[UID]:
    """Return the transfer syntaxes that `read_radiograph` decodes.

    Returns:
        The uncompressed ones, and the compressed ones that an installed decoder supports.
    """
    return [*_NATIVE, *(uid for uid in _COMPRESSED if get_decoder(uid).is_available)]


def read_source(data: bytes) -> tuple[Radiograph, SourceHeader]:
    """Read a DICOM instance to explain.

    Args:
        data: a DICOM file.

    Returns:
        The radiograph, and the header as `read_header` returns it.

    Raises:
        RadiographError: the file cannot be read, its header lacks an identifier that results refer
            to, or Body Part Examined names a body part other than the chest.
    """
    radiograph, header = read_radiograph(data), read_header(data)
    if _OTHER_BODY_PART.fullmatch(header.body_part):
        raise RadiographError(
            f"(0018,0015) BodyPartExamined is '{header.body_part}'; only chest radiographs "
            "can be explained. Send a chest radiograph, or correct the attribute."
        )
    return radiograph, header
