"""Folders of stimuli as the public runner reads them: y_labels.csv and the files that it names."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from microinterp.errors import InputError, printable, printable_path
from microinterp.files import read_bytes, unreadable

LABELS = "y_labels.csv"
_MAX_CLASSES = 1 << 16


@dataclass(frozen=True, slots=True)
class Stimulus:
    """A line of y_labels.csv.

    Attributes:
        path: of the file with its bytes.
        classes: how many there are.
        label: the true one, from 0.
        window, stride: bytes that are sent at a time, and from one such window to the next; 0
            where the file is sent as a whole.
    """

    path: Path
    classes: int
    label: int
    window: int = 0
    stride: int = 0

    def windows(self) -> Iterator[bytes]:
        """What is sent, piece by piece."""
        data = read_bytes(self.path)
        if not self.window:
            yield data
            return
        for at in range(0, len(data) - self.window + 1, self.stride):
            yield data[at : at + self.window]


def read_labels(folder: str | Path, size: int) -> list[Stimulus]:
    """The stimuli of a folder, for a model that takes `size` bytes.

    Every file's size is looked at first: an hour later is no time to find that one is wrong.

    Raises:
        InputError: the list or a file cannot be read, or does not fit; says which line.
    """
    path = Path(folder) / LABELS
    name = printable_path(str(path))
    hint = "the folder is one of the runner's: with FILE,CLASSES,CLASS in each line"
    try:
        text = read_bytes(path, hint=hint).decode()
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise unreadable(path, error, hint) from None
    if not rows:
        raise InputError(f"'{name}' names no files")
    stimuli = []
    for number, row in enumerate(rows, 1):
        try:
            found = _stimulus(Path(folder), row)
            _require_size(found, size)
        except (ValueError, OSError) as error:
            raise InputError(f"'{name}', line {number}: {printable(str(error), 300)}") from None
        stimuli.append(found)
    return stimuli


def _stimulus(folder: Path, row: list[str]) -> Stimulus:
    if len(row) not in (3, 5):
        raise ValueError("wanted FILE,CLASSES,CLASS or FILE,CLASSES,CLASS,BYTES,STRIDE")
    numbers = [_number(text) for text in row[1:]]
    found = Stimulus(folder / row[0], *numbers)
    if not 2 <= found.classes <= _MAX_CLASSES or found.label >= found.classes:
        raise ValueError(f"class {found.label} of {found.classes} is none")
    if len(row) == 5 and not (found.window and found.stride):
        raise ValueError("a window and its stride have 1 byte or more")
    return found


def _number(text: str) -> int:
    stripped = text.strip()
    if not stripped.isascii() or not stripped.isdigit() or len(stripped) > 9:
        raise ValueError(f"'{text}' is no number")
    return int(stripped)


def _require_size(found: Stimulus, size: int) -> None:
    have = found.path.stat().st_size
    if found.window:
        if found.window != size or have < size:
            raise ValueError(
                f"windows of {found.window} bytes from {have}, the model takes {size} bytes"
            )
    elif have != size:
        raise ValueError(f"'{found.path.name}' has {have} bytes, the model takes {size}")
