"""Boards behind a network: RFC 2217, and what is said of connections that fail or are lost."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board
from tests.boards.remote_ports import Rfc2217Server


@pytest.fixture
def server(port: str) -> Iterator[Rfc2217Server]:
    server = Rfc2217Server(port)
    yield server
    server.close()


def test_a_board_behind_rfc2217(server: Rfc2217Server) -> None:
    data = random.Random(4).randbytes(10_000)  # 0xff, telnet's own byte, too
    with Board(server.url, baud=57600) as board:
        assert server.baud == 57600
        board.files.put("a", data)
        assert board.files.get("a") == data
        with pytest.raises(DeviceError, match="ZeroDivisionError"):
            board.exec("1 // 0")


def test_a_connection_that_is_cut(server: Rfc2217Server) -> None:
    with Board(server.url) as board:
        started = time.monotonic()
        with pytest.raises(DeviceError, match=r"rfc2217://127.*the port is gone") as caught:
            board.files.put("a", bytes(50_000), lambda done: server.cut() if done > 999 else None)
        assert "tunnel" in caught.value.hint
        assert time.monotonic() - started < 5
        with pytest.raises(DeviceError, match="the port is gone"):
            board.exec("print(1)")
    with Board(server.url) as board:
        assert board.exec("print(1)") == "1\n"


@pytest.mark.parametrize("scheme", ["socket", "rfc2217"])
def test_nobody_listens(scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:1"
    with pytest.raises(DeviceError, match=rf"^{url}: cannot open the port: .*refused") as caught:
        Board(url)
    assert "docs/fleet.md" in caught.value.hint


@pytest.mark.parametrize(
    "url", ["rfc2217://", "socket://127.0.0.1", "RFC2217://127.0.0.1:x", "socket://h:70000"]
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(DeviceError, match="a host or its port's number is missing") as caught:
        Board(url)
    assert caught.value.hint.startswith(f"wanted {url.partition(':')[0].lower()}://HOST:NUMBER")


@contextlib.contextmanager
def listener(answer: bytes) -> Iterator[int]:
    """Something on 127.0.0.1 that answers each client the same, and keeps the connection."""
    clients: list[socket.socket] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                clients.append(server.accept()[0])
                clients[-1].sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
    for each in clients:
        each.close()


def test_what_listens_does_not_speak_rfc2217() -> None:
    with listener(b"login: ") as number:
        with pytest.raises(DeviceError, match="there does not speak RFC 2217") as caught:
            Board(f"rfc2217://127.0.0.1:{number}?timeout=0.3")
        assert f"socket://127.0.0.1:{number}" in caught.value.hint


def test_a_silent_board_behind_a_network() -> None:
    with (
        listener(b"") as number,
        pytest.raises(DeviceError, match=r"answers within 0\.3 s"),
    ):
        Board(f"socket://127.0.0.1:{number}", patience=0.3)
