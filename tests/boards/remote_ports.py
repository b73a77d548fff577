"""A board's port behind TCP servers on 127.0.0.1: a plain bridge, and pyserial's own RFC 2217."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import tty
from abc import ABC, abstractmethod

import serial
from serial.rfc2217 import PortManager


class _Server(ABC):
    """Serves one port to one client after the other.

    Attributes:
        url: where clients connect.
        ending: set when it is closed.
    """

    scheme = ""

    def __init__(self, port: str) -> None:
        self.port = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self._client: socket.socket | None = None
        self.ending = threading.Event()
        self.url = f"{self.scheme}://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self.ending.is_set():
            try:
                self._client, _ = self._server.accept()
            except OSError:
                return
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._client as client:
                self.carry(client)

    @abstractmethod
    def carry(self, client: socket.socket) -> None:
        """Open the port, and carry bytes until the client goes or all ends."""

    def cut(self) -> None:
        """End the connection that there is."""
        assert self._client is not None
        self._client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.ending.set()
        for each in (self._client, self._server):
            with contextlib.suppress(OSError):
                if each is not None:
                    each.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)


class Bridge(_Server):
    """Bytes as they are."""

    scheme = "socket"

    def carry(self, client: socket.socket) -> None:
        board = os.open(self.port, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(board)
        with contextlib.suppress(OSError):
            while not self.ending.is_set():
                ready = select.select([client, board], [], [], 0.05)[0]
                if client in ready:
                    data = client.recv(4096)
                    if not data:
                        break
                    os.write(board, data)
                if board in ready:
                    client.sendall(os.read(board, 4096))
        os.close(board)


class _Pty(serial.Serial):
    """A pseudo-terminal has no modem lines: they are as with nothing connected to them."""

    cts = dsr = ri = cd = False

    def _update_dtr_state(self) -> None:
        pass

    def _update_rts_state(self) -> None:
        pass


class Rfc2217Server(_Server):
    """Bytes and settings of the port; `baud` is what the last client has set."""

    scheme = "rfc2217"
    baud = 0

    def carry(self, client: socket.socket) -> None:
        with _Pty(self.port, timeout=0.02) as line:
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
                while not self.ending.is_set() and line.is_open:
                    if data := line.read(line.in_waiting or 1):
                        with writing:
                            client.sendall(b"".join(manager.escape(data)))

        back = threading.Thread(target=to_client, daemon=True)
        back.start()
        with contextlib.suppress(OSError):
            while not self.ending.is_set() and (data := client.recv(4096)):
                line.write(b"".join(manager.filter(data)))
                self.baud = line.baudrate
        line.close()
        back.join(5)
