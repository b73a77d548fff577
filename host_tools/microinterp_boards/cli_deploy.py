"""The commands `microinterp board deploy` and `uninstall`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from microinterp.cli import output
from microinterp.cli.passes import MaxExtraMacs, Passes, Ram
from microinterp.errors import InputError
from microinterp_boards import cli_fleet
from microinterp_boards.app.deploying import WATCH
from microinterp_boards.cli_app import App, Watch, note_stopped, show_app
from microinterp_boards.cli_fleet import All, Boards, FleetFile, Wait, asked
from microinterp_boards.cli_options import (
    Baud,
    Json,
    Model,
    Name,
    Port,
    PortArgument,
    as_taken,
    chosen_board,
    memory_passes,
    one_port,
    progress,
)
from microinterp_boards.deploy import Deployment
from microinterp_boards.fleet import actions
from microinterp_boards.store.sign import read_key


def deploy_command(
    model: Model,
    port: Port = None,
    name: Name = None,
    mpy_set: Annotated[
        str | None,
        typer.Option(
            "--set",
            metavar="SET",
            help="Another set of kernels than the board's best, of those that it runs: armv7m,"
            " armv6m, viper-armv7m, viper-armv6m, bytecode (docs/board_kernels.md).",
        ),
    ] = None,
    version: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=0xFFFFFFFF,
            metavar="N",
            help="The model's version; else that of the one in use.",
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Sign with this key, for a board that has it (`models --set-key`)."
        ),
    ] = None,
    app: App = None,
    watch: Watch = WATCH,
    passes: Passes = "none",
    ram: Ram = None,
    max_extra_macs: MaxExtraMacs = 0.1,
    all_boards: All = False,
    boards: Boards = None,
    fleet: FleetFile = None,
    wait: Wait = 0.0,
    baud: Baud = None,
    json: Json = False,
) -> None:
    """Pack a model, install or update the runtime, send what differs, and have the board test it.

    The model in use is replaced once the board has read the new one again and computed golden
    samples with it. The board is soft reset.

    JSON: port, and the fields of microinterp_boards.deploy.Deployment; of several boards see
    docs/fleet.md.
    """
    memory = memory_passes(passes, ram, max_extra_macs)
    secret = None if key is None else read_key(key)
    if app is not None and (all_boards or boards is not None):
        raise InputError("--app is for one board at a time", hint="name it with --port")
    some = asked(all_boards, boards, fleet, port, baud, wait)
    if some is not None:
        cli_fleet.run(
            some,
            lambda watch: actions.deploy_all(
                some.entries,
                model,
                name,
                mpy_set=mpy_set,
                passes=memory,
                version=version,
                key=secret,
                watch=watch,
                patience=some.wait,
            ),
            _FORM,
            json,
        )
        return
    with chosen_board(port, baud, fleet, wait) as board, progress("sending") as told:
        more = {"version": version, "key": secret, **as_taken(memory)}
        more |= {"app": app, "watch": watch}
        done = board.deploy(model, name, mpy_set=mpy_set, progress=told, **more)
        if app is None:
            note_stopped(board)
    if json:
        output.print_json(_json(board.port, done))
    else:
        _show_deployment(done)
        if done.app is not None:
            show_app(done.app)


def uninstall_command(
    place: PortArgument = None, port: Port = None, baud: Baud = None, json: Json = False
) -> None:
    """Remove the runtime, all models and the program at boot; the board's other files stay.

    JSON: port, removed (a list of paths).
    """
    with chosen_board(one_port(place, port), baud) as board:
        removed = board.uninstall()
    if json:
        output.print_json({"port": board.port, "removed": removed})
        return
    screen = output.console()
    for path in removed:
        screen.print(output.safe(path))
    screen.print(f"{len(removed)} files removed")


def _show_deployment(done: Deployment) -> None:
    sent, kept = len(done.files_sent), len(done.files_kept)
    moved = f"{done.sent_bytes:,} sent"
    if done.copied_bytes:
        moved += f", {done.copied_bytes:,} copied on the board from the model before"
    if done.resumed_bytes:
        moved += f", {done.resumed_bytes:,} there from an attempt that broke off"
    rows = {
        "model": f"{done.name}: {done.model_bytes:,} bytes, arena {done.arena_bytes:,} bytes",
        "sha256": done.sha256,
        "in use": done.path,
        "files": f"{sent} sent, {kept} kept",
        "bytes": moved,
        "kernels": done.mpy_set,
        "heap": f"{done.heap_start:,} bytes free, {done.heap_start - done.heap_imported:,} taken by"
        f" the runtime, {done.heap_imported - done.heap_loaded:,} by the model",
        "time": f"{done.seconds:.1f} s",
    }
    if done.tested_samples:
        rows["test"] = f"{done.tested_samples} samples on the board, every byte of the outputs"
    if done.breaks:
        rows["line"] = f"broke {done.breaks} times, and was mended"
    if done.passes:
        rows["passes"] = f"{', '.join(done.passes)}; {done.extra_macs:.1%} more MACs"
    output.print_facts(rows)


def _json(port: str, done: Deployment) -> dict[str, Any]:
    return {"port": port, **asdict(done)}


_FORM = cli_fleet.Form(
    lambda done: "deployed",
    _json,
    ("kernels", "sent", "copied", "resumed", "model", "arena", "heap left"),
    lambda done: (
        done.kernels,
        f"{done.sent_bytes:,}",
        f"{done.copied_bytes:,}",
        f"{done.resumed_bytes:,}",
        f"{done.model_bytes:,}",
        f"{done.arena_bytes:,}",
        f"{done.heap_loaded:,}",
    ),
)
