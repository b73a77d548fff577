"""`board deploy|validate|bench --all`: one command, an entry for each board, and one status."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import cli_fleet, virtual_board
from microinterp_boards.fleet import actions
from microinterp_boards.fleet.inventory import Entry
from microinterp_boards.fleet.work import Outcome
from microinterp_boards.validate import FirstDifference, Validation
from tests.boards.model_boards import MODEL
from tests.boards.remote_ports import Rfc2217Server
from tests.cli import call
from tests.processes import Person, command

FLEET = """
[board.near]
port = "{near}"
tags = ["pty"]

[board.far]
port = "{far}"
machine = "linux"
"""
GONE = '\n[board.gone]\nport = "/dev/nowhere"\n'


@pytest.fixture(scope="module")
def fleet(
    interpreter: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, str, str]]:
    """An inventory of two boards, one here and one behind RFC 2217; the path, and their ports."""
    path = tmp_path_factory.mktemp("fleet") / "fleet.toml"
    with ExitStack() as stack:
        near, other = (stack.enter_context(virtual_board("unix")) for _ in range(2))
        server = Rfc2217Server(other)
        stack.callback(server.close)
        path.write_text(FLEET.format(near=near, far=server.url))
        done = call("board", "deploy", MODEL, "--all", "--fleet", path)
        assert done.exit_code == 0, done.stderr
        yield path, near, server.url


def test_two_boards_are_validated_by_one_command(fleet: tuple[Path, str, str]) -> None:
    """Over a pseudo-terminal and RFC 2217, side by side."""
    path, near, far = fleet
    done = call("board", "deploy", MODEL, "--all", "--fleet", path)
    assert done.exit_code == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0][:7] == ["board", "outcome", "kernels", "sent", "copied", "resumed", "model"]
    assert [row[:2] for row in rows[1:]] == [["near", "deployed"], ["far", "deployed"]]
    done = command("board", "validate", str(MODEL), "--all", "--fleet", str(path), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert said["fleet"] == str(path)
    assert [each["name"] for each in said["boards"]] == ["near", "far"]
    for each, port in zip(said["boards"], (near, far), strict=True):
        assert (each["outcome"], each["port"], each["error"]) == ("equal", port, None)
        assert (each["result"]["port"], each["result"]["samples"]) == (port, 20)
        assert each["result"]["compared_bytes"] == 200


@pytest.mark.slow
def test_versions_and_signatures(fleet: tuple[Path, str, str], tmp_path: Path) -> None:
    """One of the boards has a key; the other takes what is signed as well."""
    path, near, far = fleet
    key = tmp_path / "key"
    key.write_bytes(bytes(range(16)))
    deploy = ("board", "deploy", MODEL, "--all", "--fleet", path, "--version", 9)
    assert call("board", "models", near, "--set-key", key).exit_code == 0
    try:
        done = call(*deploy, "--json")
        assert done.exit_code == 2
        near_said, far_said = json.loads(done.stdout)["boards"]
        assert "takes only signed models" in near_said["error"]["message"]
        assert far_said["outcome"] == "deployed"
        done = call(*deploy, "--key", key)
        assert done.exit_code == 0, done.stderr
        head = done.stdout.splitlines()[0].split()
        assert head[3:6] == ["sent", "copied", "resumed"]
        for port in (near, far):
            (kept,) = json.loads(call("board", "models", port, "--json").stdout)["models"]
            assert kept["slots"][kept["slot"]]["version"] == 9
    finally:
        call("board", "uninstall", "--port", near)
        assert call("board", "deploy", MODEL, "--all", "--fleet", path).exit_code == 0


@pytest.mark.slow
def test_a_person_sees_a_line_for_each_and_stops_them(fleet: tuple[Path, str, str]) -> None:
    path, _, _ = fleet
    more = ["--fleet", str(path), "--samples", "20000"]
    person = Person("board", "validate", str(MODEL), "--boards", "near,far", *more)
    assert person.sees(b"near")
    assert person.sees(b"works")
    person.process.send_signal(2)
    assert person.process.wait(10) == 130
    person.leaves()
    done = command("board", "validate", str(MODEL), "--port", "near", "--fleet", str(path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("equal: 20 samples, 200 bytes of outputs; board (")


def test_a_board_that_cannot_be_asked(fleet: tuple[Path, str, str], tmp_path: Path) -> None:
    path = tmp_path / "three.toml"
    path.write_text(fleet[0].read_text() + GONE)
    more = ["--fleet", path, "--runs", "2", "--results", tmp_path / "results.db", "--json"]
    done = call("board", "bench", MODEL, "--boards", "pty,gone", *more)
    assert done.exit_code == 2
    near, gone = json.loads(done.stdout)["boards"]
    assert (near["outcome"], near["result"]["runs"]) == ("timed", 2)
    assert (gone["outcome"], gone["result"], gone["port"]) == ("failed", None, "/dev/nowhere")
    assert gone["error"]["message"] == "/dev/nowhere: there is no such port"
    assert gone["error"]["hint"].startswith("plug the board in")
    with sqlite3.connect(tmp_path / "results.db") as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    database.close()
    done = call("board", "bench", MODEL, "--boards", "gone,near", "--fleet", path, "--runs", 1)
    assert done.exit_code == 2
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:]] == [
        ["gone", "failed"],
        ["near", "timed"],
    ]
    assert "error: gone: /dev/nowhere: there is no such port\n  hint: plug" in done.stderr


def test_names_where_a_port_may_be(
    fleet: tuple[Path, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _, far = fleet
    monkeypatch.setenv("MICROINTERP_FLEET", str(path))
    assert json.loads(call("board", "probe", "far", "--json").stdout)["port"] == far
    done = call("board", "probe", "fra")
    assert done.exit_code == 2
    assert f"there is no board 'fra' in {path}\n  hint: perhaps far; there are" in done.stderr
    path.write_text(path.read_text().replace("linux", "Pico"))
    done = call("board", "deploy", MODEL, "--port", "far")
    path.write_text(path.read_text().replace("Pico", "linux"))
    assert done.exit_code == 2
    assert "'far' is not the board of the inventory, which has machine = 'Pico'" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--all", "--boards", "near"], "--all and --boards do not go together"),
        (["--all", "--port", "near"], "--port and --all do not go together"),
        (["--boards", "near", "--port", "x"], "--port and --boards do not go together"),
        (["--boards", ","], "--boards names no boards"),
        (["--boards", "nera"], "there is no board or tag 'nera'"),
        (["--all", "--fleet", "nowhere.toml"], "cannot read 'nowhere.toml': No such file"),
    ],
)
def test_options_that_do_not_go_together(
    options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fleet.toml").write_text(FLEET.format(near="/dev/nowhere", far="/dev/nowhere"))
    for verb in ("deploy", "validate", "bench"):
        done = call("board", verb, MODEL, *options)
        assert done.exit_code == 2
        assert message in done.stderr


def outcome(name: str, result: Validation | None) -> Outcome[Validation]:
    error = None if result else DeviceError(f"/dev/{name}: no answer", hint="reset it")
    return Outcome(name, f"/dev/{name}", 1.25, result, error)


def validation(differing: int) -> Validation:
    first = FirstDifference(4, "CONV_2D", 17, 0, 3, "t") if differing else None
    return Validation(
        differing, 20, 200, first, 1, False, 0, True, "host", "ab", "digits", "armv7em", "armv7em"
    )


EQUAL, DIFFERS, FAILS = validation(0), validation(7), None


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([EQUAL, EQUAL], 0),
        ([EQUAL, DIFFERS], 1),
        ([FAILS, EQUAL], 2),
        ([FAILS, DIFFERS, EQUAL], 1),  # that it is not equal is sure, whatever the others say
    ],
)
def test_the_status_and_the_table(
    results: Sequence[Validation | None],
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [f"board{i}" for i in range(len(results))]
    monkeypatch.chdir(tmp_path)
    Path("fleet.toml").write_text("".join(f"[board.{n}]\nport = '/dev/{n}'\n" for n in names))
    told = [outcome(name, result) for name, result in zip(names, results, strict=True)]
    asked: list[tuple[Sequence[Entry], dict[str, Any]]] = []

    def validate_all(entries: Sequence[Entry], *given: Any, **more: Any) -> Any:
        asked.append((entries, more))
        return told

    monkeypatch.setattr(actions, "validate_all", validate_all)
    done = call("board", "validate", MODEL, "--all", "--wait", "7", "--baud", "9600")
    assert done.exit_code == status
    assert [entry.name for entry in asked[0][0]] == names
    assert {entry.baud for entry in asked[0][0]} == {9600}
    assert asked[0][1]["patience"] == 7
    lines = done.stdout.splitlines()
    assert len(lines) == 1 + len(names)
    for name, result, line in zip(names, results, lines[1:], strict=True):
        words = line.split()
        assert words[0] == name
        assert words[-1] == "1.2"
        if result is None:
            assert words[1] == cli_fleet.FAILED
            assert f"error: {name}: /dev/{name}: no answer\n  hint: reset it" in done.stderr
        elif result is DIFFERS:
            assert words[1] == cli_fleet.DIFFERENT
            assert "sample 3, op 4 CONV_2D" in line
        else:
            assert words[1:3] == ["equal", "armv7em"]
    told_json = json.loads(call("board", "validate", MODEL, "--all", "--json").stdout)
    assert [each["seconds"] for each in told_json["boards"]] == [1.25] * len(names)
    for each, result in zip(told_json["boards"], results, strict=True):
        if result is DIFFERS:
            assert each["result"]["first_difference"]["op_index"] == 4
