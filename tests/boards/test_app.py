"""Programs on a board: deployed, tried, started at boot, taken back, stopped, removed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from microinterp.errors import DeviceError, InputError
from microinterp_boards import Board, virtual_board
from microinterp_boards.app.boot import MAIN
from microinterp_boards.packing import pack_for_board
from tests.boards.conftest import wait_for
from tests.boards.model_boards import LARGE_HEAP, MODEL, NAME, needs_viper
from tests.boards.tiny_models import dense_model
from tests.cli import call, good, good_json, refused

pytestmark = [pytest.mark.usefixtures("interpreter"), needs_viper]

WATCH = 0.3
TICKS = """
import time
from microinterp import app, models
it = models.load({name!r})
for n in range(10**9):
    print("{mark}", n, len(it.get_output(0)))
    app.alive()
    time.sleep_ms(50)
"""
STUBBORN = {
    "tight": "while True:\n    pass\n",
    "prints": "while True:\n    print('on and on')\n",
    "broad": "while True:\n    try:\n        1 // 0\n    except Exception:\n        pass\n",
    "sleeps": "import time\nwhile True:\n    time.sleep(100)\n",
    "reads": "import sys\nwhile True:\n    sys.stdin.read(1)\n",
}


def program(folder: Path, text: str, name: str = "main.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def ticks(folder: Path, mark: str, name: str = NAME) -> Path:
    return program(folder, TICKS.format(name=name, mark=mark), f"{mark}.py")


def hears(port: str, wanted: str, seconds: float = 10.0) -> str:
    """What a terminal sees until `wanted` has come; nothing is typed."""
    with serial.Serial(port, timeout=0.05) as line:
        seen, deadline = "", time.monotonic() + seconds
        while wanted not in seen:
            assert time.monotonic() < deadline, seen
            seen += line.read(4096).decode(errors="replace")
    return seen


def wait_until_it_runs(files: Path) -> None:
    """Until the board has noted the start of its program; nothing is typed."""
    assert wait_for(lambda: any(files.glob("models/.app.[01]")), 20)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The board's filesystem, as the host sees it."""
    return tmp_path / "board"


@pytest.fixture
def port(files: Path) -> Iterator[str]:
    with virtual_board("unix", heap=LARGE_HEAP, folder=files) as port:
        yield port


def test_a_program_runs_from_its_deployment_on_and_from_each_boot(
    port: str, files: Path, tmp_path: Path
) -> None:
    with Board(port, patience=5) as board:
        done = board.deploy(MODEL, app=ticks(tmp_path, "first"), watch=WATCH)
        assert done.app is not None
        assert (done.app.path, done.app.generation, done.app.was_there) == (
            "models/app.py.a",
            1,
            False,
        )
        assert "Ctrl-C stops it\nmicrointerp app: the program runs\nfirst 0" in done.app.printed
    assert (files / done.app.path).read_text() == TICKS.format(name=NAME, mark="first")
    hears(port, "first 3")
    with Board(port, patience=5) as board:  # opening the port has stopped it
        state = board.app()
        assert (state.state, state.crashes, state.boots) == ("stopped", 0, True)
        assert [each.name for each in board.models()] == [NAME]
        again = board.deploy(MODEL, app=ticks(tmp_path, "first"), watch=WATCH)
        assert again.app is not None
        assert again.app.was_there
        assert again.sent_bytes == 0
    with virtual_board("unix", heap=LARGE_HEAP, folder=files) as other:  # power came
        hears(other, "first 3")
    with Board(port, patience=5) as board:
        board.start_app()
    hears(port, "first 3")


