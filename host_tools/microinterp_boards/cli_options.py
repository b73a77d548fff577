"""Arguments and options that commands for models on boards share, and what is made of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from microinterp.cli import options, output
from microinterp.cli.amounts import parse_bytes
from microinterp.cli.passes import parse_passes
from microinterp.errors import DeviceError
from microinterp_boards.board import Board
from microinterp_boards.deploy import Progress
from microinterp_boards.fleet.work import opened, require_expected
from microinterp_boards.packing import MemoryPasses
from microinterp_boards.ports import choose_line

Model = options.Model
Seed = options.Seed
Json = options.Json
Port = Annotated[
    str | None,
    typer.Option(
        "--port",
        "-p",
        metavar="PORT",
        help="The board's port, or its name in fleet.toml; else the only board.",
    ),
]
PortArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="PORT",
        help="The same as --port: /dev/ttyACM0, COM3, /dev/pts/4, socket://host:port, ..., or a"
        " name in fleet.toml.",
    ),
]
Baud = Annotated[
    int | None,
    typer.Option(
        "--baud", min=300, metavar="N", help="Bits a second; 115200 if not told. Not for USB."
    ),
]
Name = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="The model's name on the board; else the file's."),
]


def one_port(argument: str | None, option: str | None) -> str | None:
    """The port of a command that takes it as PORT and as --port. Raises DeviceError for two."""
    if argument is not None and option is not None and argument != option:
        raise DeviceError("PORT and --port name two boards", hint="give one of them")
    return option if argument is None else argument


def memory_passes(passes: str, ram: str | None, max_extra_macs: float) -> MemoryPasses:
    """Memory passes as the options name them. Raises InputError."""
    limit = None if ram is None else parse_bytes(ram)
    return MemoryPasses(parse_passes(passes), limit, max_extra_macs)


def as_taken(memory: MemoryPasses) -> dict[str, Any]:
    """What Board's methods take of memory passes."""
    limit, most = memory.ram_limit, memory.max_extra_macs
    return {"passes": memory.names, "ram_limit": limit, "max_extra_macs": most}


@contextmanager
def chosen_board(
    port: str | None, baud: int | None, fleet: Path | None = None, wait: float = 0.0
) -> Iterator[Board]:
    """The board that a command line names, open; one of the inventory must be what that says."""
    line = choose_line(port, baud, fleet)
    with opened(line, wait) as board:
        if line.entry is not None:
            require_expected(line.entry, board)
        yield board


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """A bar, which learns how much there is to do only on the way."""
    with output.progress(what, 1000) as advance:
        yield lambda done, of: advance(1000 * done // max(of, 1))
