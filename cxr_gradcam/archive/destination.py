"""Where results go: to a DICOM node by C-STORE (PS3.4 annex B)."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydicom import dcmread
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
_PATIENCE = 30.0


class SendError(Exception):
    """Results could not be delivered; its message tells nothing of the patient.

    Args:
        message: why.
        concerns_all: whether other results could not be delivered either.
    """

    def __init__(self, message: str, *, concerns_all: bool = False) -> None:
        super().__init__(message)
        self.concerns_all = concerns_all


class UnsupportedError(SendError):
    """A destination takes no objects of this kind at all, and will not at another try either.

    Args:
        taker: the destination's name.
        path: the file that it does not take.
        kind: name of its SOP class.
    """

    def __init__(self, taker: str, path: Path, kind: str) -> None:
        super().__init__(f"{taker} takes no {kind}")
        self.path = path


UNSUPPORTED = 0x0122
"""The status of an object whose SOP class is not supported (PS3.7 C.5.5, PS3.18 I.2.2)."""


class Destination(Protocol):
    """Something that takes results."""

    def send(self, files: Iterable[Path], delivered: Callable[[Path], None]) -> None:
        """Deliver DICOM files.

        Args:
            files: in their order.
            delivered: called with each file that has been taken over.

        Raises:
            UnsupportedError: files of this kind are not taken over; those in front of it were.
            SendError: a file was not taken over; those in front of it were.
        """


@dataclass(frozen=True)
class StoreDestination:
    """A DICOM node that takes results.

    Args:
        title: its AE title.
        host: its address.
        port: its port.
        calling: our AE title.
        tls: for an encrypted connection.
    """

    title: str
    host: str
    port: int
    calling: str = "CXR_GRADCAM"
    tls: ssl.SSLContext | None = None

    @classmethod
    def parse(cls, text: str, calling: str, tls: ssl.SSLContext | None = None) -> StoreDestination:
        """Read AET@HOST:PORT.

        Args:
            text: in that form.
            calling: our AE title.
            tls: for an encrypted connection.

        Returns:
            The destination.

        Raises:
            ValueError: another form.

        Example:
            >>> StoreDestination.parse("PACS@archive.local:11112", "NODE").port
            11112
        """
        title, at, address = text.partition("@")
        host, colon, port = address.rpartition(":")
        if not (title and at and host and colon and port.isdecimal() and len(title) <= 16):
            raise ValueError(f"{text!r} is no DICOM node: write AET@HOST:PORT, the AET in 1 to 16")
        return cls(title, host.strip("[]"), int(port), calling, tls)

    def send(self, files: Iterable[Path], delivered: Callable[[Path], None]) -> None:
        """Deliver DICOM files over one association; see `Destination`."""
        entity = AE(ae_title=self.calling)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _PATIENCE
        entity.connection_timeout = _PATIENCE
        for sop_class in _RESULT_CLASSES:
            entity.add_requested_context(sop_class)
        association = entity.associate(
            self.host,
            self.port,
            ae_title=self.title,
            tls_args=None if self.tls is None else (self.tls, self.host),
        )
        if not association.is_established:
            raise SendError(
                f"no association with {self.title} at {self.host}:{self.port}", concerns_all=True
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
        except (ValueError, RuntimeError):  # the peer went away
            code = None
        if code == UNSUPPORTED:
            raise UnsupportedError(self.title, path, kind.name)
        if code is None or code_to_category(code) not in (STATUS_SUCCESS, STATUS_WARNING):
            said = "no answer" if code is None else f"status 0x{code:04X}"
            raise SendError(f"{self.title} did not take an object over: {said}")
