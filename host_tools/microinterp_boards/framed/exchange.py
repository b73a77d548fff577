"""Requests on a line and the answers to them: each is done once, whatever the line does.

This is the host's side of "Sessions and order" in schemas/link.md.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from microinterp.errors import DeviceError, printable
from microinterp_boards.framed.codec import ANSWER, KEEP, REFUSAL, REPEAT, Decoder, Frame, encode

_FIRST_WAIT = 0.4  # seconds, before anything was measured
_LEAST_WAIT = 0.06  # seconds
_HEARD = 2048  # bytes of what was printed that are kept
_SHOWN = 300  # characters of it, in errors
_MOMENT = 0.5  # seconds that a look at the line takes at most: others may want to stop this thread
_REPL_END = re.compile(rb"\x04[^\x04]*\x04>")
_ENDED_TRIES = 3
_FAILS = 3


class Port(Protocol):
    """What an exchange needs of a Transport."""

    def write(self, data: bytes) -> None:
        """Send all of it."""

    def some(self, timeout: float) -> bytes:
        """What has come, waiting so many seconds for it at most."""

    def error(self, message: str, hint: str = "") -> DeviceError:
        """An error that names the port."""


class Refusal(IntEnum):
    """What a request is refused for; schemas/link.md lists the codes."""

    BAD_REQUEST = 1
    NOT_NOW = 2
    OS_ERROR = 3
    NOT_ANNOUNCED = 4
    SIGNATURE = 5
    VERSION = 6
    SELF_TEST = 7
    OUT_OF_MEMORY = 8


class RefusedError(DeviceError):
    """A board's refusal of a request.

    Attributes:
        code: one of Refusal, unless the board's files are newer.
        text: the board's own words.
    """

    def __init__(self, code: int, text: str, message: str, hint: str = "") -> None:
        """`message` and `hint` are those of DeviceError."""
        super().__init__(message, hint=hint)
        self.code = code
        self.text = text


@dataclass(slots=True)
class Counters:
    """What went over the line.

    Attributes:
        sent, sent_bytes: frames, and all bytes of them.
        repeated: of those frames, the ones that were sent before.
        damaged: headers that came without a sound frame.
        timeouts: times that nothing came in time.
        asked: times that the board asked for a repetition.
    """

    sent: int = 0
    sent_bytes: int = 0
    repeated: int = 0
    damaged: int = 0
    timeouts: int = 0
    asked: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether all went well at once."""
        return not (self.repeated or self.damaged or self.timeouts or self.asked)


