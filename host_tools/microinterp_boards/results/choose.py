"""How a run is named: its number, a label, `latest`, or a .json file that `board bench` wrote.

A label, and `latest`, mean the newest such run; beside another run they mean the newest of the same
model and board that is not that run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from microinterp.errors import InputError, printable, printable_path
from microinterp.files import read_bytes
from microinterp_boards.results.record import parse
from microinterp_boards.results.store import LATEST, Kept, Store

MAX_BYTES = 64 << 20
"""A result of a hundred thousand ops has less."""
Opened = Callable[[], Store]
"""Gives the file of runs; it is not asked where all runs are .json files."""


def read_json(path: str | os.PathLike[str]) -> Kept:
    """The result in a file that `board bench --json` has written. Raises InputError."""
    data = read_bytes(path, MAX_BYTES)
    try:
        return Kept(None, None, parse(data))
    except InputError as error:
        name = printable_path(str(path))
        raise InputError(f"cannot use '{name}': {error.message}", hint=error.hint) from None


def pick(opened: Opened, name: str, beside: Kept | None = None) -> Kept:
    """The run that a name means. Raises InputError if there is none."""
    if name.endswith(".json"):
        return read_json(Path(name))
    if is_number(name):
        return opened().run(int(name))
    label = None if name == LATEST else name
    if beside is None:
        found = opened().runs(label=label, limit=1)
    else:
        run = beside.run
        found = _others(opened().runs(run.name, run.machine, label, limit=2), beside)
        found = found or _others(opened().runs(label=label, limit=2), beside)
    if not found:
        raise _none(opened(), name, beside)
    return found[0]


def pick_two(opened: Opened, before: str, after: str) -> tuple[Kept, Kept]:
    """Two runs to compare; what a number or a file names is chosen first."""
    if _is_one(before) and not _is_one(after):
        first = pick(opened, before)
        return first, pick(opened, after, beside=first)
    second = pick(opened, after)
    first = pick(opened, before, beside=None if _is_one(before) else second)
    if first.run.raw == second.run.raw:
        both = f"'{printable(before)}' and '{printable(after)}'"
        raise InputError(f"{both} are the same run: there is nothing to compare")
    return first, second


def is_number(name: str) -> bool:
    """Whether a name is a run's number; 18 digits fit any count."""
    return name.isascii() and name.isdecimal() and len(name) <= 18


def _is_one(name: str) -> bool:
    """Whether a name means the same run whatever stands beside it."""
    return name.endswith(".json") or is_number(name)


def _others(found: list[Kept], beside: Kept) -> list[Kept]:
    return [each for each in found if each.id != beside.id]


def _none(store: Store, name: str, beside: Kept | None) -> InputError:
    other = "" if beside is None or beside.id is None else f" other than run {beside.id}"
    what = "run" if name == LATEST else f"run with the label '{printable(name)}'"
    return InputError(
        f"there is no {what}{other} in '{printable_path(str(store.path))}'",
        hint="`board bench --save --label NAME` keeps a run with a label, `board results label"
        " RUN NAME` labels one that is kept",
    )
