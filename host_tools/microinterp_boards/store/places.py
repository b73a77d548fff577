"""Where a board's models lie, asked over the raw REPL."""

from __future__ import annotations

import re

from microinterp.errors import printable
from microinterp_boards import checked
from microinterp_boards.files import Files, FileState
from microinterp_boards.link import Link
from microinterp_boards.packing import SUFFIX

FOLDER = "models"
"""Where slots and records lie."""
_PATH = re.compile(r"(?:(models)/)?([A-Za-z0-9._-]{1,48})")


def current(link: Link, name: str) -> tuple[str, FileState | None]:
    """Path and state of the file of the model `name` that is in use; empty and None: none.

    The slot that its newest record names, else the file NAME.mipk in the board's folder.
    """
    told = checked.run(link, "current", name.encode(), SUFFIX.encode())
    path = told.decode("ascii", "backslashreplace").strip()
    return path, state_of(link, path) if path else None


def remove_all(link: Link) -> list[str]:
    """Remove all models, their slots and records, and files of models; returns their paths."""
    removed, files = [], Files(link)
    for entry in files.list():
        if not entry.is_folder and entry.name.endswith((SUFFIX, f"{SUFFIX}.part")):
            files.remove(entry.name)
            removed.append(entry.name)
        elif entry.is_folder and entry.name == FOLDER:
            folder = files.folder(FOLDER)
            names = [each.name for each in folder.list() if not each.is_folder]
            for name in names:
                folder.remove(name)
            files.remove_folder(FOLDER)
            removed += [f"{FOLDER}/{name}" for name in names]
    return removed


def state_of(link: Link, path: str) -> FileState | None:
    """Size and CRC32 of a model's file, as `current` names it; None if there is none."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise link.transport.error(f"'{printable(path)}' came instead of a model's path")
    return Files(link, match[1] or "").stat(match[2])
