"""Models as generated MicroPython source, for boards whose firmware loads no .mpy files.

`generate` writes a module from a packed model; `install` puts it on a board as two files, if it
fits; `session` runs it, as microinterp_boards.session runs packed models; `fit` has the account of
the heap.
"""

from __future__ import annotations

from microinterp_boards.probe import Probe

NAME = "source"
"""Stands where boards with .mpy files have the name of a set of them."""


def is_for(board: Probe) -> bool:
    """Whether a board takes models in this form only: it loads no .mpy files at all."""
    return board.mpy_version == 0
