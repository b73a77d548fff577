"""The log of faults: a line of JSON for each, written before the other side can see its effect."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass

from microinterp.errors import DeviceError, printable_path
from microinterp.files import read_bytes


@dataclass(frozen=True, slots=True)
class FaultEvent:
    """One fault.

    way: "to-board" or "to-host". at: offset, in all that was sent that way since the board was
    started, of the byte that was hit, or after which it happened. fault: its name in the option;
    "boot" for bytes that came while a board that was reset was not up yet. `was` has become `now`:
    a dropped byte nothing, nothing a copy. seconds: of a stall, else 0.
    """

    way: str
    at: int
    fault: str
    was: bytes
    now: bytes
    seconds: float = 0.0


def read_log(path: str | os.PathLike[str]) -> list[FaultEvent]:
    """The faults there have been so far, in their order on either way.

    Raises DeviceError if the file cannot be read, or is no log of faults.
    """
    shown = printable_path(os.fspath(path))
    text = read_bytes(path, kind=DeviceError)
    events = []
    for number, line in enumerate(text.split(b"\n")[:-1], 1):  # a last one may be half written
        try:
            way, at, fault, was, now, seconds = json.loads(line)
            event = FaultEvent(
                str(way), int(at), str(fault), bytes.fromhex(was), bytes.fromhex(now), seconds
            )
        except (ValueError, TypeError):
            raise DeviceError(f"line {number} of '{shown}' is no line of a log of faults") from None
        events.append(event)
    return events


def after_faults(sent: bytes, events: Iterable[FaultEvent], way: str) -> bytes:
    """What came out of the line, by the log, of `sent`: all bytes that went in on that way.

    Raises DeviceError if the log is not of these bytes.
    """
    out, done = bytearray(), 0
    for event in events:
        if event.way != way:
            continue
        if event.at >= done:
            out += sent[done : event.at + 1]
            done = event.at + 1
        if event.at >= len(sent) or not out.endswith(event.was):
            raise DeviceError(f"the log of faults is of other bytes, from byte {event.at} on")
        out[len(out) - len(event.was) :] = event.now
    return bytes(out + sent[done:])
