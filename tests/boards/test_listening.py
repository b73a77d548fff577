"""Nothing of ours can be reached from a network: virtual boards are pseudo-terminals alone."""

from __future__ import annotations

import os
import re

import psutil
import pytest

from microinterp_boards import Board, virtual_board
from microinterp_boards.virtual.registry import running_boards
from tests.boards.conftest import family
from tests.boards.unix_port import ROOT

LISTENS = re.compile(
    r"create_server|\.listen\(|\.bind\(\(|HTTPServer|TCPServer|start_server|-gdb\b"
)


def sockets(pid: int) -> list[str]:
    """Internet sockets of a process and all that it has started."""
    found = [psutil.Process(each).net_connections(kind="inet") for each in family(pid)]
    return [str(each.laddr) for connections in found for each in connections]


@pytest.mark.parametrize("kind", ["unix", pytest.param("qemu", marks=pytest.mark.slow)])
def test_virtual_boards_open_no_socket(kind: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("interpreter" if kind == "unix" else "qemu")
    with virtual_board(kind) as port, Board(port) as board:
        assert board.exec("print(1)") == "1\n"
        (relay,) = (each.pid for each in running_boards() if each.port == port)
        assert len(family(relay)) >= 2  # the relay, and the interpreter or QEMU
        assert sockets(relay) == []


def test_a_socket_would_be_seen() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        assert any(str(server.getsockname()[1]) in each for each in sockets(os.getpid()))


def test_no_code_of_ours_listens() -> None:
    """Whoever adds a server gives it an option --listen, 127.0.0.1 without it, and a line here."""
    sources = [
        path
        for folder in ("microinterp", "host_tools")
        for path in (ROOT / folder).rglob("*.py")
        if LISTENS.search(path.read_text())
    ]
    assert sources == []
