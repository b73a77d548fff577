"""The command `microinterp board app`, and what `board deploy --app` shows."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from microinterp.cli import output
from microinterp.errors import DeviceError
from microinterp_boards.app import boot
from microinterp_boards.app.outcome import AppDeployment, AppState
from microinterp_boards.board import Board
from microinterp_boards.cli_fleet import FleetFile, Wait
from microinterp_boards.cli_options import Baud, Json, Port, PortArgument, one_port
from microinterp_boards.fleet.work import opened, require_expected
from microinterp_boards.ports import choose_line

App = Annotated[
    Path | None,
    typer.Option(
        "--app",
        metavar="FILE",
        help="A MicroPython program that starts at boot, and now: docs/apps.md.",
    ),
]
_LINES = 40  # of what a program prints
Watch = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=3600.0,
        metavar="SECONDS",
        help="Try the program for so long; if it crashes, it and the model are taken back.",
    ),
]


def app_command(
    place: PortArgument = None,
    port: Port = None,
    start: Annotated[
        bool, typer.Option("--start", help="Start it, as if it had never crashed, and leave.")
    ] = False,
    back: Annotated[
        bool, typer.Option("--back", help="Put the program before to use again, and start it.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove it, so that nothing starts at boot.")
    ] = False,
    fleet: FleetFile = None,
    wait: Wait = 0.0,
    baud: Baud = None,
    json: Json = False,
) -> None:
    """Show the program that a board starts at boot, and its last crash; start it, remove it.

    To look at a board stops its program, as every other command does: --start starts it again.
    Exit status 2 where there is nothing to start, or to go back to.

    JSON: port, and the fields of microinterp_boards.app.outcome.AppState, those after --back or
    before --start; after --remove: port, removed.
    """
    if start + back + remove > 1:
        raise DeviceError("--start, --back and --remove do not go together", hint="take one")
    line = choose_line(one_port(place, port), baud, fleet)
    with opened(line, wait) as board:
        if line.entry is not None:
            require_expected(line.entry, board)
        if remove:
            _remove(board, json)
            return
        state = board.back_app() if back else board.app()
        if start or back:
            board.start_app()
    if json:
        output.print_json({"port": board.port, **asdict(state)})
    elif start or back:
        output.console().print(output.safe(f"{state.path} starts, version {state.version}"))
    else:
        _show(state)


def show_app(app: AppDeployment) -> None:
    """Print what became of a program that was deployed."""
    screen = output.console()
    there = ", was there already" if app.was_there else ""
    rows = {"app": f"{app.path}: {app.size:,} bytes, version {app.version}{there}; it runs"}
    output.print_facts(rows)
    lines = app.printed.splitlines()
    for line in lines[:_LINES]:
        screen.print(Text("  ") + output.safe(line, limit=300), soft_wrap=True)
    if len(lines) > _LINES:
        screen.print(f"  ... and {len(lines) - _LINES:,} lines more")


def note_stopped(board: Board) -> None:
    """Say so if the board has a program, which this command has stopped."""
    if boot.main_state(board.link) == boot.MAIN_STATE:
        output.note("the board's program is stopped: `microinterp board app --start` starts it")


def _remove(board: Board, json: bool) -> None:
    removed = board.remove_app()
    if json:
        output.print_json({"port": board.port, "removed": removed})
    else:
        output.console().print("removed" if removed else "there was none")


def _show(state: AppState) -> None:
    if not state.path:
        output.note(
            "no program; `microinterp board deploy MODEL.tflite --app main.py` puts one there"
        )
    else:
        boots = "main.py starts it" if state.boots else "no main.py of ours: nothing starts it"
        rows = {
            "app": f"{state.path}: {state.size:,} bytes, version {state.version}",
            "sha256": state.sha256,
            "at boot": boots,
            "state": state.state,
            "crashes": f"{state.crashes} in a row",
            "before": "--back takes the program before" if state.has_former else "none",
        }
        output.print_facts(rows)
    screen = output.console()
    for line in state.log.strip().splitlines():
        screen.print(Text("  ") + output.safe(line, limit=300), soft_wrap=True)
