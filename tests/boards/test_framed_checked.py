"""Code for the raw REPL that runs whole or not at all, and answers that are whole or ignored."""

from __future__ import annotations

import contextlib
import random
import re
import warnings
import zlib
from pathlib import Path

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board, checked, virtual_board
from microinterp_boards.link import Link
from tests.boards.conftest import Terminal
from tests.clock import quickest

CODE = b"done.append('x' * 7)\n"


def effect_of(text: bytes) -> list[str]:
    """What guarded code, here in CPython, has done; nothing where it failed."""
    done: list[str] = []
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(text.replace(b"exec(_m,{})", b"exec(_m,{'done':done})"), {"done": done})
    return done


def test_code_that_is_damaged_does_nothing() -> None:
    text = checked.guarded(CODE)
    assert effect_of(text) == ["x" * 7]
    draw = random.Random(2)
    whole = 0
    damaged = [
        text[:at] + bytes([text[at] ^ 1 << bit]) + text[at + 1 :]
        for at in range(len(text))
        for bit in range(8)
    ]
    damaged += [text[:at] + text[at + size :] for at in range(len(text)) for size in (1, 2, 9)]
    damaged += [text[:at] + draw.randbytes(3) + text[at:] for at in range(len(text))]
    damaged += [text[: at + 9] + text[at:] for at in range(len(text))]
    for each in damaged:
        done = effect_of(each)
        assert done in ([], ["x" * 7])
        whole += done != []
    assert whole < len(damaged) / 10  # in what does not matter, such as a line's end


def test_a_function_and_what_it_writes(board: Board) -> None:
    board.files.put("a", b"abc")
    assert checked.run(board.link, "stat", b"a", 64) == b"3 891568578\n"
    assert checked.run(board.link, "heap").startswith(b"heap_free ")
    assert board.exec("print(sorted(globals()))") == "['__file__', '__name__']\n"


def test_an_answer_longer_than_any_hole_in_the_heap(tmp_path: Path) -> None:
    """What a board writes is never one piece there: what is left may be in pieces itself."""
    names = [f"{'n' * 60}{index:03}" for index in range(100)]
    for name in names:
        (tmp_path / name).touch()
    with virtual_board(folder=tmp_path, heap=1 << 17) as port, Board(port, patience=5) as board:
        board.exec(_IN_PIECES.format(hole=6000))
        answer = checked.run(board.link, "listing", b"")
    *lines, end = answer.decode().splitlines()
    assert (sorted(lines), end) == ([f"{name.encode().hex()} f 0" for name in names], "end 100")
    assert len(answer) > 2 * 6000


_IN_PIECES = """
kept = dropped = None
try:
    while True:
        dropped = (dropped, bytes({hole}))
        kept = (kept, bytes(1))
except MemoryError:
    dropped = None
try:
    while True:
        kept = (kept, bytes(2 * {hole}))
except MemoryError:
    pass
"""


def test_what_the_board_raises_is_told_at_once(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checked.can_check(board.link)
    starts = []
    start = board.link.start
    monkeypatch.setattr(board.link, "start", lambda code: (starts.append(1), start(code)))
    with pytest.raises(DeviceError, match=r"the board raised OSError: .*21") as caught:
        checked.run(board.link, "stat", b"/", 64)
    assert "in _stat" in str(caught.value)
    assert len(starts) == 1


@pytest.mark.parametrize("way", ["flip", "cut", "late", "nothing", "noise"])
def test_answers_that_are_not_whole(
    board: Board, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    board.files.put("a", b"abc")
    finish, answers = board.link.finish, []
    late = checked.run(board.link, "stat", b"b", 64)  # of an earlier question
    assert late == b"none\n"

    def badly(timeout: float = 1.0) -> bytes:
        said = finish(timeout)
        answers.append(said)
        if len(answers) > 2:
            return said
        at = len(said) - 3
        return {
            "flip": said[:at] + bytes([said[at] ^ 1]) + said[at + 1 :],
            "cut": said[:-1],
            "late": b"R2863208829\n0000000001Knone\n",
            "nothing": b"",
            "noise": said + b"battery low\n",
        }[way]

    monkeypatch.setattr(board.link, "finish", badly)
    assert checked.run(board.link, "stat", b"a", 64) == b"3 891568578\n"
    assert len(answers) == 3


def test_what_is_printed_before_an_answer_does_not_matter(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checked.can_check(board.link)
    finish = board.link.finish
    monkeypatch.setattr(board.link, "finish", lambda timeout: b"battery low\r\n" + finish(timeout))
    assert checked.run(board.link, "stat", b"b", 64) == b"none\n"


def test_firmware_that_cannot_check(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    board.exec(
        "import sys\nclass Small: pass\nsys.modules['binascii'] = Small()\nSmall.hexlify = None"
    )
    assert not checked.can_check(board.link)
    assert board.probe().implementation == "micropython"
    monkeypatch.setattr(board.link, "exec", lambda code, timeout: b"unchecked\r\n")
    assert checked.run(board.link, "heap") == b"unchecked\n"


def test_the_question_is_asked_again_where_its_answer_makes_no_sense(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [b"crc32 is hfre\r\n", b"", b"crc32 is here\r\n"]
    monkeypatch.setattr(board.link, "exec", lambda code, timeout: answers.pop(0))
    assert checked.can_check(board.link)
    assert not answers
    assert checked.can_check(board.link)  # and then no more


def test_patience_ends(port: str, terminal: Terminal) -> None:
    """A line that spoils every longer text."""
    terminal.relay(port, to_board=lambda data: data.replace(b"crc32", b"crc23"))
    with Link(terminal.port, patience=1) as link:
        link.checks = True

        def ask() -> None:
            with pytest.raises(DeviceError) as caught:
                checked.run(link, "stat", b"a", 64, timeout=0.5)
            assert re.search("damaged or lost|raised ImportError|no answer", str(caught.value))

        assert quickest(ask, 6) < 6


def test_questions_on_a_bad_line(tmp_path: Path) -> None:
    faults = "flip=3e-4,drop=1e-4,dup=1e-4:9,seed=5"
    with virtual_board(folder=tmp_path, faults=faults) as port, Board(port, patience=20) as board:
        (tmp_path / "a").write_bytes(bytes(5000))
        for _ in range(10):
            state = board.files.stat("a")
            assert state is not None
            assert (state.size, state.crc32) == (5000, zlib.crc32(bytes(5000)))
            assert [entry.name for entry in board.files.list()] == ["a"]
