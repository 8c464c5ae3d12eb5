"""DICOM elements in messages: named with their tag, and never with a text of the patient's."""

import re
from typing import NoReturn, cast

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from cxr_gradcam.imaging.radiograph import RadiographError

_CODE = re.compile(r"[A-Z0-9_ .+-]{1,64}")
# PS3.5 6.2: what the values of these types are made of
_TEXTS = {
    "CS": re.compile(rb"[A-Z0-9_ \\\0]{0,64}"),
    "IS": re.compile(rb"[0-9+ \\\0-]{0,64}"),
    "UI": re.compile(rb"[0-9. \0]{0,66}"),
}
# What a window is called, and no more of any text than a button holds
_EXPLANATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.,+()/-]{0,31}")
_EXPLAINED = Tag("WindowCenterWidthExplanation")
_NUMBERS = frozenset({"US", "SS", "UL", "SL", "OB", "OW", "OV", "UV", "SQ", "UN", "FL", "FD", None})
INVALID = "INVALID?"


def hide_texts(dataset: Dataset) -> None:
    """Replace what is no code or number before pydicom reads it: it would warn with the text.

    In a damaged file any element can reach into the next ones, such as the patient's name.

    Args:
        dataset: With elements as they stand in the file; changed in place.
    """
    for tag in list(dataset.keys()):
        element = cast(RawDataElement, dataset.get_item(tag))
        if not element.is_raw or not isinstance(element.value, bytes):
            continue
        meant = dictionary_VR(tag) if dictionary_has_tag(tag) else None
        if meant in _TEXTS:
            is_plain = _TEXTS[meant].fullmatch(element.value)
            value = element.value if is_plain else INVALID.encode()
            dataset[tag] = element._replace(VR=meant, value=value, length=len(value))
        elif tag == _EXPLAINED:
            dataset[tag] = element._replace(VR="OB")  # bytes, which `explanations` reads
        elif meant != "DS" and element.VR not in _NUMBERS:
            del dataset[tag]


def explanations(dataset: Dataset, keyword: str) -> list[str]:
    """Return what a file calls its windows or tables: short and plain, or "" for anything else.

    Args:
        dataset: Where the element stands, or is missing.
        keyword: WindowCenterWidthExplanation or LUTExplanation.
    """
    # As it stands in the file: pydicom would decode it, and warn with what it cannot decode.
    element = dataset.get_item(keyword)
    value = b"" if element is None else element.value
    if not isinstance(value, bytes):
        value = "\\".join([value] if isinstance(value, str) else map(str, value)).encode()
    texts = (text.strip("\0 ") for text in value.decode("latin-1").split("\\"))
    return [text if _EXPLANATION.fullmatch(text) else "" for text in texts]


def refuse_element(dataset: Dataset, keyword: str, reason: str) -> NoReturn:
    """Raise an error that names an element, its value and what is wrong with it.

    Args:
        dataset: Where the element stands, or is missing.
        keyword: The element's keyword in the standard's dictionary.
        reason: What could be read instead.

    Raises:
        RadiographError: Always.
    """
    raise RadiographError(
        f"DICOM {describe_element(dataset, keyword)}; {reason}. "
        "Choose another image, or export this one from its viewer as PNG."
    )


def describe_element(dataset: Dataset, keyword: str) -> str:
    """Return an element's tag, keyword and value as they may be shown to anybody."""
    # A value that is no code or number is not shown: in a damaged file it may be anything.
    value = str(dataset.get(keyword, ""))
    shown = f"'{value}'" if _CODE.fullmatch(value) else "invalid" if value else "missing or empty"
    return f"{Tag(keyword)} {keyword} is {shown}"
