"""The service that other nodes call: C-ECHO and C-STORE (PS3.4 annexes A and B)."""

from __future__ import annotations

import logging
import shutil
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from pydicom.dataset import Dataset
from pynetdicom import AE, _config, evt
from pynetdicom.events import Event
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import ThreadedAssociationServer

from cxr_gradcam.archive.counters import Counters
from cxr_gradcam.archive.source import IMAGE_CLASSES, decodable_syntaxes, read_source
from cxr_gradcam.archive.spool import Spool
from cxr_gradcam.imaging.radiograph import MAX_BYTES, RadiographError

_log = logging.getLogger(__name__)

# The log of pynetdicom names instances, which belong to patients.
_config.LOG_HANDLER_LEVEL = "none"

# PS3.4 table B.2-1, and PS3.8 table 9-21 for a rejected association
SUCCESS, OUT_OF_RESOURCES, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xC000
_CALLER_NOT_RECOGNIZED = 1, 1, 3

_OVERHEAD = 2**20


@dataclass(frozen=True)
class Limits:
    """The limits of reception.

    Args:
        associations: greatest number of open associations.
        image_bytes: greatest size of one instance, in bytes.
        spool_bytes: greatest size of all instances and results in the spool, in bytes.
        free_bytes: disk space to keep free, in bytes.
    """

    associations: int = 10
    image_bytes: int = MAX_BYTES // 4
    spool_bytes: int = 4 * 2**30
    free_bytes: int = 2**30


@dataclass(frozen=True)
class Caller:
    """A node that may send instances.

    Args:
        title: AE title of the node; empty for any title.
        address: IP address of the node in digits; empty for any address.
    """

    title: str = ""
    address: str = ""

    @classmethod
    def parse(cls, text: str) -> Caller:
        """Read a caller.

        Args:
            text: "TITLE", "@ADDRESS" or "TITLE@ADDRESS".

        Returns:
            The caller.

        Example:
            >>> Caller.parse("CT1@10.0.0.7")
            Caller(title='CT1', address='10.0.0.7')
        """
        title, _, address = text.partition("@")
        return cls(title, address)

    def matches(self, title: str, address: str) -> bool:
        """Return whether an AE title and an IP address are those of this caller."""
        return self.title in ("", title) and self.address in ("", address)


