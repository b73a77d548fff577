"""What commands print of answers of boards: validate, models, list, and lines of several."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from microinterp.errors import DeviceError
from microinterp_boards import cli, cli_fleet, cli_store, cli_validate
from microinterp_boards.fleet import actions
from microinterp_boards.fleet.inventory import Entry
from microinterp_boards.fleet.work import Outcome
from microinterp_boards.ports import Port
from microinterp_boards.results.store import Store as Results
from microinterp_boards.validate import FirstDifference, Validation
from tests.boards.bench_results import result as bench_result
from tests.cli import call, good, good_json, refused

DONE = Validation(
    *(0, 20, 200, None, 0, False, 0, True, "host", "ab" * 32, "digits", "armv7em", "armv7em")
)
FIRST = FirstDifference(4, "CONV_2D", 17, 0, 3, "dense/out")
Answer = Callable[[Validation], dict[str, Any]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Let a board find this; returns what it will have been asked."""

    def answer(done: Validation) -> dict[str, Any]:
        given: dict[str, Any] = {}

        class Fake:
            port = "/dev/x"

            def validate(self, *arguments: Any, **more: Any) -> Validation:
                given.update(more, arguments=arguments)
                return done

        @contextmanager
        def chosen_board(*options: Any) -> Iterator[Fake]:
            given["options"] = options
            yield Fake()

        monkeypatch.setattr(cli_validate, "chosen_board", chosen_board)
        return given

    return answer


def test_an_equal_board(asked: Answer) -> None:
    given = asked(DONE)
    result = call("board", "validate", "m.tflite", "--samples", 20, "--seed", 3, "--name", "it")
    assert (result.exit_code, result.stderr) == (0, "")
    wanted = "equal: 20 samples, 200 bytes of outputs; board (armv7em) against host\n"
    assert result.stdout == wanted
    assert given["arguments"] == ("m.tflite", 20, False, None, 3)
    assert given["name"] == "it"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"first_difference": FIRST},
            "\nfirst: sample 3, op 4 CONV_2D, tensor 17 'dense/out'\n",
        ),
        (
            {"first_difference": FIRST._replace(subgraph=2)},
            "\nfirst: sample 3, subgraph 2 op 4 CONV_2D, tensor 17 'dense/out'\n",
        ),
        ({}, "against host\n"),
    ],
)
def test_a_board_that_differs(changes: dict[str, Any], told: str, asked: Answer) -> None:
    asked(replace(DONE, differing_bytes=7, differing_samples=2, **changes))
    result = call("board", "validate", "m.tflite")
    assert result.exit_code == 1
    start = "different: 7 bytes in 2 of 20 samples, 200 bytes of outputs; board (armv7em) against"
    assert result.stdout.startswith(start)
    assert result.stdout.endswith(told)


def test_ops_that_differ_where_outputs_do_not(asked: Answer) -> None:
    asked(replace(DONE, per_op=True, compared_crcs=1234, first_difference=FIRST))
    result = call("board", "validate", "m.tflite", "--per-op")
    assert result.exit_code == 1
    assert "different: 0 bytes in 0 of 20 samples, 200 bytes of outputs, 1,234 CRC32s" in (
        result.stdout
    )


def test_a_model_that_is_not_what_deploy_would_write(asked: Answer) -> None:
    asked(replace(DONE, model_intact=False))
    result = call("board", "validate", "m.tflite")
    assert result.exit_code == 0
    assert "is not what deploy would write: deploy it again" in result.stderr


@pytest.mark.parametrize(("first", "status"), [(None, 0), (FIRST, 1)])
def test_validation_as_json(first: FirstDifference | None, status: int, asked: Answer) -> None:
    asked(replace(DONE, first_difference=first))
    result = call("board", "validate", "m.tflite", "--json")
    assert result.exit_code == status
    said = json.loads(result.stdout)
    assert said["first_difference"] == (None if first is None else first._asdict())
    assert (said["port"], said["equal"], said["sha256"]) == ("/dev/x", not status, "ab" * 32)


class Store:
    """A board's models, and its key."""

    def __init__(self, port: str) -> None:
        self.port = port
        self.key = b""
        self.listed = 0

    def probe(self) -> Any:
        return SimpleNamespace(machine="Pico with RP2040", kernels="armv6m", reason="so")

    def set_key(self, key: bytes) -> None:
        self.key = key

    def models(self) -> list[Any]:
        self.listed += 1
        return []


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    """The board that `board models` asks, with no inventory but that of the test's folder."""
    monkeypatch.chdir(tmp_path)
    fake = Store("/dev/x")

    @contextmanager
    def opened(line: Any, wait: float) -> Iterator[Store]:
        yield fake

    monkeypatch.setattr(cli_store, "opened", opened)
    return fake


