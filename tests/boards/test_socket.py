"""A board behind a network: socket:// URLs, as bridges and serial servers offer them."""

from __future__ import annotations

import os
import random
import select
import socket
import threading
import tty
from collections.abc import Iterator

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board


class Bridge:
    """Serves one board to one TCP client after the other."""

    def __init__(self, port: str) -> None:
        self._port = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self._end = threading.Event()
        self._client: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.url = f"socket://127.0.0.1:{self._server.getsockname()[1]}"

    def _serve(self) -> None:
        while not self._end.is_set():
            try:
                self._client, _ = self._server.accept()
            except OSError:
                return
            board = os.open(self._port, os.O_RDWR | os.O_NOCTTY)
            tty.setraw(board)
            with self._client:
                self._carry(self._client, board)
            os.close(board)

    def _carry(self, client: socket.socket, board: int) -> None:
        while not self._end.is_set():
            ready = select.select([client, board], [], [], 0.05)[0]
            try:
                if client in ready:
                    data = client.recv(4096)
                    if not data:
                        return
                    os.write(board, data)
                if board in ready:
                    client.sendall(os.read(board, 4096))
            except OSError:
                return

    def cut(self) -> None:
        assert self._client is not None
        self._client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._end.set()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)


@pytest.fixture
def bridge(port: str) -> Iterator[Bridge]:
    bridge = Bridge(port)
    yield bridge
    bridge.close()


def test_a_board_behind_a_socket(bridge: Bridge) -> None:
    data = random.Random(2).randbytes(50_000)
    for count in range(2):
        with Board(bridge.url) as board:
            assert board.exec(f"print({count})") == f"{count}\n"
            board.files.put("a", data)
            assert board.files.get("a") == data
            assert board.probe().implementation == "micropython"
            with pytest.raises(DeviceError, match="ZeroDivisionError"):
                board.exec("1 // 0")


def test_a_connection_that_is_cut(bridge: Bridge) -> None:
    with Board(bridge.url) as board:
        with pytest.raises(DeviceError, match=r"127\.0\.0\.1.*the port is gone"):
            board.files.put("a", bytes(200_000), lambda done: bridge.cut() if done > 9999 else None)
        with pytest.raises(DeviceError, match="the port is gone"):
            board.exec("print(1)")
    with Board(bridge.url) as board:
        assert board.exec("print(1)") == "1\n"
