"""Destinations of results; one is a DICOM node, by C-STORE (PS3.4 annex B)."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    Comprehensive3DSRStorage,
    ParametricMapStorage,
    SecondaryCaptureImageStorage,
)
from pynetdicom.status import STATUS_SUCCESS, STATUS_WARNING, code_to_category

from cxr_gradcam.archive.header import suppress_library_messages

_RESULT_CLASSES = (SecondaryCaptureImageStorage, ParametricMapStorage, Comprehensive3DSRStorage)
_TIMEOUT = 30.0  # seconds
# Results are written in the first syntax; for the second they are decoded and encoded again
_TRANSFER_SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


class SendError(Exception):
    """Results could not be sent; the message contains no patient data.

    Args:
        message: the reason.
        concerns_all: whether other results would fail for the same reason.
    """

    def __init__(self, message: str, *, concerns_all: bool = False) -> None:
        super().__init__(message)
        self.concerns_all = concerns_all


class UnsupportedError(SendError):
    """A destination does not support the SOP class of a result, so another try would fail, too.

    Args:
        destination: the name of the destination.
        path: the file of the result.
        sop_class: the name of the SOP class of the result.
    """

    def __init__(self, destination: str, path: Path, sop_class: str) -> None:
        super().__init__(f"{destination} does not support {sop_class}")
        self.path = path


UNSUPPORTED = 0x0122
"""The status of an object whose SOP class is not supported (PS3.7 C.5.5, PS3.18 I.2.2)."""


class Destination(Protocol):
    """A receiver of results."""

    def send(self, files: Iterable[Path], delivered: Callable[[Path], None]) -> None:
        """Send DICOM files in sequence.

        Args:
            files: paths of the files.
            delivered: called with the path of each file that the destination has stored.

        Raises:
            UnsupportedError: the destination does not support the SOP class of a file.
            SendError: the destination did not store a file.
        """


@dataclass(frozen=True)
class StoreDestination:
    """A DICOM node that receives results by C-STORE.

    Args:
        title: AE title of the node.
        host: host name or IP address of the node.
        port: port of the node.
        calling: AE title of the sender.
        tls: settings of an encrypted connection; None for an unencrypted one.
    """

    title: str
    host: str
    port: int
    calling: str = "CXR_GRADCAM"
    tls: ssl.SSLContext | None = None

    @classmethod
    def parse(cls, text: str, calling: str, tls: ssl.SSLContext | None = None) -> StoreDestination:
        """Read a destination.

        Args:
            text: AET@HOST:PORT.
            calling: AE title of the sender.
            tls: settings of an encrypted connection; None for an unencrypted one.

        Returns:
            The destination.

        Raises:
            ValueError: the text has another form.

        Example:
            >>> StoreDestination.parse("PACS@archive.local:11112", "NODE").port
            11112
        """
        title, at, address = text.partition("@")
        host, colon, port = address.rpartition(":")
        if not (title and at and host and colon and port.isdecimal() and len(title) <= 16):
            raise ValueError(
                f"{text!r} is no DICOM node: write AET@HOST:PORT, with an AE title of 1 to 16 "
                "characters"
            )
        return cls(title, host.strip("[]"), int(port), calling, tls)

    def send(self, files: Iterable[Path], delivered: Callable[[Path], None]) -> None:
        """Send DICOM files over one association; see `Destination`."""
        entity = AE(ae_title=self.calling)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _TIMEOUT
        entity.connection_timeout = _TIMEOUT
        for sop_class in _RESULT_CLASSES:
            for syntax in _TRANSFER_SYNTAXES:
                entity.add_requested_context(sop_class, syntax)
        association = entity.associate(
            self.host,
            self.port,
            ae_title=self.title,
            tls_args=None if self.tls is None else (self.tls, self.host),
        )
        if not association.is_established:
            raise SendError(
                f"{self.title} at {self.host}:{self.port} {_refusal(association)}",
                concerns_all=True,
            )
        try:
            for path in files:
                self._store(association, path)
                delivered(path)
        finally:
            association.release()

    def _store(self, association: Association, path: Path) -> None:
        with suppress_library_messages():
            dataset = dcmread(path)
        kind = dataset.SOPClassUID
        if kind not in {each.abstract_syntax for each in association.accepted_contexts}:
            raise UnsupportedError(self.title, path, kind.name)
        try:
            code = association.send_c_store(dataset).get("Status")
        except (ValueError, RuntimeError):  # the peer closed the connection
            code = None
        if code == UNSUPPORTED:
            raise UnsupportedError(self.title, path, kind.name)
        if code is None or code_to_category(code) not in (STATUS_SUCCESS, STATUS_WARNING):
            said = "no answer" if code is None else f"status 0x{code:04X}"
            raise SendError(f"{self.title} did not store a result: {said}; its log says why")


def _refusal(association: Association) -> str:
    """Say why there is no association, and what to check."""
    if association.is_rejected:
        return "rejects us: check the AE titles of both sides, and that it knows ours"
    return "cannot be reached: check host, port and encryption, and that it runs"
