"""The elements of a DICOM file: cleaned before pydicom converts them, and named in messages.

No text about the patient may reach a message, warning or log. pydicom warns of invalid values by
quoting them, and in a damaged file any element can extend into the next ones, such as the patient's
name. So only codes, numbers and UIDs are left in a data set.
"""

import re
from typing import NoReturn, cast

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from cxr_gradcam.imaging.radiograph import RadiographError

INVALID = "INVALID?"
"""The value of an element whose text is no code, number or UID."""

# The enumerated values that are compared with the values of a file
_TERMS = (
    *("CR", "DX", "DR", "RG", "XC"),
    *("MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"),
    *("PALETTE COLOR", "IDENTITY", "INVERSE", "LINEAR", "LINEAR_EXACT", "SIGMOID"),
    *("GEOMETRY", "FIDUCIAL"),
)
_IGNORED = re.compile(r"[\s\0_-]")
_TERM_OF_LETTERS = {_IGNORED.sub("", term): term for term in _TERMS}
# PS3.3 C.7.6.1.1.1: up to three letters, such as L, F or HL
_DIRECTION = re.compile(r"[LRAPHF]{1,3}")
_ORIENTATION = Tag("PatientOrientation")
# PS3.5 6.2: the characters of these value representations
_CODE = re.compile(r"[A-Z0-9_ ]{0,16}")
_WHOLE_NUMBERS = re.compile(rb"[0-9+ \\\0-]{0,64}")
_UID = re.compile(rb"[0-9. \0]{0,66}")
_WHOLE_VRS = frozenset({"IS", "US", "US or SS"})
_INTEGER_VRS = frozenset({"US", "SS", "UL", "SL"})
_BYTE_VRS = frozenset({None, "UN", "OB", "OW"})
_NUMBER_VRS = _INTEGER_VRS | _BYTE_VRS | {"OV", "UV", "SQ", "FL", "FD"}
# An explanation is shown on a button, so it is short.
_EXPLANATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.,+()/-]{0,31}")
_EXPLANATIONS = Tag("WindowCenterWidthExplanation")
_REMEDY = "Choose another image, or export this one from its viewer as PNG."
_SHOWN = re.compile(r"[A-Z0-9_ .+-]{1,64}")


def clean_elements(dataset: Dataset) -> None:
    """Bring codes and whole numbers into the standard's form, and remove other text.

    Codes are read whatever their case, blanks and trailing NULs. Whole numbers are read whichever
    value representation the file gives them.

    Args:
        dataset: Elements as they are stored in the file; changed in place.
    """
    for tag in list(dataset.keys()):
        element = cast(RawDataElement, dataset.get_item(tag))
        if not element.is_raw or not isinstance(element.value, bytes):
            continue
        cleaned = _cleaned(element)
        if cleaned is None:
            del dataset[tag]
        else:
            dataset[tag] = cleaned


def _cleaned(element: RawDataElement) -> RawDataElement | None:
    vr = dictionary_VR(element.tag) if dictionary_has_tag(element.tag) else None
    if element.tag == _EXPLANATIONS:
        return element._replace(VR="OB")  # bytes, which `explanations` reads
    if vr == "CS":
        return _replaced(element, vr, _codes(element))
    if vr == "UI":
        return _replaced(element, vr, _matching(_UID, element))
    if vr in _WHOLE_VRS:
        return _whole_number(element, vr)
    return element if vr == "DS" or element.VR in _NUMBER_VRS else None


def _whole_number(element: RawDataElement, vr: str) -> RawDataElement:
    if element.VR in _INTEGER_VRS:
        return element
    if vr != "IS" and element.VR in _BYTE_VRS:
        return element._replace(VR="US")
    return _replaced(element, "IS", _matching(_WHOLE_NUMBERS, element))


def _replaced(element: RawDataElement, vr: str, value: bytes) -> RawDataElement:
    return element._replace(VR=vr, value=value, length=len(value))


def _matching(pattern: re.Pattern[bytes], element: RawDataElement) -> bytes:
    value = element.value or b""
    return value if pattern.fullmatch(value) else INVALID.encode()


def _codes(element: RawDataElement) -> bytes:
    texts = (element.value or b"").decode("latin-1").split("\\")
    codes = [_code(text) for text in texts]
    if element.tag != _ORIENTATION:  # the one element here with several values
        codes = [next(filter(None, codes), "")]
    return "\\".join(codes).encode()


def _code(text: str) -> str:
    letters = _IGNORED.sub("", text.upper())
    if letters in _TERM_OF_LETTERS:
        return _TERM_OF_LETTERS[letters]
    if _DIRECTION.fullmatch(letters):
        return letters
    stripped = text.strip("\0 ")
    return stripped if _CODE.fullmatch(stripped) else INVALID


def explanations(dataset: Dataset, keyword: str) -> list[str]:
    """Return the names that a file gives to its windows or look-up tables.

    Args:
        dataset: The data set or sequence item with the element; the element may be missing.
        keyword: WindowCenterWidthExplanation or LUTExplanation.

    Returns:
        One name per value: plain characters, at most 32, or "" for any other text.
    """
    # As stored in the file: pydicom would decode the text, and warn by quoting it.
    element = dataset.get_item(keyword)
    value = b"" if element is None else element.value
    if not isinstance(value, bytes):
        value = "\\".join([value] if isinstance(value, str) else map(str, value)).encode()
    texts = (text.strip("\0 ") for text in value.decode("latin-1").split("\\"))
    return [text if _EXPLANATION.fullmatch(text) else "" for text in texts]


def refuse_element(dataset: Dataset, keyword: str, reason: str, remedy: str = _REMEDY) -> NoReturn:
    """Raise an error that names an element, its value and the reason for the refusal.

    Args:
        dataset: The data set with the element; the element may be missing.
        keyword: The element's keyword in PS3.6.
        reason: What is wrong with the value.
        remedy: The user's possible remedy, one sentence.

    Raises:
        RadiographError: Always.
    """
    raise RadiographError(f"DICOM {describe_element(dataset, keyword)}; {reason}. {remedy}")


def describe_element(dataset: Dataset, keyword: str) -> str:
    """Return an element's tag, keyword and value for a message.

    Args:
        dataset: The data set with the element; the element may be missing.
        keyword: The element's keyword in PS3.6.

    Returns:
        One clause; a value that is no code or number is called "invalid" and not quoted.
    """
    stored = dataset.get(keyword)
    value = "" if stored in (None, b"") else str(stored)
    shown = f"'{value}'" if _SHOWN.fullmatch(value) else "invalid" if value else "missing or empty"
    return f"{Tag(keyword)} {keyword} is {shown}"
