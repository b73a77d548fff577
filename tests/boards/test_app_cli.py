"""`board app`, and what `board deploy` and `board uninstall` print, with a board that is noted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import cli_app, cli_deploy, cli_options
from microinterp_boards.app.outcome import AppDeployment, AppState
from microinterp_boards.deploy import Deployment
from tests.boards.fake_app import MAIN, AppBoard, deployment
from tests.cli import call, good, good_json, refused, stored, sums_model

STATE = AppState(
    "models/app.py.b", "ab" * 32, 1234, 7, 9, True, True, "crashed", 2, "ValueError: bad\n"
)
NONE = AppState("", "", 0, 0, 0, False, False, "not started", 0, "")
APP = AppDeployment("models/app.py.a", "cd" * 32, 2345, 1, 1, False, "one\ntwo\n")


class NotedBoard:
    """A board; what is done with it goes into `calls`.

    Attributes:
        state: of its program.
        entry: of the inventory, where it was named by that.
        removed: whether there was a program to remove.
    """

    port = "/dev/fake"

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[Any] = []
        self.state = STATE
        self.entry: object = None
        self.removed = True
        self.done = replace(deployment("net"), app=APP)
        self.link = AppBoard(patch)
        patch.setattr(cli_app, "choose_line", self.choose)
        patch.setattr(cli_options, "choose_line", self.choose)
        patch.setattr(cli_app, "opened", self.opened)
        patch.setattr(cli_options, "opened", self.opened)
        patch.setattr(cli_app, "require_expected", self.expect)

    def choose(self, port: str | None, baud: int | None, fleet: Path | None) -> Any:
        self.calls.append(("choose", port, baud, fleet))
        return SimpleNamespace(entry=self.entry)

    @contextmanager
    def opened(self, line: Any, wait: float) -> Iterator[NotedBoard]:
        self.calls.append(("open", wait))
        yield self
        self.calls.append("close")

    def expect(self, entry: object, board: object) -> None:
        assert board is self
        raise DeviceError(f"another board than {entry}")

    def app(self) -> AppState:
        self.calls.append("app")
        return self.state

    def back_app(self) -> AppState:
        self.calls.append("back")
        return self.state

    def start_app(self) -> None:
        self.calls.append("start")

    def remove_app(self) -> bool:
        self.calls.append("remove")
        return self.removed

    def uninstall(self) -> list[str]:
        return ["main.py", "lib/microinterp/[b]x.mpy"]

    def deploy(self, model: object, name: str | None, **more: Any) -> Deployment:
        self.calls.append(("deploy", name, more["app"], more["watch"]))
        return self.done if more["app"] is not None else replace(self.done, app=None)


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> NotedBoard:
    return NotedBoard(monkeypatch)


def facts(printed: str) -> dict[str, str]:
    """A table of facts, by its first column; lines of other forms are left out."""
    found = {}
    for line in printed.splitlines():
        name, gap, value = line.strip().partition("  ")
        if gap:
            found[name] = value.strip()
    return found


def test_a_program_is_shown(board: NotedBoard) -> None:
    printed = good("board", "app", "--port", "COM7", "--baud", 9600, "--wait", 3)
    assert facts(printed) == {
        "app": "models/app.py.b: 1,234 bytes, version 7",
        "sha256": "ab" * 32,
        "at boot": "main.py starts it",
        "state": "crashed",
        "crashes": "2 in a row",
        "before": "--back takes the program before",
    }
    assert printed.splitlines()[-1] == "  ValueError: bad"
    assert board.calls == [("choose", "COM7", 9600, None), ("open", 3.0), "app", "close"]


def test_a_program_that_nothing_starts_nor_goes_back(board: NotedBoard) -> None:
    board.state = replace(STATE, boots=False, has_former=False, log="")
    told = facts(good("board", "app", "COM7"))
    assert told["at boot"] == "no main.py of ours: nothing starts it"
    assert told["before"] == "none"


def test_what_a_program_logged_is_no_markup(board: NotedBoard) -> None:
    board.state = replace(STATE, log="[red]x[/red]\n\x1b[31my\n")
    assert good("board", "app").endswith("  [red]x[/red]\n  \\x1b[31my\n")


def test_no_program_and_the_log_of_one_that_was(board: NotedBoard) -> None:
    board.state = replace(NONE, log="ValueError: bad")
    result = call("board", "app")
    assert "no program; `microinterp board deploy MODEL.tflite --app main.py`" in result.stderr
    assert result.stdout == "  ValueError: bad\n"


@pytest.mark.parametrize(
    ("option", "calls"), [("--start", ["app", "start"]), ("--back", ["back", "start"])]
)
def test_a_program_is_started(board: NotedBoard, option: str, calls: list[str]) -> None:
    assert good("board", "app", option) == "models/app.py.b starts, version 7\n"
    assert board.calls[2:] == [*calls, "close"]


def test_the_state_as_json(board: NotedBoard) -> None:
    for option in ((), ("--start",), ("--back",)):
        told = good_json("board", "app", *option)
        assert told.pop("port") == "/dev/fake"
        assert AppState(**told) == STATE


def test_a_program_is_removed(board: NotedBoard) -> None:
    assert good("board", "app", "--remove") == "removed\n"
    assert good_json("board", "app", "--remove") == {"port": "/dev/fake", "removed": True}
    board.removed = False
    assert good("board", "app", "--remove") == "there was none\n"
    assert not {"app", "start", "back"} & {str(each) for each in board.calls}


@pytest.mark.parametrize("options", [("--start", "--back"), ("--back", "--remove")])
def test_options_that_do_not_go_together(board: NotedBoard, options: tuple[str, ...]) -> None:
    assert "--start, --back and --remove do not go together" in refused("board", "app", *options)
    assert board.calls == []


def test_another_board_than_the_inventory_says_is_left_alone(board: NotedBoard) -> None:
    board.entry = "desk"
    assert "another board than desk" in refused("board", "app", "--remove")
    assert board.calls[1:] == [("open", 0.0)]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return stored(tmp_path, sums_model())


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return stored(tmp_path, b"print(1)\n", "main.py")


def test_a_program_goes_with_its_model(board: NotedBoard, model: Path, program: Path) -> None:
    printed = good("board", "deploy", model, "--app", program, "--watch", 2)
    assert board.calls[2] == ("deploy", None, program, 2.0)
    assert facts(printed)["app"] == "models/app.py.a: 2,345 bytes, version 1; it runs"
    assert printed.endswith("  one\n  two\n")
    told = good_json("board", "deploy", model, "--app", program)
    assert told["app"]["printed"] == "one\ntwo\n"
    assert (told["port"], told["name"]) == ("/dev/fake", "net")


def test_of_what_a_program_prints_the_start_is_shown(
    board: NotedBoard, model: Path, program: Path
) -> None:
    lines = [f"[b]{number}" for number in range(43)]
    board.done = replace(board.done, app=replace(APP, was_there=True, printed="\n".join(lines)))
    printed = good("board", "deploy", model, "--app", program)
    assert "version 1, was there already; it runs" in printed
    assert printed.splitlines()[-41:] == [
        *(f"  {line}" for line in lines[:40]),
        "  ... and 3 lines more",
    ]
    board.done = replace(board.done, app=replace(APP, printed="\n".join(lines[:40])))
    assert good("board", "deploy", model, "--app", program).endswith("  [b]39\n")


def test_a_deployment_says_that_it_has_stopped_a_program(board: NotedBoard, model: Path) -> None:
    assert "stopped" not in call("board", "deploy", model).stderr
    board.link.files["main.py"] = b"somebody else's"
    assert "stopped" not in call("board", "deploy", model).stderr
    board.link.files["main.py"] = MAIN
    said = call("board", "deploy", model)
    assert "the board's program is stopped: `microinterp board app --start`" in said.stderr
    assert "it runs" not in said.stdout


def test_what_deploying_has_done(board: NotedBoard, model: Path) -> None:
    plain = facts(good("board", "deploy", model))
    assert plain["bytes"] == "0 sent"
    assert not {"test", "line", "passes", "app"} & plain.keys()
    board.done = replace(
        board.done,
        **{"sent_bytes": 4321, "copied_bytes": 2000, "resumed_bytes": 1000},
        **{"tested_samples": 3, "breaks": 2, "passes": ("tile", "share"), "extra_macs": 0.0125},
        **{"heap_start": 9000, "heap_imported": 7000, "heap_loaded": 4000},
        **{"files_sent": ("a", "b"), "files_kept": ("c",)},
    )
    told = facts(good("board", "deploy", model))
    assert told["bytes"] == (
        "4,321 sent, 2,000 copied on the board from the model before, 1,000 there from an attempt"
        " that broke off"
    )
    assert told["files"] == "2 sent, 1 kept"
    assert told["heap"] == "9,000 bytes free, 2,000 taken by the runtime, 3,000 by the model"
    assert told["test"] == "3 samples on the board, every byte of the outputs"
    assert told["line"] == "broke 2 times, and was mended"
    assert told["passes"] == "tile, share; 1.2% more MACs"


@pytest.mark.parametrize("option", ["--all", "--boards=desk"])
def test_a_program_is_for_one_board(
    board: NotedBoard, model: Path, program: Path, option: str
) -> None:
    told = refused("board", "deploy", model, "--app", program, option)
    assert "--app is for one board at a time" in told
    assert board.calls == []


def test_what_uninstalling_has_removed(board: NotedBoard) -> None:
    assert (
        good("board", "uninstall", "COM7") == "main.py\nlib/microinterp/[b]x.mpy\n2 files removed\n"
    )
    told = good_json("board", "uninstall", "--port", "COM7")
    assert told == {"port": "/dev/fake", "removed": ["main.py", "lib/microinterp/[b]x.mpy"]}
    assert [call for call in board.calls if call[0] == "choose"] == [
        ("choose", "COM7", None, None)
    ] * 2


def test_a_board_in_a_fleet_s_table() -> None:
    done = replace(
        deployment("net"),
        kernels="thumb",
        sent_bytes=4321,
        copied_bytes=2,
        resumed_bytes=3,
        model_bytes=5000,
        arena_bytes=6000,
        heap_loaded=7000,
    )
    form = cli_deploy._FORM
    assert form.word(done) == "deployed"
    assert dict(zip(form.columns, form.cells(done), strict=True)) == {
        "kernels": "thumb",
        "sent": "4,321",
        "copied": "2",
        "resumed": "3",
        "model": "5,000",
        "arena": "6,000",
        "heap left": "7,000",
    }
    assert form.facts("COM7", done)["sent_bytes"] == 4321
