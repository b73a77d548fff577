"""Several boards at once: one that fails stops no other, Ctrl-C leaves all with their prompt."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from microinterp_boards import Board, virtual_board
from microinterp_boards.deploy import Progress
from microinterp_boards.fleet.actions import deploy_all, validate_all
from microinterp_boards.fleet.inventory import Entry
from microinterp_boards.fleet.work import on_all
from microinterp_boards.packing import MemoryPasses
from microinterp_boards.port_lock import PortLock
from microinterp_boards.stopping import Stop, check, obeying
from tests.boards.model_boards import MODEL, NAME, change_byte, model_in_use, weight_of
from tests.boards.remote_ports import Rfc2217Server

pytestmark = pytest.mark.usefixtures("interpreter")
SAMPLES = 3
NOWHERE = Entry("gone", "/dev/nowhere")


def silent(name: str, stage: str, done: int, of: int) -> None:
    pass


@pytest.fixture(scope="module")
def fleet() -> Iterator[list[Entry]]:
    """Two boards with the digits model: one here, one behind RFC 2217."""
    with ExitStack() as stack:
        near, far = (stack.enter_context(virtual_board("unix")) for _ in range(2))
        server = Rfc2217Server(far)
        stack.callback(server.close)
        entries = [Entry("near", near), Entry("far", server.url)]
        for done in deploy_all(entries, MODEL):
            assert done.result is not None, done.error
            assert done.result.name == NAME
        yield entries


def test_two_boards_and_one_that_is_not_there(fleet: list[Entry]) -> None:
    told: list[tuple[str, str, int, int]] = []
    near, gone, far = validate_all(
        [fleet[0], NOWHERE, fleet[1]],
        MODEL,
        SAMPLES,
        per_op=True,
        watch=lambda *each: told.append(each),
    )
    for outcome in (near, far):
        done = outcome.result
        assert done is not None
        assert done.equal
        assert (done.samples, done.compared_bytes, done.compared_crcs) == (SAMPLES, 30, 30)
        stages = [each[1:] for each in told if each[0] == outcome.name]
        assert stages[0] == ("open", 0, 1)
        assert [("work", n, SAMPLES) for n in (1, 2, 3)] == stages[2:5]
        assert stages[5:] == [("done", 1, 1)]
    assert (gone.result, gone.port) == (None, "/dev/nowhere")
    assert "there is no such port" in str(gone.error)
    assert ("gone", "failed", 1, 1) in told


def test_a_board_that_differs_stops_no_other(fleet: list[Entry]) -> None:
    with Board(fleet[0].port) as board:
        change_byte(board, weight_of(model_in_use(board), 2))
    near, far = validate_all(fleet, MODEL, SAMPLES)
    assert far.result is not None
    assert far.result.equal
    assert near.result is not None
    assert not near.result.equal
    assert near.result.first_difference is not None
    assert near.result.first_difference.op_index == 2
    assert deploy_all(fleet[:1], MODEL)[0].error is None


def test_boards_are_what_the_inventory_says(fleet: list[Entry]) -> None:
    port = fleet[0].port
    right = Entry("a", port, machine="LINUX", kernels="viper")
    for entry, message in (
        (right, ""),
        (Entry("b", port, machine="Pico"), r"'b' is not the board .* machine = 'Pico'; the board"),
        (Entry("c", port, kernels="armv7em"), r"'c' is not .* kernels = 'armv7em'; it runs viper"),
    ):
        (done,) = on_all([entry], [lambda board, progress: board.exec("print(1)")], silent)
        if message:
            with pytest.raises(type(done.error), match=message):
                raise done.error
        else:
            assert (done.result, done.error) == ("1\n", None)


def test_waiting_for_a_port(fleet: list[Entry]) -> None:
    def work(board: Board, progress: Progress) -> str:
        return board.exec("print(2)")

    held = PortLock(fleet[0].port)
    busy, other = on_all(fleet, [work, work], silent)
    assert "the port is busy, this process has it" in str(busy.error)
    assert other.result == "2\n"
    for _ in range(3):  # a board that has 1 s to answer may come too late on a busy machine
        threading.Timer(0.3, held.release).start()
        (waited,) = on_all(fleet[:1], [work], silent, patience=10)
        assert "busy" not in str(waited.error)
        if waited.error is None:
            break
        held = PortLock(fleet[0].port)
    assert waited.result == "2\n"


def test_an_error_of_ours_is_not_hidden(fleet: list[Entry]) -> None:
    def broken(board: Board, progress: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        on_all(fleet[:1], [broken], silent)


def test_no_boards() -> None:
    assert on_all([], [], silent) == []


CTRL_C = """
import signal, sys, threading
from microinterp_boards.fleet.inventory import Entry
from microinterp_boards.fleet.work import on_all

signal.signal(signal.SIGINT, signal.default_int_handler)
started = threading.Barrier(len(sys.argv), action=lambda: print("works", flush=True))

def busy(board, progress):
    board.link.start("while True: pass")
    started.wait()
    board.link.finish(300)

def sleeping(board, progress):
    started.wait()
    while True:
        progress(0, 1)

entries = [Entry(str(i), port) for i, port in enumerate(sys.argv[1:])]
threading.Thread(target=started.wait, daemon=True).start()
try:
    on_all(entries, [busy, sleeping], lambda *told: None)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_leaves_all_boards_with_their_prompt(fleet: list[Entry]) -> None:
    ports = [entry.port for entry in fleet]
    process = subprocess.Popen(
        [sys.executable, "-c", CTRL_C, *ports], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "works\n"
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[0] == "interrupted\n"
    assert time.monotonic() - pressed < 8
    for port in ports:
        assert at_a_prompt(port)


def at_a_prompt(port: str) -> bool:
    """Whether a board answers in the friendly REPL, without anything that would get it there."""
    import serial

    with serial.serial_for_url(port, timeout=0.3) as line:
        line.write(b"print(6 * 7)\r")
        said = b""
        for _ in range(10):
            said += line.read(200)
            if said.replace(b"\r", b"").endswith(b"\n42\n>>> "):
                return True
    print(said)
    return False


def test_a_stop_is_obeyed_once_and_only_in_its_block() -> None:
    stop = Stop()
    check()
    stop.ask()
    check()
    with obeying(stop):
        with pytest.raises(KeyboardInterrupt):
            check()
        check()
    stop.ask()
    seen: list[Any] = []
    other = threading.Thread(target=lambda: seen.append(check()))
    with obeying(stop):
        other.start()
        other.join()
        assert seen == [None]  # another thread is not asked
        with pytest.raises(KeyboardInterrupt):
            check()


@pytest.mark.slow
def test_boards_of_several_kinds(qemu: None, tmp_path: Path) -> None:
    """One packed model, its layouts for three kinds of kernels made side by side."""
    with ExitStack() as stack:
        options: list[dict[str, Any]] = [{"kind": "unix"}, {"cpu": "m4"}, {"cpu": "m3"}]
        entries = [
            Entry(str(i), stack.enter_context(virtual_board(**{"kind": "qemu", **each})))
            for i, each in enumerate(options)
        ]
        passes = MemoryPasses("overlap")
        done = deploy_all(entries, MODEL, passes=passes)
        assert [each.result and each.result.kernels for each in done] == [
            "viper",
            "armv7em",
            "armv7m",
        ]
        for per_op in (False, True):
            checked = validate_all(entries, MODEL, per_op=per_op, passes=passes)
            assert all(each.result and each.result.equal for each in checked)
