"""Requests to the service on a board: one at a time, or DATA in a window."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable

from microinterp.closing import Closing
from microinterp.errors import DeviceError
from microinterp_boards.framed.codec import BYE, HELLO, encode
from microinterp_boards.framed.exchange import (
    Counters,
    Exchange,
    Outcome,
    Port,
    Refusal,
    RefusedError,
)
from microinterp_boards.framed.sending import OFFSET, Sending

__all__ = ["Client", "Counters", "Refusal", "RefusedError"]

VERSION = 1
"""Of the link; a board tells its own."""
_KEEP = 1.0  # seconds between signs of life
_HELLO_LIMIT = 4.0  # seconds
_BYE_LIMIT = 2.0  # seconds
_INTERRUPT = 3
_LIMIT = 15.0  # seconds for an answer that takes no computing: erasing flash takes its time


class Client(Closing):
    """A session with the service; leaving it ends the service. Raises DeviceError.

    Attributes:
        payload: bytes of the largest payload, either way.
        window: how many DATA may be under way.
        counters: what went over the line, since the start.
        has_ended: whether the service has said goodbye.
    """

    def __init__(
        self,
        port: Port,
        rate: float,
        *,
        limit: float = _HELLO_LIMIT,
        keep: float | None = _KEEP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Say HELLO to a service that runs behind `port`, a Transport.

        Args:
            rate: bytes a second that the line carries, about.
            limit: seconds for its answer.
            keep: seconds between signs of life from a thread while nothing is asked; None: no
                thread, and a board that is left alone ends the service.
            clock: seconds.
        """
        self._port, self._rate, self._clock = port, rate, clock
        self._lock = threading.Lock()
        self._is_open = True
        self.has_ended = False
        self._is_sound = False
        self.window = self._piece = 0  # not known yet
        self._counters: list[Counters] = []
        self._begin(limit)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        if keep is not None:
            self._thread = threading.Thread(
                target=self._keep, args=(keep,), name="framed link", daemon=True
            )
            self._thread.start()

    def ask(self, kind: int, payload: bytes = b"", limit: float = _LIMIT) -> bytes:
        """The answer's payload; RefusedError if the board refuses, DeviceError after `limit` s.

        What is asked is done once, or, after a DeviceError, perhaps not at all.
        """
        if len(payload) > self.payload:
            raise DeviceError(f"{len(payload)} bytes do not fit into a request of {self.payload}")
        with self._lock:
            self._ready()
            self._exchange.post(kind, payload)
            (outcome,) = self._outcomes(limit, f"answer to request {kind:02X}")
            return _answer_of(outcome)

    def send(
        self,
        data: bytes,
        start: int = 0,
        progress: Callable[[int], object] = lambda done: None,
        limit: float = _LIMIT,
    ) -> int:
        """Send bytes of the file that was opened, from `start` on; returns how many are there.

        Args:
            data: all of the file; its first `start` bytes are there.
            progress: told the bytes that are there.
            limit: seconds for each answer.
        """
        with self._lock:
            self._ready()
            sending = Sending(self._exchange, self._port, data, start, self._piece, limit)
            self._is_sound = False
            try:
                sending.run(progress)
            finally:
                self._is_sound = not self._exchange.waiting
                self._piece, self.window = sending.piece, self._exchange.window
            return sending.done

    @property
    def heard(self) -> bytes:
        """The last bytes that the board printed between frames."""
        return self._exchange.heard

    @property
    def counters(self) -> Counters:
        """What went over the line."""
        total = Counters()
        for each in self._counters:
            for name in Counters.__slots__:
                setattr(total, name, getattr(total, name) + getattr(each, name))
        return total

    def rest(self) -> bytes:
        """What came behind the last frame, for whoever reads the port after the end."""
        return self._exchange.rest()

    def close(self) -> None:
        """End the service, if it is there; the board is left with its prompt, or will be soon."""
        if not self._is_open:
            return
        self._is_open = False
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        try:
            self._ready(_BYE_LIMIT)
            self._exchange.post(BYE, b"")
            self._outcomes(_BYE_LIMIT, "goodbye")
            self.has_ended = True
        except DeviceError:
            pass  # it ends by itself

    def _begin(self, limit: float) -> None:
        """A session of its own, which nothing of an earlier one can disturb."""
        session = _session()
        self._exchange = Exchange(self._port, session, self._rate, self._clock)
        self._counters.append(self._exchange.counters)
        self._exchange.post(HELLO, session.to_bytes(4, "little"))
        (outcome,) = self._exchange.collect(limit, "answer of the service")
        told = _answer_of(outcome)
        if len(told) != 4 or told[0] != VERSION or told[1] == 0:
            raise self._port.error(
                f"the service on the board is of another version ({told.hex() or 'nothing'})",
                "try again; if it stays so, `microinterp board uninstall`, then deploy again",
            )
        self.payload = int.from_bytes(told[2:], "little")
        self.window = self._exchange.window = min(told[1], self.window or told[1])
        self._piece = min(self.payload - OFFSET, self._piece or self.payload)
        self._is_sound = True

    def _ready(self, limit: float = _HELLO_LIMIT) -> None:
        """After an error, or an interrupt, nobody knows what was done: begin again."""
        if not self._is_sound:
            self._begin(limit)

    def _outcomes(self, limit: float, wanted: str) -> list[Outcome]:
        self._is_sound = False
        found = self._exchange.collect(limit, wanted)
        self._is_sound = not self._exchange.waiting
        return found

    def _keep(self, seconds: float) -> None:
        """Tell the board that somebody is here; never while it may be busy and take no input."""
        while not self._over.wait(seconds):
            if not self._lock.acquire(blocking=False):
                continue
            try:
                if self._is_sound:
                    self._exchange.keep()
            except DeviceError:
                pass  # the next request will tell
            finally:
                self._lock.release()


def _session() -> int:
    """A random number whose HELLO has no 0x03, which interrupts a board that is still starting."""
    while True:
        session = secrets.randbits(32)
        hello = encode(HELLO, 0, session.to_bytes(4, "little"), session)
        if _INTERRUPT not in hello:
            return session


def _answer_of(outcome: Outcome) -> bytes:
    if outcome.refusal is not None:
        raise outcome.refusal
    return outcome.answer or b""
