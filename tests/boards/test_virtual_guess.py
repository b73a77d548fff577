"""The virtual board where the system does not tell which signals a process catches (macOS).

Whether 0x03 is an interrupt is guessed there from what the board printed last, and only where
nothing but control characters was typed; that is why files go in hex on that system.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board
from microinterp_boards.virtual import unix

pytestmark = pytest.mark.usefixtures("interpreter")


@pytest.fixture
def guessing(tmp_path: Path) -> Iterator[str]:
    with unix.start(heap=262144, folder=tmp_path, flash=None, guess=True) as port:
        yield port


def test_programs_are_interrupted_and_prompts_are_not(guessing: str) -> None:
    with Board(guessing) as board:
        board.exec("value = 1")
        for code in ("while True: pass", "import time; time.sleep(9)", "while 1: print(1)"):
            with pytest.raises(DeviceError, match=r"within 0\.1 s"):
                board.exec(code, timeout=0.1)
            assert board.exec("print(value)") == "1\n"
    for _ in range(3):  # each sends 0x03 at a prompt, which would end the interpreter as a signal
        with Board(guessing) as board:
            assert board.exec("print(value)") == "1\n"


def test_a_main_that_runs_for_ever(guessing: str, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("while True: print('on and on')")
    with Board(guessing) as board:
        board.close()
    with Board(guessing) as board:
        board.link.transport.write(b"\x02\x04")  # soft reset at the friendly prompt
        board.link.enter()
        assert board.exec("print(1)") == "1\n"
        board.soft_reset()
        assert board.exec("print(2)") == "2\n"


def test_data_with_0x03_in_it_is_data(guessing: str) -> None:
    with Board(guessing) as board:
        board.files.put("a", bytes(range(256)) * 50 + b"\x03" * 1000)
        assert board.files.get("a") == bytes(range(256)) * 50 + b"\x03" * 1000