@dataclass(slots=True)
class Request:
    """A request that is under way, or waits to be."""

    kind: int
    number: int
    payload: bytes
    tries: int = 0
    fails: int = 0
    is_sent: bool = False
    sent_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, or its refusal. Neither: the request was done, and its answer is lost."""

    request: Request
    answer: bytes | None = None
    refusal: RefusedError | None = None


class Exchange:
    """One session. Not for two threads at once."""

    def __init__(
        self, port: Port, session: int, rate: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`session`: its number, a u32. `rate`: bytes a second that the line carries, about."""
        self.window = 1
        self.counters = Counters()
        self.heard = b""
        self.failed: Callable[[], None] = lambda: None  # the first request did so, _FAILS times
        self._port = port
        self._rate = rate
        self._clock = clock
        self._decoder = Decoder(session)
        self._behind = b""  # text that came with the last frame, or after it
        self._next = 0
        self._requests: deque[Request] = deque()
        self._launched = 0  # how many of them are on the line
        self._probing = False  # nothing came in time: one frame will tell what is there
        self._wait = _FIRST_WAIT
        self._timeouts = 0  # since something came of a request
        self._round, self._spread = _FIRST_WAIT / 3, _FIRST_WAIT / 6  # seconds; as TCP has them
        self._is_measured = False
        self._began = 0.0  # when the last launch was
        self._ignored = -1, 0  # number and count of REPEATs that tell nothing new

    @property
    def waiting(self) -> deque[Request]:
        """Requests without an outcome, in order."""
        return self._requests

    def post(self, kind: int, payload: bytes) -> None:
        """Add a request to those that wait."""
        self._requests.append(Request(kind, self._next, payload))
        self._next = self._next + 1 & 255

    def keep(self) -> None:
        """Tell the board that somebody is here; take in what it prints."""
        self._write(encode(KEEP, 0, b"", self._decoder.session))
        self._hear(self._decoder.feed(self._port.some(0)))

    def collect(self, limit: float, wanted: str) -> list[Outcome]:
        """Outcomes of the first requests that wait; DeviceError if none comes in `limit` seconds.

        They come in order, each once. After an error the session cannot go on.
        """
        deadline = self._clock() + limit
        self._wait = self._first_wait()
        self._timeouts = 0
        found: list[Outcome] = []
        while not found:
            self._launch()
            now = self._clock()
            late = self._began + self._wait
            data = self._port.some(max(0.0, min(late - now, deadline - now, _MOMENT)))
            found = self._hear(self._decoder.feed(data))
            now = self._clock()
            if not found and now >= min(late, deadline):
                found = self._hear(self._decoder.give_up())
                if not found:
                    if now >= deadline:
                        raise self._silent(f"no {wanted} within {limit:g} s")
                    self._late()
        return found

    def rest(self) -> bytes:
        """What came behind the last frame that was taken, and perhaps some text before it."""
        return self._behind + self._decoder.rest()

    def shrink(self, payloads: list[bytes]) -> None:
        """Give the first requests that wait other payloads, and send one at a time from now on."""
        for request, payload in zip(self._requests, payloads, strict=False):
            request.payload, request.tries, request.fails = payload, 0, 0
        self.window = 1
        self._launched = 0

    def _launch(self) -> None:
        """Send what the window has room for."""
        most = 1 if self._probing else self.window
        while self._launched < min(most, len(self._requests)):
            request = self._requests[self._launched]
            if request.fails >= _FAILS:  # the first one
                request.fails = 0
                self.failed()
                most = 1 if self._probing else self.window
            self._launched += 1
            self._send(request)

    def _send(self, request: Request) -> None:
        frame = encode(request.kind, request.number, request.payload, self._decoder.session)
        request.tries += 1
        self.counters.repeated += request.is_sent
        request.is_sent = True
        request.sent_at = self._clock()
        self._write(frame)
        self._began = self._clock()

    def _write(self, frame: bytes) -> None:
        self.counters.sent += 1
        self.counters.sent_bytes += len(frame)
        self._port.write(frame)

    def _hear(self, frames: list[Frame]) -> list[Outcome]:
        """What frames say of the requests."""
        text = self._decoder.take_text()
        self.heard = (self.heard + text)[-_HEARD:]
        self._behind = text if frames else (self._behind + text)[-_HEARD:]
        self.counters.damaged = self._decoder.damaged
        found = []
        for frame in frames:
            if frame.kind in (ANSWER, REFUSAL):
                found += self._answered(frame)
            elif frame.kind == REPEAT:
                found += self._asked(frame.number)
        if found:
            self._probing = False
            self._began = self._clock()
        return found

    def _answered(self, frame: Frame) -> list[Outcome]:
        place = self._place(frame.number)
        if place is None or not self._requests[place].is_sent:
            return []  # of a request that is over
        found = self._done(place)
        request = self._pop()
        if request.tries == 1 and place == 0:
            self._measure(self._clock() - request.sent_at)
        if frame.kind == ANSWER:
            return [*found, Outcome(request, frame.payload)]
        return [*found, Outcome(request, None, self._refusal(frame.payload))]

    def _asked(self, number: int) -> list[Outcome]:
        """The board did not get the request `number`, and has done those before it."""
        self.counters.asked += 1
        place = self._place(number)
        if place is None and self._requests and self._requests[-1].number + 1 & 255 == number:
            place = len(self._requests)
        if place is None or not all(each.is_sent for each in list(self._requests)[: max(place, 1)]):
            return []  # late, or damaged beyond its CRC32
        done = min(place, len(self._requests) - 1)  # the last one is asked for again, if need be
        found = self._done(done)
        before, more = self._ignored
        if number == before and more:
            self._ignored = number, more - 1
        else:  # the frames behind the lost one will ask for the same
            self._ignored = number, max(0, self._launched - 1)
            self._back()
        return found

    def _back(self) -> None:
        """Send again from the first request on."""
        self._launched = 0
        self._requests[0].fails += 1

    def _done(self, count: int) -> list[Outcome]:
        return [Outcome(self._pop()) for _ in range(count)]

    def _pop(self) -> Request:
        self._launched = max(0, self._launched - 1)
        return self._requests.popleft()

    def _place(self, number: int) -> int | None:
        for place, request in enumerate(self._requests):
            if request.number == number:
                return place
        return None

    def _late(self) -> None:
        """Nothing came in time: send the first frame again, and be more patient."""
        self.counters.timeouts += 1
        self._timeouts += 1
        if self._timeouts >= _ENDED_TRIES and _REPL_END.search(self.heard):
            raise self._silent("the service on the board has ended")
        self._wait *= 2
        self._probing = True
        self._back()

    def _first_wait(self) -> float:
        size = sum(len(each.payload) for each in list(self._requests)[: self.window])
        return max(_LEAST_WAIT, self._round + 4 * self._spread) + size / self._rate

    def _measure(self, seconds: float) -> None:
        """Take a round trip into the estimate; one long answer does not spoil it.

        Source: RFC 6298, section 2.
        """
        if not self._is_measured:
            self._is_measured = True
            self._round, self._spread = seconds, seconds / 2
            return
        seconds = min(seconds, 3 * self._round + _LEAST_WAIT)
        self._spread += (abs(seconds - self._round) - self._spread) / 4
        self._round += (seconds - self._round) / 8

    def _refusal(self, payload: bytes) -> RefusedError:
        code = int.from_bytes(payload[:2], "little")
        text = printable(payload[2:].decode(errors="backslashreplace"), 300)
        error = self._port.error(f"the board refuses: {text or f'code {code}'}{self._told()}")
        return RefusedError(code, text, error.message, error.hint)

    def _silent(self, what: str) -> DeviceError:
        return self._port.error(
            what + self._told(), "the line is cut, or the board was reset, or it hangs: try again"
        )

    def _told(self) -> str:
        """What was printed between frames, for messages."""
        heard = self.heard.strip(b"\x04\r\n\x00 >")
        if not heard:
            return ""
        text = heard[-_SHOWN:].decode(errors="backslashreplace").replace("\r\n", "\n")
        return f"; it printed: {printable(text, 2 * _SHOWN)}"
