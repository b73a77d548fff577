"""A line on which bytes are there at once: what a board says, with no port and no waiting."""

from __future__ import annotations

from collections.abc import Callable

from microinterp.errors import DeviceError


class SpokenTransport:
    """Does what a Transport does with the bytes of `says`; where they end, a wait ends in an error.

    Attributes:
        written: all that was sent.
        on_write: gives what the board says to each write.
        limits: the time limits of all reads, in seconds.
    """

    port = "fake"
    baud = 115200

    def __init__(
        self, says: bytes = b"", on_write: Callable[[bytes], bytes] = lambda data: b""
    ) -> None:
        self.says = says
        self.on_write = on_write
        self.written: list[bytes] = []
        self.limits: list[float] = []
        self.closed = 0
        self.gone = False
        self.seen = b""

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self.says += self.on_write(data)

    def read(self, count: int, timeout: float, wanted: str) -> bytes:
        self.limits.append(timeout)
        if len(self.says) < count:
            raise self.error(f"no {wanted} within {timeout:g} s")
        return self._take(count)

    def read_until(self, end: bytes, timeout: float, wanted: str, limit: int = 1 << 16) -> bytes:
        self.limits.append(timeout)
        at = self.says.find(end)
        if at < 0:
            raise self.error(f"no {wanted} within {timeout:g} s")
        if at > limit:
            raise self.error(f"more than {limit} bytes came while waiting for {wanted}")
        return self._take(at + len(end))

    def drain(self, quiet: float, limit: float) -> bool:
        self.says = b""
        return True

    def peek(self) -> int:
        return len(self.says)

    def unread(self, data: bytes) -> None:
        self.says = data + self.says

    def forget(self) -> None:
        self.seen = b""

    def error(self, message: str, hint: str = "") -> DeviceError:
        return DeviceError(f"fake: {message}", hint=hint)

    def close(self) -> None:
        self.closed += 1

    def _take(self, count: int) -> bytes:
        data, self.says = self.says[:count], self.says[count:]
        return data
