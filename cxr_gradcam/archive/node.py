"""The DICOM node: receives radiographs, explains them and sends the results."""

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
"""Seconds until a failed step is tried again; the pause doubles from one failure to the next."""


@dataclass
class Node:
    """Explains the instances of a spool and sends the results to their destination.

    Args:
        spool: the folder of waiting instances and results; `stop` closes it.
        make_results: makes the results of a DICOM file.
        destination: receives the results.
        title: the node's AE title.
        address: host and port to listen at; port 0 means any free port. None: the node does not
            listen.
        callers: who may send instances; empty for anybody.
        limits: limits of reception.
        tls: settings of encrypted connections of callers; None for unencrypted ones.
        first_pause: seconds until a failed step is tried again for the first time.
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
        """Start listening, explaining and sending.

        Raises:
            OSError: the port cannot be opened.
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
        """Finish the current instance and end; others wait in the spool for the next start."""
        if self._server is not None:
            self._server.shutdown()
        self._stopping.set()
        self._image_came.set()
        self._result_came.set()
        for thread in self._threads:
            thread.join()
        self.spool.close()

    @property
    def port(self) -> int:
        """The port that the node listens at; 0 for a node that does not listen."""
        return 0 if self._server is None else int(self._server.server_address[1])

    def take(self, uid: str, fetch: Callable[[], bytes]) -> None:
        """Fetch an instance into the spool, unless it has been received before.

        Args:
            uid: SOP Instance UID of the instance.
            fetch: returns the DICOM file of the instance.

        Raises:
            OSError: the file cannot be written.
        """
        key = self.spool.key(uid)
        if self.spool.contains(key):
            self.counters.add("repeated")
            return
        self.spool.put(key, fetch())
        self.counters.add("received")
        self._image_came.set()

    def is_idle(self) -> bool:
        """Return whether all that was received is explained and sent."""
        return not self.spool.waiting() and not self.spool.outgoing()

    def health(self) -> str:
        """Return one line: how many instances wait, and the counters since the start."""
        waiting, outgoing = len(self.spool.waiting()), len(self.spool.outgoing())
        return f"waiting={waiting} outgoing={outgoing} {self.counters.line()}"

    def _explain_all(self) -> None:
        retries = RetrySchedule(self.first_pause)
        while not self._stopping.is_set():
            self._image_came.clear()
            for key in self.spool.waiting():
                if not self._stopping.is_set() and retries.is_due(key):
                    self._explain(key, retries)
            self._image_came.wait(retries.until_next())

    def _explain(self, key: str, retries: RetrySchedule) -> None:
        try:
            counted = self._explain_one(key)
        except OSError as error:
            self._wait_for_disk(error, retries)
        else:
            retries.succeeded(key)
            self.counters.add(counted)
            self._result_came.set()

    def _explain_one(self, key: str) -> str:
        """Explain an instance, and return the name of the counter for the outcome."""
        try:
            self.spool.store_results(key, self.make_results(self.spool.read(key)))
        except OSError:
            raise
        except RadiographError as error:
            _log.warning("instance %s cannot be explained: %s", key[:8], error)
            self.spool.discard(key)
            return "refused"
        except Exception as error:
            # The message of the error could hold a value of the header.
            _log.error(
                "instance %s failed (%s); it lies in %s, and the next start tries it again",
                *(key[:8], type(error).__name__, self.spool.folder / "failed"),
            )
            self.spool.set_aside(key)
            return "failed"
        return "explained"

    def _wait_for_disk(self, error: OSError, retries: RetrySchedule) -> None:
        """Pause everything, since the next instance would meet the same disk."""
        self.counters.add("retried")
        _log.error(
            "%s (spool %s). Nothing is lost; the next try is in %.0f s. Check the disk and its "
            "free space.",
            *(error.strerror or type(error).__name__, self.spool.folder, retries.failed(None)),
        )

    def _deliver_all(self) -> None:
        retries = RetrySchedule(self.first_pause)
        while not self._stopping.is_set():
            self._result_came.clear()
            for key, files in self.spool.outgoing().items():
                if not self._stopping.is_set() and retries.is_due(key):
                    self._deliver(key, files, retries)
            self._result_came.wait(retries.until_next())

    def _deliver(self, key: str, files: list[Path], retries: RetrySchedule) -> None:
        def delivered(path: Path) -> None:
            self.spool.mark_sent(key, path)
            self.counters.add("sent")

        try:
            try:
                self.destination.send(files, delivered)
            except UnsupportedError as error:
                self.spool.mark_sent(key, error.path)
                self.counters.add("left_out")
                self._result_came.set()
                _log.warning("one result is left out: %s", error)
        except SendError as error:
            self.counters.add("retried")
            pause = retries.failed(None if error.concerns_all else key)
            _log.warning("results could not be sent; the next try is in %.0f s: %s", pause, error)
        except OSError as error:
            self._wait_for_disk(error, retries)
        except Exception as error:
            # The message of the error could hold a value of the header.
            self.counters.add("retried")
            _log.error(
                "results in %s failed (%s); the next try is in %.0f s",
                *(self.spool.folder / "outgoing" / key, type(error).__name__, retries.failed(key)),
            )
        else:
            retries.succeeded(key)


class RetrySchedule:
    """The times for retrying failed steps: each pause is twice as long as the one before.

    Args:
        first: seconds of the first pause.
    """

    def __init__(self, first: float) -> None:
        self._first = first
        self._length, self._end = dict[str | None, float](), dict[str | None, float]()

    def failed(self, key: str | None) -> float:
        """Begin a pause.

        Args:
            key: the key of the paused instance; None for all instances.

        Returns:
            The length of the pause in seconds.
        """
        length = min(2 * self._length.get(key, self._first / 2), LONGEST_PAUSE)
        self._length[key], self._end[key] = length, time.monotonic() + length
        return length

    def succeeded(self, key: str) -> None:
        """End the pauses of an instance, and those of all instances."""
        for name in (key, None):
            self._length.pop(name, None)
            self._end.pop(name, None)

    def is_due(self, key: str) -> bool:
        """Return whether an instance can be tried now."""
        now = time.monotonic()
        return all(self._end.get(name, 0) <= now for name in (key, None))

    def until_next(self) -> float | None:
        """Return the seconds until the next pause ends; None if nothing pauses."""
        now = time.monotonic()
        return min((max(0.0, end - now) for end in self._end.values()), default=None)
