"""Host tools for MicroPython boards: find, talk, deploy, validate, bench."""

from __future__ import annotations

from microinterp_boards.board import Board
from microinterp_boards.probe import Probe
from microinterp_boards.virtual import virtual_board

__all__ = ["Board", "Probe", "virtual_board"]
__version__ = "0.1.0"
