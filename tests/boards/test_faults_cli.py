"""`microinterp board virtual --faults`, as a user runs it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import serial

from microinterp_boards.faults import FaultEvent, after_faults, read_log
from tests.boards.conftest import wait_for
from tests.processes import command, started


def test_what_is_asked_wrongly_has_one_message_and_status_2() -> None:
    done = command("board", "virtual", "--faults", "dorp=0.1")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "error: there is no fault 'dorp'\n  hint: faults: drop=P[:BYTES], " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("interpreter")
def test_a_board_on_a_bad_line_until_it_dies(tmp_path: Path) -> None:
    log = tmp_path / "log"
    faults = f"to-host.drop=0.2,die-at=60,seed=2,log={log}"
    options = ("--faults", faults, "--folder", tmp_path / "b")
    with started("board", "virtual", "unix", *options, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        port = process.stdout.readline().strip()
        with serial.Serial(port, timeout=0.5) as line:
            while line.read(1000):
                pass  # its banner
            line.write(b"#" * 50)
            echo = b""
            while data := line.read(1000):
                echo += data
            dropped = [e for e in read_log(log) if e.fault == "drop" and e.was == b"#"]
            assert 2 < len(dropped) == 50 - len(echo)
            line.write(b"#" * 50)
            assert process.wait(5) == 2
        said = process.stderr.read()
    assert f"error: {port}: the virtual board ended by itself and said:\n" in said
    assert "\n  die-at: killed after 60 bytes from the host\n  hint: start it again\n" in said
    events = read_log(log)
    assert events[-1] == FaultEvent("to-board", 59, "die-at", b"", b"")
    assert after_faults(b"#" * 100, events, "to-board") == b"#" * 100
    assert wait_for(lambda: not Path(port).exists())
