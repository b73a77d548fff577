"""The command `microinterp board flash`: firmware onto boards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from microinterp.cli import output
from microinterp.errors import DeviceError
from microinterp_boards.boards_table import find
from microinterp_boards.cli_options import Json
from microinterp_boards.deploy import Progress
from microinterp_boards.flash import firmware
from microinterp_boards.flash.flasher import Flashed, Plan, plan
from microinterp_boards.flash.running import ask, plan_from_running
from microinterp_boards.flash.targets import Wanted
from microinterp_boards.ports import choose, ports


def flash_command(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FIRMWARE",
            help="A .uf2, a micro:bit's .hex, an STM32's .dfu, an ESP's .bin; or the name of one in"
            " the cache folder.",
        ),
    ],
    volume: Annotated[
        Path | None,
        typer.Option("--volume", metavar="PATH", help="The bootloader's volume, of several."),
    ] = None,
    port: Annotated[
        str | None,
        typer.Option("--port", "-p", metavar="PORT", help="The board's serial port."),
    ] = None,
    board: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The board it is for, as in `fit`: others are refused."),
    ] = None,
    enter: Annotated[
        bool, typer.Option("--enter", help="Put a board that runs into its bootloader first.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check all, tell what would be done, do nothing.")
    ] = False,
    wait: Annotated[
        float,
        typer.Option(
            "--wait",
            min=0.0,
            metavar="SECONDS",
            help="Wait so long for a volume, and for the board afterwards; 0 does not ask it.",
        ),
    ] = 20.0,
    baud: Annotated[
        int,
        typer.Option("--baud", min=300, metavar="N", help="Bits a second, for --enter and after."),
    ] = 115200,
    json: Json = False,
) -> None:
    """Write MicroPython, or other firmware, to a board. Nothing is downloaded.

    The file's contents decide the way: a UF2 volume, a micro:bit's volume, dfu-util or esptool. It
    is checked whole, and against the board's chip, before anything is written. Only volumes that
    say that they are a board's are written to.

    Exit status: 0 written, 2 trouble. What could not be verified is said.

    JSON: way, file, target, flash_bytes, verified (what was compared; "" if nothing), note, answer
    (what the board says it runs; "" if not asked). With --dry-run: way, file, target, steps.
    """
    wanted = Wanted(firmware.read(file), None if board is None else find(board))
    if enter and volume is not None:
        raise DeviceError("--enter and --volume do not go together", hint="leave one of them away")
    before = ports()
    if enter:
        port = choose(port)
        planned = plan_from_running(wanted, port, baud, wait)
    else:
        planned = plan(wanted, volume, port, wait)
    if dry_run:
        _show_plan(planned, wanted, json)
        return
    with _progress() as progress:
        done = planned.run(progress)
    done = ask(done, wanted, before, port, wait)
    if json:
        output.print_json(asdict(done))
    else:
        _show(done)


@contextmanager
def _progress() -> Iterator[Progress]:
    with output.progress("bytes", None) as advance:
        yield lambda done, _: advance(done)


def _show_plan(planned: Plan, wanted: Wanted, json: bool) -> None:
    if json:
        file = str(wanted.firmware.path)
        facts = {"way": planned.way, "file": file, "target": planned.target}
        output.print_json(facts | {"steps": list(planned.steps)})
        return
    screen = output.console()
    for number, step in enumerate(planned.steps, 1):
        screen.print(Text(f"{number}. ") + output.safe(step, limit=2000), soft_wrap=True)
    output.note("nothing was done")


def _show(done: Flashed) -> None:
    screen = output.console()
    rows = {
        "file": done.file,
        "written": f"{done.flash_bytes:,} bytes of flash, to {done.target}",
        "verified": done.verified or "no",
        "runs": done.answer,
    }
    for key, value in rows.items():
        if value:
            line = Text(f"{key:10} ", style="bold") + output.safe(value, limit=2000)
            screen.print(line, soft_wrap=True)
    if done.note:
        output.note(done.note)
