"""The commands `microinterp board ...`: find, look at, talk to and imitate boards.

Commands for models, firmware, programs at boot and results have files of their own, cli_NAME.py;
what their options share is in cli_options.py.
"""

from __future__ import annotations

from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from microinterp.cli import output
from microinterp.errors import DeviceError, printable
from microinterp_boards import (
    cli_app,
    cli_bench,
    cli_deploy,
    cli_flash,
    cli_mlperf,
    cli_results,
    cli_store,
    cli_validate,
)
from microinterp_boards.board import Board
from microinterp_boards.cli_options import Baud, Json, Port, PortArgument, one_port
from microinterp_boards.ports import choose_line, ports
from microinterp_boards.probe import Probe
from microinterp_boards.shell import shell
from microinterp_boards.virtual import KINDS, virtual_board
from microinterp_boards.virtual.process import wait_for_end
from microinterp_boards.virtual.registry import running_boards

app = typer.Typer(
    name="board",
    help="MicroPython boards: find them, run models on them, imitate them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",  # joins the lines of a paragraph
)

_LAST_LINES = 12  # QEMU's last words end in a dump of the registers
_CAUSE = {"qemu": "; a fault in code of the board ends QEMU, and so does a kill from outside"}


@app.command("list")
def list_command(json: Json = False) -> None:
    """List the serial ports of this machine and the virtual boards that run.

    JSON: ports, a list with port, kind ("serial" or "virtual"), description, vid, pid,
    serial_number.
    """
    found = ports()
    if json:
        output.print_json({"ports": [asdict(port) for port in found]})
        return
    if not found:
        output.note("no ports; plug a board in, or start `microinterp board virtual unix`")
        return
    table = output.table("port", "kind", "USB id", "description")
    for port in found:
        usb = f"{port.vid:04x}:{port.pid:04x}" if port.vid is not None and port.pid else "-"
        table.add_row(
            output.safe(port.port), port.kind, usb, output.safe(port.description, limit=120)
        )
    output.console().print(table)


@app.command("probe")
def probe_command(
    place: PortArgument = None, port: Port = None, baud: Baud = None, json: Json = False
) -> None:
    """Tell what a board is: firmware, processor, memory, and which kernels it can run.

    A running program is interrupted; nothing is reset. JSON: port, and the fields of
    microinterp_boards.Probe; null is what the board does not tell.
    """
    line = choose_line(one_port(place, port), baud)
    with Board(line.port, baud=line.baud) as board:
        facts = board.probe()
    if json:
        output.print_json({"port": line.port, **asdict(facts)})
    else:
        _show(line.port, facts)


