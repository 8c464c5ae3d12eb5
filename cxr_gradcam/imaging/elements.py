"""DICOM elements in messages: named with their tag, and never with a text of the patient's."""

import re
from typing import NoReturn

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from cxr_gradcam.imaging.radiograph import RadiographError

_CODE = re.compile(r"[A-Z0-9_ .+-]{1,64}")


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
