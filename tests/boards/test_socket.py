"""A board behind a network: socket:// URLs, as bridges and serial servers offer them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board
from tests.boards.remote_ports import Bridge


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
