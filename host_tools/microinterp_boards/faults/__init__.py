"""Faults on the line of a virtual board: what may go wrong, the log of what did, and the damage."""

from __future__ import annotations

from microinterp_boards.faults.line import FaultyLine, Piece
from microinterp_boards.faults.log import FaultEvent, after_faults, read_log
from microinterp_boards.faults.options import Chance, Faults, WayFaults, parse_faults

__all__ = [
    "Chance",
    "FaultEvent",
    "Faults",
    "FaultyLine",
    "Piece",
    "WayFaults",
    "after_faults",
    "parse_faults",
    "read_log",
]
