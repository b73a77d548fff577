"""A board's port behind pyserial's own RFC 2217 server, on 127.0.0.1."""

from __future__ import annotations

import contextlib
import socket
import threading

import serial
from serial.rfc2217 import PortManager


class _Pty(serial.Serial):
    """A pseudo-terminal has no modem lines: they are as with nothing connected to them."""

    cts = dsr = ri = cd = False

    def _update_dtr_state(self) -> None:
        pass

    def _update_rts_state(self) -> None:
        pass


class Rfc2217Server:
    """Serves one port to one client after the other."""

    def __init__(self, port: str) -> None:
        self._port = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self._client: socket.socket | None = None
        self._end = threading.Event()
        self.baud = 0
        self.url = f"rfc2217://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._end.is_set():
            try:
                self._client, _ = self._server.accept()
            except OSError:
                return
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._client as client, _Pty(self._port, timeout=0.02) as line:
                self._carry(client, line)

    def _carry(self, client: socket.socket, line: _Pty) -> None:
        writing = threading.Lock()

        class Connection:
            def write(self, data: bytes) -> None:
                with writing:
                    client.sendall(data)

        manager = PortManager(line, Connection())

        def to_client() -> None:
            with contextlib.suppress(OSError, serial.SerialException, TypeError):
                while not self._end.is_set() and line.is_open:
                    if data := line.read(line.in_waiting or 1):
                        with writing:
                            client.sendall(b"".join(manager.escape(data)))

        back = threading.Thread(target=to_client, daemon=True)
        back.start()
        with contextlib.suppress(OSError):
            while not self._end.is_set() and (data := client.recv(4096)):
                line.write(b"".join(manager.filter(data)))
                self.baud = line.baudrate
        line.close()
        back.join(5)

    def cut(self) -> None:
        """End the connection that there is."""
        assert self._client is not None
        self._client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._end.set()
        for each in (self._client, self._server):
            with contextlib.suppress(OSError):
                if each is not None:
                    each.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)
