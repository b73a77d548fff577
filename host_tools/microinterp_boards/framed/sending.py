"""The bytes of a file, in DATA requests: what the board says is there counts."""

from __future__ import annotations

from collections.abc import Callable

from microinterp_boards.framed.exchange import Exchange, Outcome, Port

DATA = 0x21
OFFSET = 4
"""Bytes of a DATA's payload before those of the file."""
SMALL = 228 - OFFSET
"""Bytes of a file in a frame that any line takes at once."""
_STANDSTILL = 20  # answers, running, that leave a file as long as it was


class Sending:
    """A file on its way.

    Attributes:
        done: bytes that the board says it has.
        piece: bytes in one request; fewer once large frames do not get through.
    """

    def __init__(
        self, exchange: Exchange, port: Port, data: bytes, start: int, piece: int, limit: float
    ) -> None:
        """`start`: bytes of `data` that are there. `limit`: seconds for each answer."""
        self.done = start
        self.piece = piece
        self._exchange, self._port = exchange, port
        self._data, self._limit = data, limit
        self._at = start  # of the next request
        self._alone = False  # one by one, to hear why the board refuses

    def run(self, progress: Callable[[int], object]) -> None:
        """Send all; raises RefusedError and DeviceError. `progress` is told the bytes there."""
        self._exchange.failed = self._shrink
        try:
            stands = 0
            while self.done < len(self._data):
                before = self.done
                self._fill()
                self._take(self._collect())
                if self.done > before:
                    stands = 0
                    progress(self.done)
                    continue
                stands += 1
                if stands > _STANDSTILL:
                    raise self._stuck()
        finally:
            self._exchange.failed = lambda: None
        if self.done > len(self._data):
            raise self._stuck()

    def _fill(self) -> None:
        """Post what the window has room for."""
        room = 1 if self._alone else self._exchange.window
        waiting = self._exchange.waiting
        while self._at < len(self._data) and len(waiting) < room:
            end = min(len(self._data), self._at + self.piece)
            self._exchange.post(DATA, self._payload(self._at, end))
            self._at = end

    def _take(self, outcomes: list[Outcome]) -> None:
        """Go on behind what the board has."""
        refusal, is_off = None, False
        for outcome in outcomes:
            if outcome.refusal is not None:
                is_off = True
                if self._alone or _start(outcome) == self.done:
                    refusal = refusal or outcome.refusal
                self._alone = True  # an earlier one tells why, and may be lost
            elif outcome.answer is not None:
                self.done = self._there(outcome.answer)
                is_off = is_off or self.done != _end(outcome)
        if is_off:
            self._settle()
            self._at = self.done
        if refusal is not None:
            raise refusal

    def _settle(self) -> None:
        """Wait for all that is under way, whatever comes of it."""
        while self._exchange.waiting:
            for outcome in self._collect():
                if outcome.answer is not None:
                    self.done = self._there(outcome.answer)

    def _collect(self) -> list[Outcome]:
        return self._exchange.collect(self._limit, "answer to data")

    def _shrink(self) -> None:
        """Large frames do not get through: no more of them, and one at a time."""
        waiting = self._exchange.waiting
        if len(waiting[0].payload) <= SMALL + OFFSET:
            return
        self.piece = SMALL
        self._at = int.from_bytes(waiting[0].payload[:OFFSET], "little")
        payloads = []
        for _ in waiting:
            end = min(len(self._data), self._at + self.piece)
            payloads.append(self._payload(self._at, end))
            self._at = end
        self._exchange.shrink(payloads)

    def _payload(self, start: int, end: int) -> bytes:
        return start.to_bytes(OFFSET, "little") + self._data[start:end]

    def _there(self, answer: bytes) -> int:
        if len(answer) != 4:
            raise self._port.error(f"{len(answer)} bytes came instead of a file's length")
        return int.from_bytes(answer, "little")

    def _stuck(self) -> Exception:
        return self._port.error(
            f"the board has {self.done} bytes of {len(self._data)}, and will not go on from there",
            "try again: what is there is not sent anew",
        )


def _start(outcome: Outcome) -> int:
    return int.from_bytes(outcome.request.payload[:OFFSET], "little")


def _end(outcome: Outcome) -> int:
    """How long the file should be after a request."""
    return _start(outcome) + len(outcome.request.payload) - OFFSET