def test_one_that_crashes_is_taken_back_with_its_model(port: str, tmp_path: Path) -> None:
    old, new = dense_model((16, 4), 1), dense_model((16, 4), 2)
    with Board(port, patience=5) as board:
        board.deploy(old, "net", app=ticks(tmp_path, "old", "net"), watch=WATCH)
    crash = program(tmp_path, "print('new')\nimport no_such_module\n")
    with (
        Board(port, patience=5) as board,
        pytest.raises(DeviceError, match="the program before runs again") as told,
    ):
        board.deploy(new, "net", app=crash, watch=WATCH)
    assert "the model 'net' is again the one before" in told.value.message
    assert 'models/app.py.b", line 2' in told.value.message
    assert "ImportError: no module named 'no_such_module'" in told.value.message
    hears(port, "old 1")
    with Board(port, patience=5) as board:
        assert board.app().path == "models/app.py.a"
        (kept,) = board.models()
        assert (kept.generation, kept.slot) == (3, "a")
        in_use = pack_for_board(old, "net").packed
        assert kept.in_use is not None
        assert kept.in_use.size == len(in_use)


@pytest.mark.slow
def test_a_first_one_that_crashes_leaves_a_board_that_boots_to_its_prompt(
    port: str, files: Path, tmp_path: Path
) -> None:
    with (
        Board(port, patience=5) as board,
        pytest.raises(DeviceError, match=r"the program crashed; it was removed\n"),
    ):
        board.deploy(MODEL, app=program(tmp_path, "raise OSError(5)\n"), watch=WATCH)
    assert not (files / MAIN).exists()
    assert not list(files.glob("models/*app*"))
    with Board(port, patience=5) as board:
        assert board.app().path == ""
        board.deploy(MODEL, app=program(tmp_path, "print('well')\n"), watch=WATCH)
    hears(port, "the program has ended")
    with Board(port, patience=5) as board:
        assert (board.app().state, board.app().crashes) == ("ended", 0)


@pytest.mark.slow
def test_what_the_board_cannot_compile_changes_nothing(port: str, tmp_path: Path) -> None:
    with Board(port, patience=5) as board:
        board.deploy(MODEL, app=ticks(tmp_path, "old"), watch=WATCH)
    text = "x = 1\nmatch x:\n    case 1:\n        pass\n"
    with (
        Board(port, patience=5) as board,
        pytest.raises(DeviceError, match=r"main\.py': line 2: SyntaxError: invalid syntax"),
    ):
        board.deploy(dense_model((16, 4)), NAME, app=program(tmp_path, text), watch=WATCH)
    hears(port, "old 1")
    with Board(port, patience=5) as board:
        (kept,) = board.models()
        assert kept.generation == board.app().generation == 1
    with Board(port, patience=5) as board, pytest.raises(InputError, match="line 1"):
        board.deploy(MODEL, app=program(tmp_path, "x = (\n"))


def test_a_main_py_of_the_user_stays(port: str, files: Path, tmp_path: Path) -> None:
    (files / MAIN).write_text("print('mine')\n")
    with Board(port, patience=5) as board:
        with pytest.raises(DeviceError, match=r"there is a main\.py on the board already"):
            board.deploy(MODEL, app=ticks(tmp_path, "new"))
        assert not board.remove_app()
        with pytest.raises(DeviceError, match="no program to start"):
            board.start_app()
    assert (files / MAIN).read_text() == "print('mine')\n"
    assert not (files / "models").exists()


@pytest.mark.slow
def test_crashes_in_the_field_end_at_the_prompt(port: str, tmp_path: Path) -> None:
    """It lives through its trial, and then no more: three starts, and the host is let in."""
    later = "import time\ntime.sleep_ms(700)\nraise ValueError('the sensor is gone')\n"
    with Board(port, patience=5) as board:
        board.deploy(MODEL, app=program(tmp_path, later), watch=WATCH)
    seen = hears(port, "not started again", 20)
    assert re.findall(r"crash (\d) of 3", seen) == ["1", "2", "3"]
    assert seen.count("MPY: soft reboot") == 2
    with Board(port, patience=5) as board:
        state = board.app()
        assert (state.state, state.crashes) == ("given up", 3)
        assert 'models/app.py.a", line 3' in state.log
        assert state.log.endswith("ValueError: the sensor is gone\n")
        board.start_app()
    hears(port, "crash 1 of 3")


