"""The serial ports of this machine, real and virtual, and the choice of one, by port or name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from serial.tools import list_ports

from microinterp.errors import DeviceError, printable
from microinterp_boards.fleet import inventory
from microinterp_boards.fleet.inventory import Entry
from microinterp_boards.virtual.registry import running_boards

BAUD = 115200
"""Bits a second where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port: path, "serial" or "virtual", its own description, USB ids if it has any."""

    port: str
    kind: str
    description: str
    vid: int | None = None
    pid: int | None = None
    serial_number: str | None = None


def ports() -> list[Port]:
    """USB and other serial ports with something behind them, then this user's virtual boards."""
    found = [
        Port(
            each.device,
            "serial",
            each.description if each.description not in (None, "n/a") else "",
            each.vid,
            each.pid,
            each.serial_number,
        )
        for each in sorted(list_ports.comports(), key=lambda each: str(each.device))
    ]
    return found + [Port(board.port, "virtual", board.description) for board in running_boards()]


class Line(NamedTuple):
    """How to reach a board: its port, bits a second, and its entry if it is in the inventory."""

    port: str
    baud: int
    entry: Entry | None = None


def choose_line(
    port: str | None = None, baud: int | None = None, fleet: Path | None = None
) -> Line:
    """The board of a port, or of a name in the inventory (`fleet`, or its usual places).

    Without a port it is the only board on USB or virtual one; a port that is neither may have
    anything behind it, and must be named. `baud` goes before what the inventory says.

    Raises DeviceError if there is none, or a choice; InputError if the inventory is wrong.
    """
    if port is None:
        return Line(_only(), baud or BAUD)
    entry = inventory.named(port, fleet)
    return Line(port, baud or BAUD) if entry is None else line_of(entry, baud)


def choose(port: str | None) -> str:
    """The port of choose_line."""
    return choose_line(port).port


def line_of(entry: Entry, baud: int | None = None) -> Line:
    """How to reach a board of the inventory.

    Raises DeviceError if USB has no such board, or several.
    """
    port = _on_usb(entry) if entry.is_on_usb else entry.port
    return Line(port, baud or entry.baud or BAUD, entry)


def _on_usb(entry: Entry) -> str:
    """The port with an entry's USB ids."""
    there = [port for port in ports() if port.vid is not None]
    found = [
        port.port
        for port in there
        if entry.usb in ("", f"{port.vid:04x}:{port.pid or 0:04x}")
        and entry.serial.lower() in ("", (port.serial_number or "").lower())
    ]
    if len(found) == 1:
        return found[0]
    ids = [f"usb {entry.usb}"] if entry.usb else []
    ids += [f"serial {printable(entry.serial)}"] if entry.serial else []
    wanted = f"'{entry.name}': {' and '.join(ids)}"
    if found:
        raise DeviceError(
            f"{wanted} is at several ports: {', '.join(printable(port) for port in found)}",
            hint="give the board's USB serial number too: `microinterp board list --json` has it",
        )
    seen = [f"{port.vid:04x}:{port.pid or 0:04x} {port.serial_number or ''}" for port in there]
    shown = ", ".join(printable(each.strip()) for each in seen)
    raise DeviceError(
        f"{wanted} is at no port", hint=f"plug it in; USB has now: {shown or 'no serial ports'}"
    )


def _only() -> str:
    all_ports = ports()
    there = [each for each in all_ports if each.kind == "virtual" or each.vid is not None]
    if not there:
        bare = ", ".join(printable(each.port) for each in all_ports)
        raise DeviceError(
            "there is no board"
            + (f" on USB, and no virtual one; other ports: {bare}" * bool(bare)),
            hint="plug one in, or start `microinterp board virtual unix` in another terminal"
            + ("; a board at another port must be named" * bool(bare)),
        )
    if len(there) > 1:
        names = ", ".join(printable(each.port) for each in there)
        raise DeviceError(f"there are several ports: {names}", hint="name the one that you mean")
    return there[0].port
