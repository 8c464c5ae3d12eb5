"""The DICOM node: takes images, explains them, delivers the results."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

from pynetdicom.transport import ThreadedAssociationServer

from cxr_gradcam.archive.counters import Counters
from cxr_gradcam.archive.destination import Destination, SendError, UnsupportedError
from cxr_gradcam.archive.receiver import Caller, Limits, Receiver
from cxr_gradcam.archive.results import ResultMaker
from cxr_gradcam.archive.spool import Spool
from cxr_gradcam.imaging.radiograph import RadiographError

_log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds until a delivery is tried again; the pause doubles from try to try."""


@dataclass
class Node:
    """Takes images from a spool to their destination, whatever put them there.

    Args:
        spool: what was received, explained, delivered.
        make_results: makes the results of an image.
        destination: takes the results.
        title: AE title.
        address: host and port to listen at, port 0 for any that is free; None not to listen.
        callers: who may call; none for anybody.
        limits: what is taken at most.
        tls: for encrypted connections of callers.
        first_pause: seconds until a failed delivery is tried again; then twice as long, and so on.
    """

    spool: Spool
    make_results: ResultMaker
    destination: Destination
    title: str
    address: tuple[str, int] | None
    callers: tuple[Caller, ...] = ()
    limits: Limits = field(default_factory=Limits)
    tls: ssl.SSLContext | None = None
    first_pause: float = FIRST_PAUSE

    def __post_init__(self) -> None:
        self.counters = Counters()
        self._stopping, self._image_came, self._result_came = Event(), Event(), Event()
        self._server: ThreadedAssociationServer | None = None
        self._threads = [Thread(target=self._explain_all), Thread(target=self._deliver_all)]

    def start(self) -> None:
        """Begin to work; `port` then tells where.

        Raises:
            OSError: the port cannot be had.
        """
        if self.address is not None:
            receiver = Receiver(
                self.spool, self.counters, self.limits, self.callers, self._image_came.set
            )
            self._server = receiver.start(self.title, self.address, self.tls)
            _log.info("%s listens at %s, port %d", self.title, self.address[0], self.port)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Listen no more, and finish the image in hand; what waits is there at the next start."""
        if self._server is not None:
            self._server.shutdown()
        self._stopping.set()
        self._image_came.set()
        self._result_came.set()
        for thread in self._threads:
            thread.join()

    @property
    def port(self) -> int:
        """The port that it listens at; 0 where it does not."""
        return 0 if self._server is None else int(self._server.server_address[1])

    def take(self, uid: str, fetch: Callable[[], bytes]) -> None:
        """Take an image that is to be fetched; what was taken before is not answered again.

        Args:
            uid: its SOP Instance UID.
            fetch: returns its file.

        Raises:
            OSError: it cannot be written.
        """
        key = self.spool.key(uid)
        if self.spool.contains(key):
            self.counters.add("repeated")
            return
        self.spool.put(key, fetch())
        self.counters.add("received")
        self._image_came.set()

    def is_idle(self) -> bool:
        """Return whether everything that was received has been delivered."""
        return not self.spool.waiting() and not self.spool.outgoing()

    def health(self) -> str:
        """Return one line: what waits, and the counters since the start."""
        waiting, outgoing = len(self.spool.waiting()), len(self.spool.outgoing())
        return f"waiting={waiting} outgoing={outgoing} {self.counters.line()}"

    def _explain_all(self) -> None:
        while not self._stopping.is_set():
            self._image_came.clear()
            for key in self.spool.waiting():
                self._explain(key)
                if self._stopping.is_set():
                    return
            self._image_came.wait()

    def _explain(self, key: str) -> None:
        try:
            self.spool.store_results(key, self.make_results(self.spool.read(key)))
        except RadiographError as error:
            self.counters.add("refused")
            _log.warning("image %s is none to be explained: %s", key[:8], error)
            self.spool.discard(key)
            return
        except Exception as error:
            # Its message could hold a value of the header.
            self.counters.add("failed")
            _log.error("image %s could not be explained: %s", key[:8], type(error).__name__)
            self.spool.set_aside(key)
            return
        self.counters.add("explained")
        self._result_came.set()

    def _deliver_all(self) -> None:
        retries = RetrySchedule(self.first_pause)
        while not self._stopping.is_set():
            self._result_came.clear()
            for key, files in self.spool.outgoing().items():
                if not self._stopping.is_set() and retries.is_over(key):
                    self._deliver(key, files, retries)
            self._result_came.wait(retries.until_next())

    def _deliver(self, key: str, files: list[Path], retries: RetrySchedule) -> None:
        def delivered(path: Path) -> None:
            self.spool.mark_sent(key, path)
            self.counters.add("sent")

        try:
            self.destination.send(files, delivered)
        except UnsupportedError as error:
            self.spool.mark_sent(key, error.path)
            self.counters.add("left_out")
            self._result_came.set()
            _log.warning("an object is left out: %s", error)
        except SendError as error:
            self.counters.add("retried")
            pause = retries.begin(None if error.concerns_all else key)
            _log.warning("results wait for %.0f s: %s", pause, error)
        else:
            retries.end(key)


class RetrySchedule:
    """How long to wait before something is tried again: twice as long each time.

    Args:
        first: seconds of the first pause.
    """

    def __init__(self, first: float) -> None:
        self._first = first
        self._length, self._end = dict[str | None, float](), dict[str | None, float]()

    def begin(self, key: str | None) -> float:
        """Begin a pause, of one thing or, by None, of all.

        Returns:
            Its length in seconds.
        """
        length = min(2 * self._length.get(key, self._first / 2), LONGEST_PAUSE)
        self._length[key], self._end[key] = length, time.monotonic() + length
        return length

    def end(self, key: str) -> None:
        """Forget the retries of a thing that went well, and with it those of all."""
        for name in (key, None):
            self._length.pop(name, None)
            self._end.pop(name, None)

    def is_over(self, key: str) -> bool:
        """Return whether a thing can be tried."""
        now = time.monotonic()
        return all(self._end.get(name, 0) <= now for name in (key, None))

    def until_next(self) -> float | None:
        """Return the seconds until the next pause ends; None where there is none."""
        now = time.monotonic()
        return min((max(0.0, end - now) for end in self._end.values()), default=None)
