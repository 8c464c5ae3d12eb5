"""Messages for a visitor when something fails, and log entries."""

from __future__ import annotations

import logging
import traceback

from cxr_gradcam.imaging.radiograph import RadiographError

_LOG = logging.getLogger(__name__)
GONE = "The X-ray is no longer on the server: please open it again."
"""The message if a visitor's session has ended."""
_UNEXPECTED = (
    "This X-ray could not be analysed: something went wrong on the server. "
    "Try again; if it happens again, save the X-ray as PNG and try that."
)
_NOT_MADE = (
    "This could not be saved: something went wrong on the server, and the X-ray is still open. "
    "Try again."
)


def reason(error: Exception) -> str:
    """Return why an X-ray is not shown; log where it failed, but not the error's message.

    The message may contain names of files or values of a DICOM header, and so patient data.
    """
    return _message(error, "This file cannot be shown.", _UNEXPECTED)


def not_made(error: Exception) -> str:
    """Return why a download could not be made; log as `reason` does."""
    return _message(error, "This could not be saved.", _NOT_MADE)


def _message(error: Exception, known: str, unexpected: str) -> str:
    if isinstance(error, RadiographError):
        return f"{known} {error}"
    trace = "".join(traceback.format_tb(error.__traceback__))
    _LOG.error("%s in a visitor's event\n%s", type(error).__name__, trace)
    return unexpected