@pytest.mark.slow
def test_the_command(port: str, tmp_path: Path) -> None:
    one, two = ticks(tmp_path, "one"), ticks(tmp_path, "two")
    assert "no program" in call("board", "app", port).stderr
    assert "no program to start" in refused("board", "app", port, "--start")
    assert "stays what it is" in refused("board", "app", port, "--back")
    assert "do not go together" in refused("board", "app", port, "--back", "--start")
    assert "No such file" in refused("board", "deploy", MODEL, "-p", port, "--app", "nowhere.py")
    assert "one board at a time" in refused("board", "deploy", MODEL, "--all", "--app", one)
    said = good("board", "deploy", MODEL, "-p", port, "--app", one, "--watch", WATCH)
    assert re.search(r"\napp +models/app.py.a: \d+ bytes, version 0; it runs\n", said)
    assert "\n  one 0 10\n" in said
    done = good_json(
        "board", "deploy", MODEL, "-p", port, "--app", two, "--watch", WATCH, "--version", 4
    )
    assert (done["app"]["path"], done["app"]["version"]) == ("models/app.py.b", 4)
    said = good("board", "app", port)
    assert "at boot    main.py starts it\n" in said
    assert "before     --back takes the program before\n" in said
    state = good_json("board", "app", port, "--back")
    assert (state["path"], state["version"], state["generation"]) == ("models/app.py.a", 0, 3)
    hears(port, "one 1")
    assert good("board", "app", port, "--remove") == "removed\n"
    assert good("board", "app", port, "--remove") == "there was none\n"


@pytest.mark.slow
def test_a_host_always_gets_in(port: str, files: Path, tmp_path: Path) -> None:
    for text in STUBBORN.values():
        with Board(port, patience=5) as board:
            board.deploy(MODEL, app=program(tmp_path, text), watch=0)
        wait_until_it_runs(files)
        began = time.monotonic()
        with Board(port, patience=10) as board:
            assert time.monotonic() - began < 5
            assert board.app().state == "stopped"


@pytest.mark.thorough
def test_one_that_cannot_be_stopped_is_caught_before_it_starts(port: str, tmp_path: Path) -> None:
    """A board that was made deaf by other means gives the host its time at each boot."""
    deaf = "import micropython\ngetattr(micropython, 'kbd_' + 'intr')(-1)\nwhile True: pass\n"
    with (
        Board(port, patience=2) as board,
        pytest.raises(DeviceError, match="reset the board while this runs"),
    ):
        board.deploy(MODEL, app=program(tmp_path, deaf), watch=WATCH)


@pytest.mark.slow
def test_a_full_filesystem(tmp_path: Path) -> None:
    """Refused with the program before still in use, and running."""
    long = TICKS.format(name="net", mark="long") + "#" * 60_000 + "\n"
    with virtual_board("unix", heap=LARGE_HEAP, flash=320 * 1024) as port:
        with Board(port, patience=5) as board:
            model = dense_model((16, 4))
            board.deploy(model, "net", app=ticks(tmp_path, "old", "net"), watch=WATCH)
        with Board(port, patience=5) as board:
            free = board.files.room().free
            assert free is not None
            if free > 24_000:
                board.files.put("ballast", bytes(free - 20_000))
            with pytest.raises(DeviceError, match="the filesystem is full"):
                board.deploy(model, "net", app=program(tmp_path, long), watch=WATCH)
        hears(port, "old 1")


@pytest.mark.slow
def test_through_a_bad_line(tmp_path: Path) -> None:
    """What runs in the end is the program that was sent, whatever the line did on the way."""
    with virtual_board(
        "unix",
        heap=LARGE_HEAP,
        folder=tmp_path / "b",
        faults="flip=0.0001,drop=0.00005,stall=0.0001:0.2,ctrl-c,seed=5",
    ) as port:
        for mark in ("one", "two"):
            path = ticks(tmp_path, mark)
            with Board(port, patience=15) as board:
                done = board.deploy(MODEL, app=path, watch=WATCH)
            assert done.app is not None
            assert (tmp_path / "b" / done.app.path).read_bytes() == path.read_bytes()
    with virtual_board("unix", heap=LARGE_HEAP, folder=tmp_path / "b") as port:
        hears(port, "two 1")
