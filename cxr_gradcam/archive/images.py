"""Results as images: Secondary Capture for every viewer, Parametric Map for viewers of maps."""

from __future__ import annotations

import numpy as np
from highdicom.pm import RealWorldValueMapping
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.tag import Tag
from pydicom.uid import ParametricMapStorage, SecondaryCaptureImageStorage

from cxr_gradcam.archive.identity import DISCLAIMER, Result
from cxr_gradcam.archive.objects import add_source, as_text, coded, new_object
from cxr_gradcam.cam.methods import METHODS, Kind
from cxr_gradcam.imaging.rendering import RGBImage

PICTURE_SERIES, MAP_SERIES = 9001, 9003

_DERIVATION = "Map of a classifier's evidence, computed from the source image"
_STEPS = 2**16 - 1

# PS3.3 C.7.6.1.1.1: directions of the axes of the patient's coordinate system
_AXES = {
    **{"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0)},
    **{"A": (0, -1, 0), "H": (0, 0, 1), "F": (0, 0, -1)},
}
_FRONTAL = ("L", "F")

_QUANTITIES: dict[Kind, Code] = {
    "gradient": codes.DCM.GradientWeightedClassActivation,
    "noise": codes.DCM.GradientWeightedClassActivation,
    "second order": codes.DCM.GradientWeightedClassActivation,
    "full gradient": codes.DCM.Saliency,
    "perturbation": codes.DCM.ClassActivation,
    "activation": codes.DCM.Saliency,
}


def secondary_capture(result: Result, picture: RGBImage, name: str, instance: int) -> Dataset:
    """Write a picture as a Secondary Capture Image (PS3.3 A.8.1).

    Args:
        result: the result that the picture shows.
        picture: RGB (H, W, 3).
        name: kind of the picture, in a word.
        instance: number of the picture in the series.

    Returns:
        The object.
    """
    made = new_object(
        result, "pictures", SecondaryCaptureImageStorage, "OT", PICTURE_SERIES, instance
    )
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.BodyPartExamined, made.ConversionType = "CHEST", "WSD"
    made.PatientOrientation = result.header.image.get("PatientOrientation")
    made.BurnedInAnnotation = result.header.image.get("BurnedInAnnotation") or "NO"
    made.RecognizableVisualFeatures = "NO"
    made.DerivationDescription = _DERIVATION
    made.ImageComments = as_text(f"{name}; {DISCLAIMER}")
    add_source(made, result.header.image)
    made.SamplesPerPixel, made.PhotometricInterpretation = 3, "RGB"
    made.PlanarConfiguration = 0
    _add_pixels(made, picture, 8)
    return made


def parametric_map(result: Result) -> Dataset:
    """Write a map as a Parametric Map (PS3.3 A.75), in the size of the radiograph.

    The stored values 0 to 65535 mean 0 to 1, the evidence relative to the map's maximum.

    Args:
        result: the result, whose explanation holds the map.

    Returns:
        The object.
    """
    made = new_object(result, "map", ParametricMapStorage, "OT", MAP_SERIES)
    made.ImageType = ["DERIVED", "PRIMARY", "STATIC", "QUANTITY"]
    made.ContentQualification = "RESEARCH"
    made.BodyPartExamined, made.ContentLabel = "CHEST", "EVIDENCE"
    made.ContentDescription = as_text(result.title)
    made.ContentCreatorName = None
    made.FrameOfReferenceUID, made.PositionReferenceIndicator = result.uid("frame"), None
    made.BurnedInAnnotation, made.RecognizableVisualFeatures = "NO", "NO"
    made.LossyImageCompression = "00"
    made.AcquisitionContextSequence = []
    made.PatientOrientation = result.header.image.get("PatientOrientation")
    made.PresentationLUTShape = "IDENTITY"
    add_source(made, result.header.image)
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.NumberOfFrames = 1
    _add_dimension(made, result.uid("dimension"))
    made.SharedFunctionalGroupsSequence = [_shared_groups(made, result)]
    stored = np.rint(result.explanation.heatmap.astype(np.float64) * _STEPS)
    _add_pixels(made, stored.astype("<u2"), 16)
    return made


def _add_pixels(made: Dataset, pixels: NDArray[np.generic], bits: int) -> None:
    made.Rows, made.Columns = pixels.shape[:2]
    made.BitsAllocated = made.BitsStored = bits
    made.HighBit, made.PixelRepresentation = bits - 1, 0
    data = pixels.tobytes()
    made.PixelData = data + bytes(len(data) % 2)
    made["PixelData"].VR = "OB" if bits == 8 else "OW"


def _add_dimension(made: Dataset, uid: str) -> None:
    """Number the one frame as the first of one stack (PS3.3 C.7.6.17)."""
    organization, index, frame, content = Dataset(), Dataset(), Dataset(), Dataset()
    organization.DimensionOrganizationUID = index.DimensionOrganizationUID = uid
    index.DimensionIndexPointer = Tag("InStackPositionNumber")
    index.FunctionalGroupPointer = Tag("FrameContentSequence")
    content.StackID, content.InStackPositionNumber, content.DimensionIndexValues = "1", 1, [1]
    frame.FrameContentSequence = [content]
    made.DimensionOrganizationSequence = [organization]
    made.DimensionIndexSequence = [index]
    made.PerFrameFunctionalGroupsSequence = [frame]


def _shared_groups(made: Dataset, result: Result) -> Dataset:
    groups, frame_type, window, identity = Dataset(), Dataset(), Dataset(), Dataset()
    frame_type.FrameType = made.ImageType
    window.WindowCenter, window.WindowWidth = 2**15, 2**16
    identity.RescaleIntercept, identity.RescaleSlope, identity.RescaleType = 0, 1, "US"
    groups.ParametricMapFrameTypeSequence = [frame_type]
    groups.PixelMeasuresSequence = [_pixel_measures(result.header.image)]
    groups.PlanePositionSequence, groups.PlaneOrientationSequence = _plane(result.header.image)
    groups.FrameVOILUTSequence = [window]
    groups.PixelValueTransformationSequence = [identity]
    groups.DerivationImageSequence = [_derivation(made)]
    groups.RealWorldValueMappingSequence = [
        RealWorldValueMapping(
            "EVIDENCE",
            "Evidence relative to the map's maximum",
            codes.UCUM.NoUnits,
            (0, _STEPS),
            1 / _STEPS,
            0,
            quantity_definition=quantity(result.explanation.method),
        )
    ]
    return groups


def quantity(method: str) -> Code:
    """Return the code of a method's kind of map (PS3.16 CID 217, Visual Explanation)."""
    return _QUANTITIES[METHODS[method].kind]


def _pixel_measures(header: Dataset) -> Dataset:
    measures = Dataset()
    spacing = header.get("PixelSpacing") or header.get("ImagerPixelSpacing")
    if spacing:
        measures.PixelSpacing = spacing
    return measures


def _plane(header: Dataset) -> tuple[list[Dataset], list[Dataset]]:
    """Return position and orientation in a frame of reference that only the map has.

    A projection has no position in the patient, so the origin is the first pixel. Without a
    Patient Orientation the axes are those of a frontal radiograph as it is displayed.
    """
    position, orientation = Dataset(), Dataset()
    position.ImagePositionPatient = [0, 0, 0]
    sides = tuple(str(side)[:1] for side in header.get("PatientOrientation") or ())
    row, column = (_AXES.get(side) for side in (sides if len(sides) == 2 else _FRONTAL))
    if row is None or column is None or any(np.multiply(row, column)):
        row, column = (_AXES[side] for side in _FRONTAL)
    orientation.ImageOrientationPatient = [*row, *column]
    return [position], [orientation]


def _derivation(made: Dataset) -> Dataset:
    derivation = Dataset()
    derivation.DerivationDescription = _DERIVATION
    derivation.DerivationCodeSequence = [coded(codes.DCM.SpatialResampling)]
    derivation.SourceImageSequence = made.SourceImageSequence
    return derivation