def test_a_key_is_told_as_what_it_means(store: Store, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(bytes(range(20)))
    result = call("board", "models", "/dev/x", "--set-key", "key")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "takes only models and runtime files that `deploy --key FILE` has" in (
        " ".join(result.stderr.split())
    )
    assert store.key == bytes(range(20))
    said = good_json("board", "models", "/dev/x", "--set-key", "key")
    assert said == {"port": "/dev/x", "key_bytes": 20}


def test_models_of_a_board_of_the_inventory(store: Store) -> None:
    """It is asked what it is before anything else."""
    fleet = "[board.desk]\nport = '/dev/y'\nkernels = '{}'\n"
    Path("fleet.toml").write_text(fleet.format("armv6m"))
    assert good("board", "models", "desk") == ""
    assert store.listed == 1
    Path("fleet.toml").write_text(fleet.format("armv7em"))
    told = refused("board", "models", "desk")
    assert "which has kernels = 'armv7em'; it runs armv6m: so" in told
    assert store.listed == 1


def test_two_ports_for_one_command(store: Store) -> None:
    told = refused("board", "models", "/dev/x", "--port", "/dev/y")
    assert told.startswith("PORT and --port name two boards\n  hint: give one of them")
    assert good("board", "models", "/dev/x", "--port", "/dev/x") == ""


def test_a_list_of_no_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "ports", list)
    result = call("board", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no ports; plug a board in, or start `microinterp board virtual unix`" in result.stderr
    assert good_json("board", "list") == {"ports": []}
    monkeypatch.setattr(cli, "ports", lambda: [Port("/dev/z", "serial", "it", 0x2E8A, 5, "E1")])
    assert good("board", "list").splitlines()[1].split()[:3] == ["/dev/z", "serial", "2e8a:0005"]


def test_runs_of_several_boards_are_kept_and_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One that failed keeps nothing, and its status is the command's."""
    monkeypatch.chdir(tmp_path)
    Path("fleet.toml").write_text("[board.a]\nport = '/dev/a'\n[board.b]\nport = '/dev/b'\n")
    asked: list[tuple[Any, ...]] = []
    error = DeviceError("/dev/b: no answer")
    last = Outcome("b", "/dev/b", 2.0, None, error)

    def bench_all(entries: Any, *given: Any, **more: Any) -> list[Outcome[dict[str, Any]]]:
        asked.append(([entry.name for entry in entries], *given, more["patience"]))
        return [Outcome("a", "/dev/a", 1.0, bench_result(1234), None), last]

    monkeypatch.setattr(actions, "bench_all", bench_all)
    done = call("board", "bench", "m.tflite", "--all", "--runs", 7, "--wait", 3, "--label", "new")
    assert done.exit_code == 2
    assert asked == [(["a", "b"], "m.tflite", 7, None, 3)]
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[1][:4] == ["a", "timed", "armv6m", "1,234"]
    assert rows[2] == ["b", "failed", *["-"] * 6, "2.0"]
    assert "kept as run 1 in " in done.stderr
    assert "error: b: /dev/b: no answer" in done.stderr
    with Results() as kept_runs:
        assert [(kept.label, kept.run.invoke.median) for kept in kept_runs.runs()] == [
            ("new", 1234)
        ]
    last = Outcome("b", "/dev/b", 2.0, bench_result(99), None)
    done = call("board", "bench", "m.tflite", "--all", "--json")
    assert done.exit_code == 0
    said = json.loads(done.stdout)["boards"]
    assert [each["result"]["median"] for each in said] == [1234, 99]


def test_each_board_has_a_line_where_somebody_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=80)
    monkeypatch.setattr(cli_fleet.output, "console", lambda **options: screen)
    entries = [Entry("near", "/dev/x"), Entry("far", "/dev/y")]
    with cli_fleet._lines(entries) as watch:
        watch("near", "work", 3, 10)
        watch("far", "open", 0, 0)  # no number of steps is known
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    last = text[text.rindex("near") :]
    assert "works" in last.partition("far")[0]
    assert "opens its port" in last.partition("far")[2]


def test_nobody_sees_lines_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Console(file=io.StringIO(), width=80)
    monkeypatch.setattr(cli_fleet.output, "console", lambda **options: screen)
    with cli_fleet._lines([Entry("near", "/dev/x")]) as watch:
        watch("near", "work", 3, 10)
    assert screen.file.getvalue() == ""  # type: ignore[attr-defined]
