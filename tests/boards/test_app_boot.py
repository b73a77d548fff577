"""main.py on a board, its notes and its start: app/boot.py on a board that is an object."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.app import boot
from microinterp_boards.app.outcome import NAME
from tests.boards.fake_app import MAIN, AppBoard, note


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Any:
    return AppBoard(monkeypatch)


def test_main_is_written_as_a_whole(board: Any) -> None:
    boot.write_main(board)
    assert board.files == {"main.py": MAIN}
    assert board.events == ["piece", "app_main"]
    boot.write_main(board)
    assert board.events == ["piece", "app_main"]  # it is there


def test_main_is_sent_again_until_it_has_arrived(board: Any) -> None:
    board.lost = 2
    boot.write_main(board)
    assert board.files == {"main.py": MAIN}
    assert board.events == ["piece"] * 3 + ["app_main"]


def test_a_main_that_never_arrives(board: Any) -> None:
    board.lost = 99
    with pytest.raises(DeviceError, match=r"main\.py could not be written") as told:
        boot.write_main(board)
    assert told.value.hint == "is the filesystem full?"
    assert board.events == ["piece"] * 4 + ["app_main"]


def test_the_main_of_somebody_else_stays(board: Any) -> None:
    board.files["main.py"] = b"print('mine')\n"
    with pytest.raises(DeviceError, match=r"there is a main\.py on the board already") as told:
        boot.write_main(board)
    assert "save it" in told.value.hint
    assert not boot.remove_main(board)
    assert board.files == {"main.py": b"print('mine')\n"}
    board.files["main.py"] = MAIN
    assert boot.require_own(board)
    assert boot.remove_main(board)
    assert not boot.remove_main(board)
    assert not boot.require_own(board)


def test_the_newer_note_of_two_counts(board: Any) -> None:
    board.notes = [note(4, 7, "crashed", 2), note(5, 7, "running", 1)]
    board.log = "one\r\ntwo\r\n"
    assert boot.notes(board, 7) == (2, 1, "one\ntwo\n")
    board.notes.reverse()
    assert boot.notes(board, 7) == (2, 1, "one\ntwo\n")


def test_a_note_of_another_program_says_nothing_of_this(board: Any) -> None:
    board.notes = [note(4, 7, "crashed", 2), note(5, 8, "running", 1)]
    assert boot.notes(board, 7) == (0, 0, "")


def test_a_note_that_a_power_cut_has_torn_is_none(board: Any) -> None:
    whole = note(5, 7, "given up", 3)
    for torn in (b"", whole[:-1], whole + b"\0", whole[:-1] + b"\xff", b"X" + whole[1:]):
        board.notes = [note(4, 7, "crashed", 2), torn]
        assert boot.notes(board, 7) == (5, 2, "")
    board.notes = [b"", whole]
    assert boot.notes(board, 7) == (6, 3, "")


def test_a_mark_and_a_state_of_another_version(board: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(mark: bytes, state: int) -> bytes:
        told = struct.pack("<4sIIBB2x", mark, 9, 7, state, 1)
        return told + zlib.crc32(told).to_bytes(4, "little")

    board.notes = [other(b"MIA2", 5), note(4, 7, "crashed", 2)]
    assert boot.notes(board, 7) == (5, 2, "")
    board.notes[0] = other(b"MIA1", 7)
    assert boot.notes(board, 7) == (0, 1, "")


@pytest.mark.parametrize("told", [b"", b"..", b"0g...", b"000...", b"....", b"\xff..."])
def test_what_are_no_notes(board: Any, monkeypatch: pytest.MonkeyPatch, told: bytes) -> None:
    monkeypatch.setattr(board, "_app_notes", lambda: told)
    with pytest.raises(DeviceError, match="something else came instead of a program's notes"):
        boot.notes(board, 7)


def test_a_log_is_shown_whatever_is_in_it(board: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "_app_notes", lambda: b"..41ff0d0a.\n")
    assert boot.notes(board, 1) == (0, 0, "A\\xff\n")


@pytest.fixture
def ready(board: Any) -> Any:
    """Everything that a program needs to start is there."""
    board.store.put(NAME, b"print('hello')")
    board.files["main.py"] = MAIN
    return board


def test_a_start_is_tried_again_where_its_greeting_was_damaged(
    ready: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    greetings = iter([b"micro!nterp app: ", b"", ready.greeting])
    booted = ready.boot

    def boots() -> None:
        ready.greeting = next(greetings)
        booted()

    monkeypatch.setattr(ready, "boot", boots)
    boot.start(ready)
    assert ready.events == ["boot"] * 3


def test_a_start_that_never_comes(ready: Any) -> None:
    del ready.files["main.py"]
    with pytest.raises(DeviceError, match="no the program's start within 15 s"):
        boot.start(ready)
    assert ready.events == ["boot"] * 4


def test_a_start_on_a_port_that_is_gone(ready: Any) -> None:
    ready.gone, ready.greeting = True, b""
    with pytest.raises(DeviceError):
        boot.start(ready)
    assert ready.events == ["boot"]


@pytest.mark.parametrize("wait", [0.05, 0.5, 7.0])
def test_what_is_watched_is_what_the_program_does(ready: Any, wait: float) -> None:
    """However long a board needs until it starts it."""
    ready.wait = wait
    boot.start(ready)
    seen = boot.watch(ready, 1.0)
    assert seen == (
        "microinterp app: starts in 40 ms; Ctrl-C stops it\n"
        "microinterp app: the program runs\nhello\n"
    )
    assert ready.now == pytest.approx(wait + 1.0, abs=0.3)  # 16 bytes every 50 ms


def test_a_board_that_says_that_it_does_not_start_it(ready: Any) -> None:
    ready.runs, ready.says = b"microinterp app: not started: it has crashed 3 times\r\n", b""
    boot.start(ready)
    assert boot.watch(ready, 0.0).endswith("it has crashed 3 times\n")
    assert ready.now < 1.0


@pytest.mark.parametrize("wait", [0.5, 1e9], ids=["damaged", "never"])
def test_a_board_whose_word_for_it_does_not_arrive(ready: Any, wait: float) -> None:
    ready.runs, ready.wait = b"microinterp app: the pro!ram runs\r\n", wait
    boot.start(ready)
    boot.watch(ready, 1.0)
    assert ready.now == pytest.approx(15.0, abs=0.051)


def test_of_a_program_that_prints_much_the_end_is_kept(
    ready: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot, "_PRINTED", 16)
    ready.says = b"".join(b"line %d\r\n" % number for number in range(9)) + b"\xfe"
    boot.start(ready)
    assert boot.watch(ready, 1.0) == "ine 7\nline 8\n\\xfe"  # 16 bytes


def test_a_board_forgets_crashes(board: Any) -> None:
    board.notes, board.log = [note(4, 7, "crashed", 2), b""], "ValueError: bad"
    boot.forget_notes(board)
    assert boot.notes(board, 7) == (0, 0, "")


def test_leaving_a_board_does_not_stop_what_runs(board: Any) -> None:
    boot.leave(board)
    assert board.gone
    assert board.events == ["close"]
