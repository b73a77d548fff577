"""A port with a script and a clock of its own, and a client that answers what it is told."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable

from microinterp.errors import DeviceError
from microinterp_boards.framed.codec import ANSWER, Decoder, Frame, encode
from microinterp_boards.framed.exchange import Exchange

SESSION = 0x12345678


class ScriptedPort:
    """A port that says what the test lets it say; waiting moves its clock `now`.

    Attributes:
        written: when and what.
        waited: the seconds of each look at the line.
        on_write: called after each write; it may `say` something, or let time pass.
    """

    port = "fake"

    def __init__(self) -> None:
        self.now = 0.0
        self.written: list[tuple[float, bytes]] = []
        self.waited: list[float] = []
        self.on_write: Callable[[bytes], object] = lambda data: None
        self._coming: list[tuple[float, int, bytes]] = []

    def write(self, data: bytes) -> None:
        self.written.append((self.now, data))
        self.on_write(data)

    def say(self, data: bytes, after: float = 0.0) -> None:
        """Let bytes come so many seconds from now."""
        insort(self._coming, (self.now + after, len(self.written) + len(self._coming), data))

    def some(self, timeout: float) -> bytes:
        self.waited.append(timeout)
        if not self._coming or self._coming[0][0] > self.now + timeout:
            self.now += timeout
            return b""
        at, _, data = self._coming.pop(0)
        self.now = max(self.now, at)
        return data

    def error(self, message: str, hint: str = "") -> DeviceError:
        return DeviceError(f"fake: {message}", hint=hint)

    @property
    def times(self) -> list[float]:
        """When frames were written."""
        return [at for at, _ in self.written]

    def frames(self) -> list[Frame]:
        """What was written."""
        return Decoder(SESSION).feed(b"".join(data for _, data in self.written))

    def numbers(self) -> list[int]:
        """Those of the frames that were written since this was last asked."""
        numbers = [frame.number for frame in self.frames()]
        self.written.clear()
        return numbers


def exchange_on(port: ScriptedPort, window: int = 1, rate: float = 1000.0) -> Exchange:
    """A session on a port's clock."""
    exchange = Exchange(port, SESSION, rate, lambda: port.now)
    exchange.window = window
    return exchange


def said(number: int, payload: bytes = b"", kind: int = ANSWER) -> bytes:
    """A board's frame."""
    return encode(kind, number, payload, SESSION)


class FakeClient:
    """Gives the next of `answers` to each request; `asked` are kind, payload and limit of each."""

    payload = 1012

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[int, bytes, float]] = []

    def ask(self, kind: int, payload: bytes = b"", limit: float = 15.0) -> bytes:
        self.asked.append((kind, payload, limit))
        return self.answers.pop(0)