@app.command("virtual")
def virtual_command(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help=f"One of: {', '.join(KINDS)}.")
    ] = "unix",
    cpu: Annotated[
        str, typer.Option("--cpu", metavar="m4|m3|m7", help="qemu: its processor.")
    ] = "m4",
    heap: Annotated[
        int,
        typer.Option("--heap", metavar="BYTES", help="unix, qemu: bytes of MicroPython's heap."),
    ] = 262144,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            metavar="FOLDER",
            help="unix: its filesystem, which is kept; else one that is deleted at the end.",
        ),
    ] = None,
    flash: Annotated[
        int | None,
        typer.Option(
            "--flash",
            metavar="BYTES",
            help="unix: size of a littlefs2 filesystem, in a file of that folder.",
        ),
    ] = None,
    elf: Annotated[
        Path | None,
        typer.Option(
            "--elf",
            metavar="FILE",
            help="qemu: another MicroPython for that machine than our own.",
        ),
    ] = None,
    preload: Annotated[
        list[str] | None,
        typer.Option(
            "--preload",
            metavar="FILE[=NAME]",
            help="qemu: a file that lies in its memory and is used there. May be given often.",
        ),
    ] = None,
    faults: Annotated[
        str | None,
        typer.Option(
            "--faults",
            metavar="LIST",
            help="A bad line, such as drop=0.01,flip=0.005:3,seed=7. There are drop, flip, dup,"
            " noise and stall (=P for each byte, or P:SIZE), overflow, reset-at, die-at (=BYTES),"
            " ctrl-c, reset-on-open, seed=NUMBER, log=FILE; to-host. or to-board. before a name is"
            " that way only. See docs/faults.md.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Run a virtual board until Ctrl-C. Its port is printed first, alone on a line.

    unix: MicroPython's unix port. qemu: our own Cortex-M board, with 32-bit ints, Thumb code, and a
    clock that counts instructions. microbit: QEMU's micro:bit with Debian's old MicroPython.

    JSON: one line at the start: port, kind, heap (0 where the firmware decides), cpu (of qemu, else
    empty).
    """
    board = virtual_board(
        kind,
        cpu=cpu,
        heap=heap,
        folder=folder,
        flash=flash,
        elf=elf,
        preload=preload or (),
        faults=faults,
    )
    with board as port:
        if json:
            about = next((each for each in running_boards() if each.port == port), None)
            heap, cpu = (about.heap, about.cpu) if about else (heap, cpu)
            typer.echo(dumps({"port": port, "kind": kind, "heap": heap, "cpu": cpu}))
        else:
            typer.echo(port)
            output.note("Ctrl-C ends it; `microinterp board list` finds it in other terminals")
        try:
            said = wait_for_end(port)
        except KeyboardInterrupt:
            return
    words = "".join(f"\n  {printable(line, 200)}" for line in said.splitlines()[:_LAST_LINES])
    raise DeviceError(
        f"{port}: the virtual board ended by itself" + (f" and said:{words}" if words else ""),
        hint="start it again" + _CAUSE.get(kind, ""),
    )


@app.command("shell")
def shell_command(place: PortArgument = None, port: Port = None, baud: Baud = None) -> None:
    """Type to a board. Ctrl-] ends it; all other keys are the board's."""
    line = choose_line(one_port(place, port), baud)
    output.note(f"{line.port}: Ctrl-] ends, Ctrl-C stops a program, Ctrl-D is a soft reset")
    shell(line.port, line.baud)


app.command("deploy")(cli_deploy.deploy_command)
app.command("models")(cli_store.models_command)
app.command("app")(cli_app.app_command)
app.command("validate")(cli_validate.validate_command)
app.command("bench")(cli_bench.bench_command)
app.add_typer(cli_results.app, name="results")
app.command("uninstall")(cli_deploy.uninstall_command)
app.command("flash")(cli_flash.flash_command)
app.command("mlperf")(cli_mlperf.mlperf_command)


def _show(port: str, facts: Probe) -> None:
    def size(free: int | None, total: int | None) -> str:
        return "unknown" if free is None or total is None else f"{free:,} of {total:,} bytes free"

    implementation = f"{facts.implementation} {facts.version} ({facts.platform})"
    arch = f"{facts.mpy_version}.{facts.mpy_subversion}, {facts.architecture}"
    cpu = facts.cpu or "unknown"
    if facts.cpu_id is not None:
        cpu += f" (CPUID {facts.cpu_id:#010x})"
    if facts.cpu_architecture is not None:
        cpu += f", {facts.cpu_architecture}, {'DSP' if facts.dsp else 'no DSP'}"
    rows = {
        "port": port,
        "firmware": implementation,
        "machine": facts.machine,
        "processor": f"{cpu}, {facts.int_bits} bits",
        "frequency": "unknown" if facts.frequency is None else f"{facts.frequency / 1e6:g} MHz",
        "heap": size(facts.heap_free, facts.heap_total),
        "files": size(facts.files_free, facts.files_total),
        ".mpy": arch,
        "kernels": f"{facts.mpy_set or 'none'}: {facts.reason}",
    }
    screen = output.console()
    for key, value in rows.items():
        line = Text(f"{key:10} ", style="bold") + output.safe(value, limit=200)
        screen.print(line, soft_wrap=True)
