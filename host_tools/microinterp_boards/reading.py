"""A thread that reads an open port all the time: boards drop what a host does not take soon."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

READ_LIMIT = 0.05
"""Seconds that one read of the port may block; nothing else may read it."""
_JOIN_LIMIT = 1.0  # seconds for the thread to end: a driver may hang
_HELD = 1 << 24  # bytes that have come and nobody took, from which on no more are read
_AT_ONCE = 4096
_SOCKET = "serial.urlhandler.protocol_socket"  # says only whether there is anything to read


class Reader:
    """Reads a port of pyserial from now on until `end`, and keeps what comes."""

    def __init__(self, port: Any) -> None:
        """Start the thread; reads of `port` block READ_LIMIT at most."""
        self._port = port
        self._counts = type(port).__module__ != _SOCKET
        self._data = bytearray()
        self._error: Exception | None = None
        self._is_over = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="serial port", daemon=True)
        self._thread.start()

    def take(self, timeout: float) -> tuple[bytes, Exception | None]:
        """What has come, waiting for it `timeout` seconds; and what has ended the reading."""
        with self._changed:
            if not self._data and self._error is None and timeout > 0:
                self._changed.wait(timeout)
            data = bytes(self._data)
            self._data.clear()
            if len(data) >= _HELD:
                self._changed.notify_all()
            return data, self._error

    def end(self) -> None:
        """Let the thread end, so that the port can be closed."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        if hasattr(self._port, "cancel_read"):
            with contextlib.suppress(Exception):  # a port that has gone
                self._port.cancel_read()
        if self._thread is not threading.current_thread():
            self._thread.join(_JOIN_LIMIT)

    def _run(self) -> None:
        try:
            while not self._is_over:
                data: bytes = self._port.read(1)
                while data and len(data) < _AT_ONCE and (more := self._rest()):
                    data += more
                if data:
                    self._keep(data)
        except Exception as error:  # whatever a driver raises, the caller must hear of it
            self._keep(b"", error)

    def _rest(self) -> bytes:
        """What has come behind a first byte; does not wait."""
        waiting = int(self._port.in_waiting)
        if not waiting:
            return b""
        if not self._counts:
            self._port.timeout = 0
            rest: bytes = self._port.read(_AT_ONCE)
            self._port.timeout = READ_LIMIT
            return rest
        return bytes(self._port.read(min(waiting, _AT_ONCE)))

    def _keep(self, data: bytes, error: Exception | None = None) -> None:
        with self._changed:
            self._data += data
            self._error = error
            self._changed.notify_all()
            while len(self._data) >= _HELD and not self._is_over:
                self._changed.wait()
