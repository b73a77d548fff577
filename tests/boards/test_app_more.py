"""Programs on boards that are signed, small, deaf, or uninstalled."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from microinterp.errors import DeviceError
from microinterp_boards import Board, virtual_board
from microinterp_boards.app.boot import MAIN
from microinterp_boards.framed.client import Refusal, RefusedError
from microinterp_boards.store.requests import Requests, SelfTest
from tests.boards.model_boards import LARGE_HEAP, MODEL, needs_viper
from tests.boards.test_app import STUBBORN, WATCH, hears, program, ticks, wait_until_it_runs
from tests.cli import call
from tests.marks import slow, thorough

pytestmark = [pytest.mark.usefixtures("interpreter"), needs_viper]

KEY = bytes(range(32))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return tmp_path / "board"


@pytest.fixture
def port(files: Path) -> Iterator[str]:
    with virtual_board("unix", heap=LARGE_HEAP, folder=files) as port:
        yield port


@pytest.mark.slow
def test_a_board_with_a_key_takes_signed_programs_only(port: str, tmp_path: Path) -> None:
    old, new = ticks(tmp_path, "old"), ticks(tmp_path, "new")
    with Board(port, patience=5) as board:
        board.set_key(KEY)
        with pytest.raises(DeviceError, match="takes only what is signed: it is not signed"):
            board.deploy(MODEL, app=old, watch=WATCH)
        with pytest.raises(DeviceError, match="the signature is wrong"):
            board.deploy(MODEL, app=old, key=bytes(32), watch=WATCH)
        board.deploy(MODEL, app=old, key=KEY, version=3, watch=WATCH)
    with (
        Board(port, patience=5) as board,
        pytest.raises(DeviceError, match="does not go back to an older program"),
    ):
        board.deploy(MODEL, app=new, key=KEY, version=2, watch=WATCH)
    hears(port, "old 1")
    with Board(port, patience=5) as board:
        done = board.deploy(MODEL, app=new, key=KEY, version=4, watch=WATCH)
        assert done.app is not None
        assert done.app.version == 4
    with (
        Board(port, patience=5) as board,
        pytest.raises(DeviceError, match="the program stays what it is: version 3 is lower than 4"),
    ):
        board.back_app()


@pytest.mark.slow
def test_without_memory_beside_the_service_the_host_compiles(
    port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = Requests.test

    def short(self: Requests, name: str) -> SelfTest:
        if name.endswith(".py"):
            raise RefusedError(Refusal.OUT_OF_MEMORY, "too long", "memory allocation failed")
        return test(self, name)

    monkeypatch.setattr(Requests, "test", short)
    with Board(port, patience=5) as board:
        board.deploy(MODEL, app=ticks(tmp_path, "one"), watch=WATCH)
    hears(port, "one 1")
    wrong = program(tmp_path, "async with x as y:\n    pass\nmatch x:\n    case 1:\n        pass\n")
    with (
        Board(port, patience=5) as board,
        pytest.raises(DeviceError, match=r"does not take the program .*SyntaxError"),
    ):
        board.deploy(MODEL, app=wrong, watch=WATCH)
    hears(port, "one 1")


@pytest.mark.slow
def test_a_program_that_does_not_fit_into_the_heap(tmp_path: Path) -> None:
    text = "".join(f"x{i} = [{i}, {i + 1}, {i + 2}]\n" for i in range(1800))
    with (
        virtual_board("unix", heap=128 * 1024, folder=tmp_path / "b") as port,
        Board(port, patience=5) as board,
        pytest.raises(DeviceError, match=r"does not take the program .*MemoryError") as told,
    ):
        board.deploy(MODEL, app=program(tmp_path, text), watch=WATCH)
    assert ".mpy modules" in told.value.hint
    assert not (tmp_path / "b" / MAIN).exists()


@pytest.mark.parametrize("kind", [slow("prints"), thorough("tight"), thorough("sleeps")])
def test_ctrl_c_from_a_terminal(port: str, files: Path, tmp_path: Path, kind: str) -> None:
    with Board(port, patience=5) as board:
        board.deploy(MODEL, app=program(tmp_path, STUBBORN[kind]), watch=WATCH)
    wait_until_it_runs(files)
    began = time.monotonic()
    with serial.Serial(port, timeout=0.05) as line:
        line.write(b"\x03")
        seen = b""
        while not seen.endswith(b">>> ") and time.monotonic() < began + 5:
            seen = (seen + line.read(4096))[-4096:]
        assert b"KeyboardInterrupt" in seen
    assert time.monotonic() < began + 5


@pytest.mark.slow
def test_a_deaf_board_is_entered_while_it_boots(port: str, files: Path, tmp_path: Path) -> None:
    """The text of the program was changed on the board, so that no Ctrl-C reaches it."""
    with Board(port, patience=5) as board:
        done = board.deploy(MODEL, app=ticks(tmp_path, "old"), watch=WATCH)
        assert done.app is not None
    with Board(port, patience=5):  # stops it
        for note in files.glob("models/.app.[01]"):
            note.unlink()
    (files / done.app.path).write_text(
        "import micropython\nmicropython.kbd_intr(-1)\nwhile True:\n    pass\n"
    )
    with virtual_board("unix", heap=LARGE_HEAP, folder=files) as deaf:
        wait_until_it_runs(files)
        with pytest.raises(DeviceError, match="reset the board while this runs"):
            Board(deaf, patience=2)
    with virtual_board("unix", heap=LARGE_HEAP, folder=files, faults="reset-on-open") as resets:
        with Board(resets, patience=10) as board:
            assert board.remove_app()
        with Board(resets, patience=5) as board:
            assert board.app().path == ""


@pytest.mark.slow
def test_uninstall_takes_it_away_and_deploy_tells_that_it_stopped(
    port: str, files: Path, tmp_path: Path
) -> None:
    with Board(port, patience=5) as board:
        board.deploy(MODEL, app=program(tmp_path, "print(1)\n"), watch=0)
    said = call("board", "deploy", MODEL, "--port", port)
    assert (
        "the board's program is stopped: `microinterp board app --start` starts it" in said.stderr
    )
    with Board(port, patience=5) as board:
        assert board.uninstall()[0] == MAIN
    assert not [path for path in files.rglob("*") if path.is_file()]


@pytest.mark.thorough
def test_a_board_that_dies_on_the_way_runs_the_old_program_or_the_new(tmp_path: Path) -> None:
    """Whole, whenever it dies; and the same deployment then comes to its end."""
    folder, seen = tmp_path / "b", set()
    old, new = ticks(tmp_path, "old"), ticks(tmp_path, "new")
    for point in (9000, 15000, 20300, 22000):
        with (
            virtual_board("unix", heap=LARGE_HEAP, folder=folder) as port,
            Board(port, patience=5) as board,
        ):
            board.deploy(MODEL, app=old, watch=0)
        with (
            virtual_board("unix", heap=LARGE_HEAP, folder=folder, faults=f"die-at={point}") as port,
            contextlib.suppress(DeviceError),
            Board(port, patience=5) as board,
        ):
            board.deploy(MODEL, app=new, watch=0)
        with virtual_board("unix", heap=LARGE_HEAP, folder=folder) as port:
            told = hears(port, " 2 10\n")
            (mark,) = set(re.findall(r"^(\w+) \d+ 10$", told, re.MULTILINE))
            seen.add(mark)
            with Board(port, patience=5) as board:
                board.deploy(MODEL, app=new, watch=0)
            hears(port, "new 1")
    assert seen == {"old", "new"}


@pytest.mark.parametrize("kind", ["unix", slow("qemu")])
def test_a_main_py_that_exits_is_a_soft_reset(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """As on hardware; virtual boards did not always."""
    if kind == "qemu":
        request.getfixturevalue("qemu")
    main = (
        b"with open('starts', 'a') as file: file.write('x')\n"
        b"n = len(open('starts').read())\nprint('start', n)\nif n < 3: raise SystemExit\n"
    )
    with virtual_board(kind) as port, Board(port, patience=5) as board:
        board.files.put(MAIN, main)
        board.link.boot()
        seen = board.link.transport.read_until(b"start 3", 10, "three starts")
    assert seen.count(b"soft reboot") == 3


@pytest.mark.slow
def test_a_hang_that_the_watchdog_ends_is_a_crash(port: str, files: Path, tmp_path: Path) -> None:
    """A life that ends from outside, as by the watchdog: at its trial, and later."""
    bitten = "import os, time\ntime.sleep_ms({})\nos.system('kill -9 $PPID')\n"
    with Board(port, patience=5) as board:
        board.deploy(MODEL, app=ticks(tmp_path, "old"), watch=0)
    with (
        Board(port, patience=5) as board,
        pytest.raises(DeviceError, match="no traceback: the board was reset while it ran"),
    ):
        board.deploy(MODEL, app=program(tmp_path, bitten.format(50)), watch=0.5)
    hears(port, "old 1")
    with Board(port, patience=5) as board:
        state = board.app()
        assert state.path == "models/app.py.a"
        board.start_app()
    (files / "models" / "app.py.a").write_text(bitten.format(50))
    with virtual_board("unix", heap=LARGE_HEAP, folder=files) as other:
        seen = hears(other, "not started: it has crashed 3 times in a row", 20)
        assert seen.count("starts in 2000 ms") >= 2
        with Board(other, patience=5) as board:
            assert (board.app().state, board.app().crashes) == ("given up", 3)
