"""The program that a virtual board's process runs, inside the test: what it tells, and its end."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from microinterp_boards.faults import parse_faults, read_log
from microinterp_boards.virtual import faulty_relay, relay
from microinterp_boards.virtual.relay import Relay
from tests.boards.fake_life import RelayBench


class Process:
    """What main sees of its process; `handlers` are those of signals, `made` the relay.

    Attributes:
        config: what it is told in its argument.
        prepare: called with the relay before it comes up.
    """

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.handlers: dict[int, Callable[..., object]] = {}
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        (self.temporary / "main.py").touch()
        self.registry = folder / "board.json"
        self.config: dict[str, Any] = {
            "registry": str(self.registry),
            "entry": {"kind": "unix"},
            "temporary": str(self.temporary),
        }
        self.prepare: Callable[[RelayBench], object] = lambda relay: None
        self.made: RelayBench | None = None
        self.lifeline, self.host = os.pipe()
        self.patch = patch
        patch.setattr(signal, "signal", self.handlers.__setitem__)
        patch.setattr(sys, "stdin", SimpleNamespace(fileno=lambda: self.lifeline))

    def argue(self) -> None:
        self.patch.setattr(sys, "argv", ["relay", json.dumps(self.config)])

    def make(self, config: dict[str, Any]) -> Relay:
        self.made = RelayBench(config)
        self.prepare(self.made)
        return self.made

    def run(self) -> None:
        self.argue()
        relay.main(self.make)  # type: ignore[arg-type]

    def close(self) -> None:
        for descriptor in (self.lifeline, self.host):
            if descriptor >= 0:
                os.close(descriptor)
        if self.made is not None:
            self.made.close()

    def hang_up(self) -> None:
        os.close(self.host)
        self.host = -1


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Process]:
    process = Process(monkeypatch, tmp_path)
    yield process
    process.close()


@pytest.fixture
def told(capfd: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, str]]]:
    """The lines of JSON on standard output since the last call."""
    return lambda: [json.loads(line) for line in capfd.readouterr().out.splitlines()]


Told = Callable[[], list[dict[str, str]]]


def test_a_board_is_announced_while_it_runs_and_leaves_nothing(
    process: Process, told: Told
) -> None:
    seen = []

    def run(self: RelayBench) -> None:
        seen.append(json.loads(process.registry.read_text()))
        seen.extend(told())

    process.patch.setattr(RelayBench, "run", run)
    process.run()
    assert process.made is not None
    port = process.made.name
    assert seen == [{"kind": "unix", "port": port, "pid": os.getpid()}, {"port": port}]
    assert told() == []
    assert process.made.life.ends == 1
    assert not process.registry.exists()
    assert not process.temporary.exists()


def test_a_board_that_does_not_come_up_is_never_announced(process: Process, told: Told) -> None:
    def prepare(relay: RelayBench) -> None:
        relay.life.up_with, relay.life.words = b"never", "no such machine"
        relay.life.stop()
        process.patch.setattr(relay, "announce", lambda: pytest.fail("announced"))
        process.patch.setattr(relay, "run", lambda: pytest.fail("runs"))

    process.prepare = prepare
    process.run()
    assert told() == [{"error": "no such machine"}]
    assert process.made is not None
    assert process.made.life.ends == 1
    assert not process.temporary.exists()


def test_a_board_that_ends_by_itself_tells_why(process: Process, told: Told) -> None:
    def prepare(relay: RelayBench) -> None:
        relay.life.starts_again, relay.life.words = False, "qemu: fatal"
        relay.life.stop()

    process.config["temporary"] = ""  # the folder is the caller's
    process.prepare = prepare
    process.run()
    assert process.made is not None
    assert told() == [{"port": process.made.name}, {"ended": "qemu: fatal"}]
    assert process.temporary.exists()


def test_a_board_that_is_given_up_says_no_more(process: Process, told: Told) -> None:
    process.hang_up()
    process.run()
    assert process.made is not None
    assert told() == [{"port": process.made.name}]
    assert process.made.life.ends == 1


def test_a_folder_that_is_gone_already(process: Process, told: Told) -> None:
    process.prepare = lambda relay: shutil.rmtree(process.temporary)
    process.hang_up()
    process.run()
    assert len(told()) == 1


def test_what_the_system_refuses_is_told(process: Process, told: Told) -> None:
    def prepare(relay: RelayBench) -> None:
        process.registry.with_suffix(".new").touch()

    process.prepare = prepare
    process.run()
    ((error,),) = (each.values() for each in told())
    assert "File exists" in error
    assert process.made is not None
    assert process.made.life.ends == 1
    assert not process.temporary.exists()


def test_a_port_that_cannot_be_had(process: Process, told: Told) -> None:
    def make(config: dict[str, Any]) -> Relay:
        raise OSError("out of pty devices")

    process.argue()
    relay.main(make)  # type: ignore[arg-type]
    assert told() == [{"error": "out of pty devices"}]
    assert not process.temporary.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_as_it_should_end(process: Process, number: int) -> None:
    process.patch.setattr(RelayBench, "run", lambda self: process.handlers[number](number, None))
    with pytest.raises(SystemExit) as ended:
        process.run()
    assert ended.value.code == 0
    assert process.made is not None
    assert process.made.life.ends == 1
    assert not process.registry.exists()
    assert not process.temporary.exists()


def test_nobody_listens_any_more(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that started the board is gone: it still removes everything."""

    def write(descriptor: int, data: bytes) -> int:
        if descriptor == 1:
            raise BrokenPipeError(32, "Broken pipe")
        return really(descriptor, data)

    really = os.write
    process.hang_up()
    monkeypatch.setattr(os, "write", write)
    process.run()
    assert process.made is not None
    assert process.made.life.ends == 1
    assert not process.temporary.exists()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that the programs import by their bare names go again."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("life", "unix_life", "relay", "line", "opening"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setitem(sys.modules, name, sys)
        del sys.modules[name]  # the patch takes out at its end what the program puts in


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("program", [relay, faulty_relay])
def test_the_program_by_its_path(
    process: Process, told: Told, program: Any, tmp_path: Path
) -> None:
    """As `python -I -S` runs it: its neighbours are not in a package then."""
    process.config["command"] = ["sh", "-c", "echo no such machine >&2"]
    process.config["faults"] = parse_faults(f"drop=0.5,log={tmp_path / 'log'}").config()
    process.argue()
    runpy.run_path(str(Path(program.__file__)), run_name="__main__")
    assert told() == [{"error": "no such machine"}]
    assert {"life", "unix_life"} <= sys.modules.keys()
    assert not process.temporary.exists()
    if program is faulty_relay:
        assert {"relay", "line", "opening"} <= sys.modules.keys()
        assert read_log(tmp_path / "log") == []
