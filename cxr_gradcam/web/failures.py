"""What a visitor is told when something fails, and what the log keeps of it."""

from __future__ import annotations

import logging
import traceback

from cxr_gradcam.imaging.radiograph import RadiographError

_LOG = logging.getLogger(__name__)
GONE = "The X-ray is no longer on the server: please open it again."
"""Said where a visitor's session has ended."""
_UNEXPECTED = (
    "This X-ray could not be analysed: something went wrong on the server. "
    "Try again; if it happens again, save the X-ray as PNG and try that."
)


def reason(error: Exception) -> str:
    """Say to the visitor what went wrong; log where, but no words: they may be a patient's."""
    if isinstance(error, RadiographError):
        return f"This file cannot be shown. {error}"
    trace = "".join(traceback.format_tb(error.__traceback__))
    _LOG.error("%s in a visitor's event\n%s", type(error).__name__, trace)
    return _UNEXPECTED
