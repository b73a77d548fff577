"""The commands `microinterp board list|probe|virtual|shell`, as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from microinterp_boards import virtual_board
from microinterp_boards.virtual.registry import running_boards
from tests.boards.conftest import family, is_running, wait_for
from tests.processes import Person, command, started

pytestmark = pytest.mark.usefixtures("interpreter")


def test_list_shows_virtual_boards() -> None:
    with virtual_board(heap=65536) as port:
        told = json.loads(command("board", "list", "--json").stdout)
        (row,) = (row for row in told["ports"] if row["port"] == port)
        assert row["kind"] == "virtual"
        assert row["description"].startswith("unix, heap 65536, in /")
        assert (row["vid"], row["pid"], row["serial_number"]) == (None, None, None)
        lines = [line.split() for line in command("board", "list").stdout.splitlines()]
        assert lines[0] == ["port", "kind", "USB", "id", "description"]
        assert [port, "virtual", "-"] in [line[:3] for line in lines]


def test_probe_finds_the_only_board() -> None:
    with virtual_board(heap=65536) as port:
        facts = json.loads(command("board", "probe", "--json").stdout)
        assert facts["port"] == port
        assert facts["implementation"] == "micropython"
        assert 60_000 < facts["heap_total"] < 65_536
        assert facts["cpu_id"] is None
        done = command("board", "probe", port)
        assert done.returncode == 0
        assert f"port       {port}\n" in done.stdout
        assert "firmware   micropython 1." in done.stdout
        assert f"of {facts['heap_total']:,} bytes free" in done.stdout


def test_troubles_have_one_message_and_status_2() -> None:
    for arguments, message in (
        (("probe", "/dev/nowhere"), "error: /dev/nowhere: there is no such port\n  hint: "),
        (("shell", "/dev/nowhere"), "the shell needs a terminal"),
        (("virtual", "toaster"), "there is no virtual board 'toaster'"),
        (("virtual", "--heap", "3000"), "cannot start in a heap of 3000 bytes"),
    ):
        done = command("board", *arguments)
        assert done.returncode == 2
        assert message in done.stderr
        assert done.stdout == ""
        assert "Traceback" not in done.stderr


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    options = ("--heap", "98304", "--folder", tmp_path / "files")
    words = ("board", "virtual", "unix", *options)
    process = started(*words, stderr=subprocess.PIPE, start_new_session=True)
    yield process
    process.kill()
    process.communicate()


def test_virtual_runs_until_interrupted(running: subprocess.Popen[str], tmp_path: Path) -> None:
    assert running.stdout is not None
    port = running.stdout.readline().strip()
    (board,) = running_boards()
    assert (board.port, board.heap, board.folder) == (port, 98304, str(tmp_path / "files"))
    assert json.loads(command("board", "probe", port, "--json").stdout)["port"] == port
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(5) == 0
    assert running_boards() == []
    assert not is_running(board.pid)
    assert (tmp_path / "files").is_dir()


def test_virtual_says_that_its_board_died(running: subprocess.Popen[str]) -> None:
    assert running.stdout is not None
    assert running.stderr is not None
    port = running.stdout.readline().strip()
    os.kill(running_boards()[0].pid, signal.SIGKILL)
    assert running.wait(5) == 2
    said = running.stderr.read()
    assert f"{port}: the virtual board ended by itself\n  hint: start it again\n" in said


def test_virtual_tells_the_last_words_of_qemu(qemu: None) -> None:
    with started("board", "virtual", "qemu", stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        port = process.stdout.readline().strip()
        relay = running_boards()[0].pid
        (machine,) = family(relay) - {relay}
        os.kill(machine, signal.SIGTERM)
        assert process.wait(5) == 2
        said = process.stderr.read()
    assert f"error: {port}: the virtual board ended by itself and said:\n  qemu-system-arm:" in said
    assert "terminating on signal 15" in said
    assert "\n  hint: start it again; " in said


def test_virtual_json() -> None:
    process = started("board", "virtual", "--json")
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    assert said == {"port": running_boards()[0].port, "kind": "unix", "heap": 262144, "cpu": ""}
    process.terminate()
    process.wait(5)
    process.stdout.close()
    assert wait_for(lambda: running_boards() == [])


def test_shell() -> None:
    with virtual_board() as port:
        person = Person("board", "shell", port)
        assert person.sees(b"Ctrl-] ends")
        time.sleep(0.3)  # keys typed before the terminal is raw would be echoed and held back
        person.types(b"\r")
        assert person.sees(b">>> ")
        person.types(b"6 * 7\r")
        assert person.sees(b"42")
        person.types(b"while True: pass\r\r")
        assert person.sees(b"... ")
        person.types(b"\x03")  # it goes to the board and not to the command
        assert person.sees(b"KeyboardInterrupt")
        assert person.sees(b">>> ")
        person.types(b"\x04")
        assert person.sees(b"MPY: soft reboot")
        person.types(b"\x1d")
        assert person.process.wait(5) == 0
        person.leaves()


def test_shell_when_the_board_is_unplugged() -> None:
    with virtual_board() as port:
        person = Person("board", "shell", port)
        assert person.sees(b"Ctrl-] ends")
        time.sleep(0.3)
        os.kill(running_boards()[0].pid, signal.SIGKILL)
        assert person.sees(b"the port is gone")
        assert person.process.wait(5) == 2
        person.leaves()
