"""A board in process that speaks the framed link, behind lines that may be bad, in no real time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from microinterp.errors import DeviceError
from microinterp_boards.faults.line import FaultyLine
from microinterp_boards.framed.client import Client
from microinterp_boards.framed.codec import (
    ANSWER,
    BYE,
    HELLO,
    KEEP,
    REFUSAL,
    REPEAT,
    Decoder,
    Frame,
    encode,
)
from microinterp_boards.framed.exchange import RefusedError

Chances = Mapping[str, Sequence[float]]
Handler = Callable[[int, bytes], bytes]
DATA = 0x21
RATE = 40_000.0


class FakeBoard:
    """Does what schemas/link.md says of a board; `done` are the requests that it has carried out.

    `handle` answers a request, and may raise RefusedError. `busy`: seconds that each takes.
    """

    def __init__(self, window: int = 4, payload: int = 1012) -> None:
        self.window, self.payload = window, payload
        self.done: list[tuple[int, bytes]] = []
        self.file = bytearray()
        self.sessions = 0
        self.kept = 0
        self.busy = 0.0
        self.handle: Handler = self.write
        self._session = 0
        self._expected: int | None = None
        self._last = b""
        self._decoder = Decoder()

    def write(self, kind: int, payload: bytes) -> bytes:
        """DATA goes into `file`; anything else comes back."""
        if kind != DATA:
            return payload[::-1]
        at = int.from_bytes(payload[:4], "little")
        if at > len(self.file):
            raise RefusedError(1, "beyond the end", "beyond the end")
        self.file[at:] = payload[4:]
        return len(self.file).to_bytes(4, "little")

    def feed(self, data: bytes) -> bytes:
        """What the board says to bytes that reach it."""
        damaged = self._decoder.damaged
        frames = self._decoder.feed(data)
        answers = [self._answer(frame) for frame in frames]
        if self._decoder.damaged > damaged and self._expected is not None:
            answers.append(encode(REPEAT, self._expected, b"", self._session))
        return b"".join(answers)

    def quiet(self) -> bytes:
        """The same once nothing came for a while."""
        was = self._decoder.damaged
        answers = [self._answer(frame) for frame in self._decoder.give_up()]
        if self._decoder.damaged > was and self._expected is not None:
            answers.append(encode(REPEAT, self._expected, b"", self._session))
        return b"".join(answers)

    def _answer(self, frame: Frame) -> bytes:
        if frame.kind == HELLO:
            session = int.from_bytes(frame.payload, "little")
            if self._expected is None or session != self._session:
                self.sessions += 1
                self._session = self._decoder.session = session
                self._expected = 1
                told = bytes((1, self.window)) + self.payload.to_bytes(2, "little")
                self._last = encode(ANSWER, 0, told, session)
            elif self._expected != 1:
                return encode(REPEAT, self._expected, b"", self._session)
            return self._last
        if self._expected is None or frame.kind >= ANSWER:
            return b""
        if frame.kind == KEEP:
            self.kept += 1
            return b""
        if frame.number == self._expected:
            self._expected = self._expected + 1 & 255
            self._last = self._carry_out(frame)
        elif frame.number != self._expected - 1 & 255:
            return encode(REPEAT, self._expected, b"", self._session)
        return self._last

    def _carry_out(self, frame: Frame) -> bytes:
        self.done.append((frame.kind, frame.payload))
        if frame.kind == BYE:
            return encode(ANSWER, frame.number, b"", self._session)
        try:
            return encode(
                ANSWER, frame.number, self.handle(frame.kind, frame.payload), self._session
            )
        except RefusedError as error:
            payload = error.code.to_bytes(2, "little") + error.text.encode()
            return encode(REFUSAL, frame.number, payload, self._session)


class FakePort:
    """A port with FaultyLine both ways. `now` is its clock: waiting takes no time."""

    port = "fake"

    def __init__(
        self,
        board: FakeBoard,
        chances: Chances | None = None,
        seed: str = "1",
        overflow: int | None = None,
    ) -> None:
        self.now = 0.0
        self.board = board
        self.to_board: Callable[[bytes], bytes] = lambda data: data
        self.to_host: Callable[[bytes], bytes] = lambda data: data
        self.written: list[tuple[float, bytes]] = []
        self._typed = FaultyLine(chances or {}, seed + " a")
        self._printed = FaultyLine(chances or {}, seed + " b")
        self._overflow = overflow
        self._coming: deque[tuple[float, bytes]] = deque()
        self._silent_from = 0.0

    def write(self, data: bytes) -> None:
        self.written.append((self.now, data))
        self._typed.feed(self.to_board(data))
        arrived = b"".join(piece.data for piece in self._typed.due(self.now))
        before = len(self.board.done)
        answers = self.board.feed(arrived[: self._overflow])
        self._say(answers, self.board.busy * (len(self.board.done) - before))
        self._silent_from = self.now

    def some(self, timeout: float = 0.02) -> bytes:
        if not self._coming or self._coming[0][0] > self.now + timeout:
            self.now += timeout
            if self.now - self._silent_from > 0.25:
                self._say(self.board.quiet())
            return b""
        at, data = self._coming.popleft()
        self.now = max(self.now, at)
        return data

    def error(self, message: str, hint: str = "") -> DeviceError:
        return DeviceError(f"fake: {message}", hint=hint)

    def _say(self, data: bytes, busy: float = 0.0) -> None:
        if not data:
            return
        at = max(self.now, self._coming[-1][0] if self._coming else 0.0) + busy + 0.002
        self._printed.feed(self.to_host(data))
        said = b"".join(piece.data for piece in self._printed.due(at))
        if said:
            self._coming.append((at, said))


def client_of(port: FakePort, limit: float = 60.0) -> Client:
    """A session with the board behind a port, without signs of life."""
    return Client(port, RATE, limit=limit, keep=None, clock=lambda: port.now)
