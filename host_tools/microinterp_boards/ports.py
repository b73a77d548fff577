"""The serial ports of this machine, real and virtual, and the choice of one."""

from __future__ import annotations

from dataclasses import dataclass

from serial.tools import list_ports

from microinterp.errors import DeviceError, printable
from microinterp_boards.virtual.registry import running_boards


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


def choose(port: str | None) -> str:
    """`port`, or the only board there is. Raises DeviceError if there is none, or a choice.

    A port that is neither on USB nor virtual counts only if there is no other.
    """
    if port is not None:
        return port
    there = ports()
    there = [each for each in there if each.kind == "virtual" or each.vid is not None] or there
    if not there:
        raise DeviceError(
            "there is no board", hint="plug one in, or start `microinterp board virtual unix`"
        )
    if len(there) > 1:
        names = ", ".join(printable(each.port) for each in there)
        raise DeviceError(f"there are several ports: {names}", hint="name the one that you mean")
    return there[0].port
