"""Bytes to and from a serial port, with deadlines, and errors that show what was last seen.

Any pyserial URL will do: /dev/ttyACM0, COM3, /dev/pts/4, socket://host:port, rfc2217://host:port.
A thread reads all the time: boards drop what a host does not take within half a second.
"""

from __future__ import annotations

import contextlib
import time

import serial

from microinterp.errors import DeviceError, printable
from microinterp_boards import stopping
from microinterp_boards.opening import lost_hint, open_port
from microinterp_boards.reading import READ_LIMIT, Reader

_POLL = 0.02  # seconds that a moment lasts
_WRITE_LIMIT = 3.0  # seconds
_SHOWN = 120  # bytes of what was seen last, in errors


class Transport:
    """An open port. Every method raises DeviceError once the port has gone, and `gone` is set.

    Every `timeout`, `quiet` and `limit` of time is in seconds.
    """

    def __init__(self, port: str, baud: int = 115200) -> None:
        """Open `port` for this process alone. USB ports ignore `baud`, bits a second."""
        self.port = port
        self.baud = baud
        self.gone = False
        self._pending = bytearray()
        self._seen = b""
        self._serial, self._lock = open_port(port, baud, READ_LIMIT, _WRITE_LIMIT)
        self._reader = Reader(self._serial)

    def close(self) -> None:
        """Close the port; nothing happens if it is closed or gone."""
        try:
            self._reader.end()
            with contextlib.suppress(serial.SerialException, OSError):
                self._serial.close()
        finally:
            self._lock.release()

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        try:
            self._serial.write(data)
        except serial.SerialTimeoutException:
            with contextlib.suppress(serial.SerialException, OSError):
                self._serial.reset_output_buffer()
            raise self.error(
                f"the board took no data for {_WRITE_LIMIT:g} s",
                "it hangs, or it is busy with something that reads no input: reset it",
            ) from None
        except (serial.SerialException, OSError) as error:
            raise self._lost(error) from None

    def read(self, count: int, timeout: float, wanted: str) -> bytes:
        """Exactly `count` bytes; DeviceError if they are not there after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while len(self._pending) < count:
            self._fill(_POLL)
            if time.monotonic() > deadline and len(self._pending) < count:
                raise self.timed_out(timeout, wanted)
        return self._take(count)

    def read_until(self, end: bytes, timeout: float, wanted: str, limit: int = 1 << 16) -> bytes:
        """What comes up to and with `end`, at most `limit` bytes of it."""
        deadline = time.monotonic() + timeout
        looked = 0
        while (at := self._pending.find(end, looked)) < 0 and looked <= limit:
            looked = max(0, len(self._pending) - len(end) + 1)
            self._fill(_POLL)
            if time.monotonic() > deadline and end not in self._pending:
                raise self.timed_out(timeout, wanted)
        if at < 0 or at > limit:
            raise self.error(
                f"more than {limit} bytes came while waiting for {wanted}",
                "the board prints without end: reset it, or remove its main.py",
            )
        return self._take(at + len(end))

    def drain(self, quiet: float, limit: float) -> bool:
        """Drop input until none came for `quiet` seconds; False if it still came at `limit`."""
        start = last = time.monotonic()
        self._pending.clear()
        while (now := time.monotonic()) - last < quiet:
            if now - start > limit:
                return False
            if self._fill(_POLL):
                self._pending.clear()
                last = now
        return True

    def peek(self) -> int:
        """How many bytes have come and were not yet read; does not wait."""
        self._fill(0)
        return len(self._pending)

    def some(self, timeout: float = _POLL) -> bytes:
        """What has come, waiting `timeout` seconds for it at most; may be nothing."""
        if not self._pending:
            self._fill(timeout)
        return self._take(len(self._pending))

    def unread(self, data: bytes) -> None:
        """Put bytes back, to be read again."""
        self._pending[:0] = data

    @property
    def seen(self) -> bytes:
        """The last bytes that came, for messages."""
        return self._seen

    def forget(self) -> None:
        """Start a new record of what is seen."""
        self._seen = b""

    def error(self, message: str, hint: str = "") -> DeviceError:
        """A DeviceError that names the port and shows the last bytes seen."""
        seen = self._seen[-_SHOWN:]
        shown = f"; last bytes seen: {seen!r}" if seen else "; no bytes were seen"
        return DeviceError(f"{printable(self.port)}: {message}{shown}", hint=hint)

    def timed_out(self, timeout: float, wanted: str) -> DeviceError:
        """The error for something that did not come."""
        return self.error(
            f"no {wanted} within {timeout:g} s",
            "the board is busy, or the line cut: give it more time, or reset it",
        )

    def _fill(self, timeout: float) -> bool:
        """Take what has come, and wait for it at most so many seconds."""
        stopping.check()
        data, error = self._reader.take(timeout)
        if error is not None and not data:
            raise self._lost(error)
        self._pending += data
        self._seen = (self._seen + data[-_SHOWN:])[-_SHOWN:]
        return bool(data)

    def _take(self, count: int) -> bytes:
        data = bytes(self._pending[:count])
        del self._pending[:count]
        return data

    def _lost(self, error: Exception) -> DeviceError:
        self.gone = True
        return self.error(
            f"the port is gone ({printable(str(error), 100)})",
            lost_hint(self.port),
        )
