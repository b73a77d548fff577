"""A program into a board's other slot, app/commit.py, on a board that is an object."""

from __future__ import annotations

from typing import Any

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.app.commit import Commit, in_session
from microinterp_boards.app.outcome import NAME
from microinterp_boards.framed.client import Refusal
from microinterp_boards.framed.exchange import RefusedError
from microinterp_boards.store.requests import Place, SelfTest
from microinterp_boards.store.sign import signature
from tests.boards.fake_app import AppBoard, program
from tests.boards.fake_store import failing, refused

OLD, NEW = program("print('old')\n"), program("print('new')\n")
KEY = bytes(range(32))
FULL = refused(Refusal.OUT_OF_MEMORY, "memory allocation failed")


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Any:
    return AppBoard(monkeypatch)


def commit(
    board: Any, text: Any = NEW, version: int | None = None, key: bytes | None = None
) -> Commit:
    return Commit(board, text, version, key)


def fails(board: Any, text: Any = NEW) -> DeviceError:
    with pytest.raises(DeviceError) as told:
        commit(board, text).stage()
    return told.value


def test_a_session_that_breaks_is_begun_again(board: Any) -> None:
    board.breaks = failing_sessions(1, 2, 3, 4)
    assert in_session(board, lambda store: store.files(Place.MODELS)) == {}
    assert board.sessions == 5


def test_a_line_that_breaks_for_ever(board: Any) -> None:
    board.breaks = failing_sessions(*range(1, 99))
    with pytest.raises(DeviceError, match="session 5 broke"):
        in_session(board, lambda store: None)
    assert board.sessions == 5


def test_a_port_that_is_gone_is_not_tried_again(board: Any) -> None:
    board.breaks, board.gone = failing_sessions(1), True
    with pytest.raises(DeviceError, match="session 1 broke"):
        in_session(board, lambda store: None)


def test_a_refusal_is_an_answer(board: Any) -> None:
    board.store.fail = failing("files", refused(Refusal.SIGNATURE, "no"))
    with pytest.raises(RefusedError):
        in_session(board, lambda store: store.files(Place.MODELS))
    assert board.sessions == 1


def failing_sessions(*numbers: int) -> Any:
    def breaks(number: int) -> None:
        if number in numbers:
            raise DeviceError(f"session {number} broke")

    return breaks


def test_staging_leaves_in_use_what_is(board: Any) -> None:
    board.store.put(NAME, OLD.text)
    kept = commit(board).stage()
    assert (kept.generation, kept.slot) == (1, "a")
    assert board.in_use == OLD.text
    assert board.store.of("test") == [(NAME,)]
    assert board.store.count("switch") == 0


def test_switching_sends_nothing_again(board: Any) -> None:
    step = commit(board)
    step.stage()
    board.store.calls.clear()
    kept = step.switch()
    assert (kept.generation, kept.slot) == (1, "a")
    assert board.in_use == NEW.text
    assert board.store.count("send") == 0
    assert board.store.of("switch") == [(NAME, False)]


def test_what_is_in_use_is_left_alone(board: Any) -> None:
    board.store.put(NAME, NEW.text, version=3)
    for version in (None, 3):
        assert commit(board, version=version).switch().generation == 1
    assert board.store.count("open") == 0
    assert commit(board, version=4).switch().generation == 2
    in_use = board.store.models[NAME].in_use
    assert in_use.version == 4


@pytest.mark.parametrize(("asked", "got"), [(None, 7), (9, 9), (0, 0)])
def test_the_version_is_that_of_the_program_before_unless_asked(
    board: Any, asked: int | None, got: int
) -> None:
    board.store.put(NAME, OLD.text, version=7)
    assert commit(board, version=asked).switch().in_use.version == got  # type: ignore[union-attr]


def test_the_first_program_has_version_0(board: Any) -> None:
    assert commit(board).switch().in_use.version == 0  # type: ignore[union-attr]


def test_a_program_is_signed_for_the_slot_it_goes_to(board: Any) -> None:
    board.store.put(NAME, OLD.text, version=7)
    commit(board, version=8, key=KEY).stage()
    wanted = signature(KEY, Place.MODELS, "b", NAME, 8, NEW.text)
    assert board.store.of("verify") == [(8, wanted)]


def test_without_a_key_nothing_is_signed(board: Any) -> None:
    commit(board).stage()
    assert board.store.of("verify") == [(0, b"")]


def test_a_program_that_does_not_compile(board: Any) -> None:
    trace = 'Traceback:\n  File "app.py", line 12\nSyntaxError: invalid syntax'
    board.store.outcome = SelfTest(False, 0, 0, 0, 0, 0, trace)
    error = fails(board)
    assert error.message == (
        "fake: the board does not take the program 'main.py': line 12: SyntaxError: invalid syntax"
    )
    assert ".mpy modules" in error.hint
    assert board.store.count("switch") == 0


def test_why_a_board_does_not_take_a_program_that_names_no_line(board: Any) -> None:
    board.store.outcome = SelfTest(False, 0, 0, 0, 0, 0, "MemoryError: \x1b[2J")
    assert fails(board).message.endswith("'main.py': MemoryError: \\x1b[2J")


def test_where_the_service_leaves_no_memory_the_host_has_it_compiled(board: Any) -> None:
    board.store.put(NAME, OLD.text)
    board.store.fail = failing("test", FULL, times=9)
    step = commit(board)
    step.stage()
    assert board.events == ["soft reset", "app_compile"]
    assert board.store.count("test") == 1  # nothing is asked twice that is known
    assert step.switch().generation == 2
    assert board.store.of("switch") == [(NAME, True)]
    assert board.events == ["soft reset", "app_compile"]


def test_it_is_put_to_use_once_the_host_has_had_it_compiled(board: Any) -> None:
    board.store.fail = failing("test", FULL)
    assert commit(board).switch().generation == 1
    assert board.in_use == NEW.text
    assert board.store.of("switch") == [(NAME, True)]


def test_a_program_that_does_not_compile_on_the_host_s_word(board: Any) -> None:
    board.store.fail = failing("test", FULL)
    error = fails(board, program("match x:\n", "wrong.py"))
    assert error.message == (
        "fake: the board does not take the program 'wrong.py': fake: the board raised SyntaxError:"
        " invalid syntax"
    )
    assert board.store.count("switch") == 0


@pytest.mark.parametrize(
    ("asked", "error", "told", "hint"),
    [
        ("verify", refused(Refusal.SIGNATURE, "it is not signed"), "takes only what is", "--key"),
        ("verify", refused(Refusal.VERSION, "2 is lower than 3"), "does not go back", "--version"),
        ("open", refused(Refusal.OS_ERROR, "28"), "the filesystem is full", "files"),
        ("open", refused(Refusal.OS_ERROR, "no number"), "no number", ""),
        ("test", refused(Refusal.NOT_ANNOUNCED, "late"), "fake: the board refuses: late", ""),
    ],
)
def test_what_a_refusal_means(
    board: Any, asked: str, error: RefusedError, told: str, hint: str
) -> None:
    board.store.fail = failing(asked, error, times=9)
    found = fails(board)
    assert told in found.message
    assert hint in found.hint
    assert bool(hint) == bool(found.hint)
    assert board.sessions == 1
