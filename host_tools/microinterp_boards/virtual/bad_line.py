"""What the process of a virtual board is told of faults: checked for the board and this system."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from microinterp.errors import DeviceError
from microinterp.files import write_bytes
from microinterp_boards.faults.options import Faults, parse_faults

NO_FAULTS: Mapping[str, Any] = MappingProxyType({})
"""The configuration of a good line."""
_NOT_QEMU = {
    "ctrl-c": "its firmware has a receive buffer of its own, and does with 0x03 what it does",
    "reset-on-open": "QEMU has no reset pin here",
    "reset-at": "QEMU has no reset pin here",
}
_LINUX = {
    "ctrl-c": "elsewhere nothing tells whether a program has switched interrupts off",
    "reset-on-open": "elsewhere nothing tells when a port is opened",
}


def config(faults: str | Faults, kind: str) -> dict[str, Any]:
    """The part of board_process's `config` about the line of a board of that kind; empties the log.

    Raises DeviceError if the faults are none, that board or this system has not all of them, or
    the log cannot be written.
    """
    checked = parse_faults(faults) if isinstance(faults, str) else faults
    asked = {
        "ctrl-c": checked.ctrl_c,
        "reset-on-open": checked.reset_on_open,
        "reset-at": any(w.reset_at is not None for w in (checked.to_board, checked.to_host)),
    }
    for name in (name for name, is_asked in asked.items() if is_asked):
        if kind != "unix":
            raise DeviceError(
                f"the virtual board '{kind}' has no fault {name}: {_NOT_QEMU[name]}",
                hint="the board 'unix' has it",
            )
        if name in _LINUX and sys.platform != "linux":
            raise DeviceError(f"the fault {name} needs Linux: {_LINUX[name]}", hint="leave it out")
    if checked.log is not None:
        hint = "log=FILE of faults takes a file that can be written"
        write_bytes(checked.log, b"", kind=DeviceError, hint=hint)
    return {"faults": checked.config()}