class Receiver:
    """Receive instances and store them in a spool before acknowledging them.

    Args:
        spool: the folder of waiting instances.
        counters: the counters of the node.
        limits: the limits of reception.
        callers: who may send instances; empty for anybody.
        arrived: called after an instance has been stored in the spool.
    """

    def __init__(
        self,
        spool: Spool,
        counters: Counters,
        limits: Limits,
        callers: tuple[Caller, ...],
        arrived: Callable[[], None],
    ) -> None:
        self._spool, self._counters, self._limits = spool, counters, limits
        self._callers, self._arrived = callers, arrived
        # Only one instance at a time is decoded, so that many associations do not exhaust memory.
        self._one_at_a_time = Lock()
        self._received, self._too_large = dict[int, int](), set[int]()

    def start(
        self, title: str, address: tuple[str, int], tls: ssl.SSLContext | None = None
    ) -> ThreadedAssociationServer:
        """Begin to listen.

        Args:
            title: AE title of the node; callers must use it.
            address: host and port; port 0 means any free port.
            tls: settings of encrypted connections; None for unencrypted ones.

        Returns:
            The running server.

        Raises:
            OSError: the port cannot be opened.
        """
        entity = AE(ae_title=title)
        entity.require_called_aet = True
        entity.maximum_associations = self._limits.associations
        entity.add_supported_context(Verification)
        for image_class in IMAGE_CLASSES:
            entity.add_supported_context(image_class, decodable_syntaxes())
        server = entity.start_server(
            address,
            block=False,
            ssl_context=tls,
            evt_handlers=[
                (evt.EVT_REQUESTED, self._admit),
                (evt.EVT_PDU_RECV, self._enforce_size_limit),
                (evt.EVT_CONN_CLOSE, self._association_closed),
                (evt.EVT_C_STORE, self._store),
            ],
        )
        assert server is not None  # not blocking  # noqa: S101
        return server

    def _admit(self, event: Event) -> None:
        requestor = event.assoc.requestor
        request = requestor.primitive
        title = "" if request is None else str(request.calling_ae_title).strip()
        known = any(caller.matches(title, str(requestor.address)) for caller in self._callers)
        if self._callers and not known:
            _log.warning("an association was rejected: its caller is not among those of --accept")
            event.assoc.acse.send_reject(*_CALLER_NOT_RECOGNIZED)
            event.assoc.kill()

    def _enforce_size_limit(self, event: Event) -> None:
        """Abort an association whose instance exceeds the limit."""
        if not isinstance(event.pdu, P_DATA_TF) or id(event.assoc) in self._too_large:
            return
        key, total, is_done = id(event.assoc), 0, False
        for item in event.pdu.presentation_data_value_items:
            value = item.presentation_data_value or b""
            total += len(value)
            # PS3.8 annex E.2: the first byte says whether this is a command, and the last fragment
            is_done |= value[:1] == b"\x02"
        total += self._received.get(key, 0)
        self._received[key] = 0 if is_done else total
        if total > self._limits.image_bytes + _OVERHEAD:
            self._counters.add("refused")
            _log.warning(
                "an association was aborted: its instance has more than %d MB (--max-image)",
                self._limits.image_bytes // 2**20,
            )
            self._too_large.add(key)
            event.assoc.abort()

    def _association_closed(self, event: Event) -> None:
        self._received.pop(id(event.assoc), None)
        self._too_large.discard(id(event.assoc))

    def _store(self, event: Event) -> Dataset:
        """Answer a C-STORE request; no exception may leave, since it would be logged with data."""
        try:
            uid = str(event.file_meta.MediaStorageSOPInstanceUID)
            return self._take(uid, event.encoded_dataset())
        except RadiographError as error:
            return self._refuse(NOT_UNDERSTOOD, str(error))
        except OSError as error:
            return self._refuse(OUT_OF_RESOURCES, f"Cannot be stored: {error.strerror}.")
        except Exception as error:
            return self._refuse(
                NOT_UNDERSTOOD, f"The instance cannot be read ({type(error).__name__})."
            )

    def _take(self, uid: str, data: bytes) -> Dataset:
        key = self._spool.key(uid)
        if self._spool.contains(key):
            self._counters.add("repeated")
            return _status(SUCCESS)
        self._require_room(len(data))
        with self._one_at_a_time:
            _, header = read_source(data)
            if header.image.SOPInstanceUID != uid:
                raise RadiographError(
                    "The SOP Instance UIDs of request and data set differ. Send the instance again."
                )
            if not self._spool.contains(key):
                self._spool.put(key, data)
        self._counters.add("received")
        self._arrived()
        return _status(SUCCESS)

    def _require_room(self, size: int) -> None:
        limits = self._limits
        if size > limits.image_bytes:
            raise RadiographError(
                f"{size:,} bytes exceed the limit of {limits.image_bytes:,} (--max-image)."
            )
        free = shutil.disk_usage(self._spool.folder).free
        if free - size < limits.free_bytes:
            raise OSError(None, f"disk full: {free // 2**20:,} MB are free (--min-free)")
        if (waiting := self._spool.size()) + size > limits.spool_bytes:
            raise OSError(None, f"spool full: {waiting // 2**20:,} MB wait (--max-spool)")

    def _refuse(self, code: int, reason: str) -> Dataset:
        self._counters.add("refused")
        _log.warning("an instance was refused (status 0x%04X): %s", code, reason)
        return _status(code, reason)


def _status(code: int, reason: str = "") -> Dataset:
    status = Dataset()
    status.Status = code
    if reason:
        status.ErrorComment = reason.encode("ascii", "replace").decode()[:64]
    return status
