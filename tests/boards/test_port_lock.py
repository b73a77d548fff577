"""A port is one process's at a time, by whatever name, and free again when that process is gone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board, port_lock
from microinterp_boards.port_lock import PortBusyError, PortLock, identity
from microinterp_boards.virtual.registry import directory


@contextmanager
def another_process(port: str) -> Iterator[int]:
    """Gives the number of a process that has the port until then, or until it is killed."""
    is_held, end = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:  # it leaves by _exit alone: nothing of the tests may run in it
        with contextlib.suppress(BaseException):
            os.close(end[1])
            held = PortLock(port)
            os.write(is_held[1], b"1")
            os.read(end[0], 1)
            held.release()
        os._exit(0)
    os.close(end[0])
    os.close(is_held[1])
    assert os.read(is_held[0], 1) == b"1"
    yield child
    os.close(end[1])
    os.close(is_held[0])
    os.waitpid(child, 0)


def locks() -> list[Path]:
    return list(directory().glob("port-*"))


@pytest.mark.parametrize(
    ("one", "other", "platform"),
    [
        ("socket://Lab:2217", "rfc2217://lab:2217?timeout=9", "linux"),
        ("socket://localhost:7", "SOCKET://127.0.0.1:7", "linux"),
        ("socket://[::1]:7", "socket://127.0.0.1:7", "linux"),
        ("com3", "\\\\.\\COM3", "win32"),
        ("/dev/tty.usbmodem1", "/dev/cu.usbmodem1", "darwin"),
        ("/dev/../dev/null", "/dev/null", "linux"),
    ],
)
def test_names_of_one_port(one: str, other: str, platform: str) -> None:
    assert identity(one, platform) == identity(other, platform) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("socket://lab:1", "socket://lab:2"),
        ("socket://lab:1", "socket://lab2:1"),
        ("/dev/tty.usbmodem1", "/dev/cu.usbmodem1"),
        ("/dev/ttyACM0", "/dev/ttyACM1"),
        ("COM3", "com3"),
    ],
)
def test_names_of_two_ports(one: str, other: str) -> None:
    assert identity(one, "linux") != identity(other, "linux")


def test_a_link_and_its_device_are_one_port(tmp_path: Path) -> None:
    device, link = tmp_path / "ttyUSB0", tmp_path / "usb-Pico-if00"
    device.touch()
    link.symlink_to(device.name)
    held = PortLock(str(link))
    with pytest.raises(PortBusyError, match="busy, this process has it open already"):
        PortLock(str(device))
    held.release()
    PortLock(str(device)).release()
    assert locks() == []


def test_the_error_names_the_process() -> None:
    with another_process("socket://lab:1") as child:
        with pytest.raises(PortBusyError) as caught:
            PortLock("rfc2217://lab:1")
        assert f"rfc2217://lab:1: the port is busy, process {child} (" in str(caught.value)
        assert Path(sys.orig_argv[0]).name in caught.value.message
        with pytest.raises(PortBusyError, match=f"process {child}"):
            Board("socket://lab:1")  # it does not even try to connect
        other = PortLock("socket://lab:2")
        other.release()


@pytest.mark.parametrize("told", [b"", b"{", b"[1]", b'{"pid": "x", "program": 1}', b"\xff" * 2000])
def test_a_holder_that_does_not_tell(told: bytes) -> None:
    held = PortLock("socket://lab:3")
    (path,) = locks()
    path.write_bytes(told)
    with pytest.raises(PortBusyError, match=r"^socket://lab:3: the port is busy, another process"):
        PortLock("socket://lab:3")
    held.release()


def test_what_a_holder_tells_is_made_safe() -> None:
    held = PortLock("socket://lab:3")
    (path,) = locks()
    path.write_text(json.dumps({"pid": 7, "program": "\x1b[2J"}))
    with pytest.raises(PortBusyError, match=r"process 7 \(\\x1b\[2J\) has it open"):
        PortLock("socket://lab:3")
    held.release()


def test_a_process_that_was_killed_has_given_it_back() -> None:
    with another_process("socket://lab:4") as child:
        os.kill(child, signal.SIGKILL)
    assert len(locks()) == 1  # its file is still there, and nobody's
    PortLock("socket://lab:4").release()
    assert locks() == []


def test_release_twice_takes_nothing_from_the_next() -> None:
    first = PortLock("socket://lab:5")
    first.release()
    second = PortLock("socket://lab:5")
    first.release()
    with pytest.raises(PortBusyError):
        PortLock("socket://lab:5")
    second.release()


def test_many_who_want_it_have_it_one_after_the_other() -> None:
    """Each removes the file when it gives it back, while others open it."""
    inside, most, taken = 0, 0, 0
    counting = threading.Lock()

    def want() -> None:
        nonlocal inside, most, taken
        mine = 0
        while mine < 100:
            try:
                held = PortLock("socket://lab:6")
            except PortBusyError:
                continue
            with counting:
                inside += 1
                most = max(most, inside)
            time.sleep(0.0005)  # as long as somebody else takes to come in
            with counting:
                inside -= 1
                taken += 1
            held.release()
            mine += 1

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (most, taken) == (1, 400)
    assert locks() == []


def test_a_lost_lock_object_gives_it_back() -> None:
    PortLock("socket://lab:7")
    PortLock("socket://lab:7").release()


def test_a_port_of_one_program_needs_no_lock() -> None:
    first, second = PortLock("loop://"), PortLock("loop://")
    assert locks() == []
    first.release()
    second.release()


def test_a_folder_that_takes_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(port_lock, "directory", lambda: tmp_path / "none")
    with pytest.raises(DeviceError, match=r"cannot lock the port by the file .*none/port-"):
        PortLock("socket://lab:8")


def test_a_port_that_cannot_be_opened_is_not_kept() -> None:
    for port in ("/dev/nowhere", "socket://127.0.0.1:1"):
        for _ in range(2):
            with pytest.raises(DeviceError, match=r"no such port|cannot open"):
                Board(port)
    assert locks() == []


def test_a_board_holds_its_port(port: str) -> None:
    with another_process(port) as child, pytest.raises(PortBusyError, match=f"process {child}"):
        Board(port)
    with Board(port) as board:
        with pytest.raises(PortBusyError, match=f"^{port}: .* this process has it open already"):
            PortLock(port)
        assert board.exec("print(1)") == "1\n"
    PortLock(port).release()
