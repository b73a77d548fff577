"""Data sets that are folders of pictures, sounds or .npy files: one folder per class, or a list."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass, field

import numpy as np

from microinterp.errors import InputError, printable, printable_path
from microinterp.evaluation.arrays import numbered
from microinterp.evaluation.data import Data
from microinterp.files import read_bytes, unreadable
from microinterp.input_files import suffix_of
from microinterp.inputs import IMAGE_SUFFIXES

LIST_NAME = "labels.csv"
_SUFFIXES = (*IMAGE_SUFFIXES, ".wav", ".npy")
_LIST_BYTES = 256 << 20
_HEADER = ("file", "label", "sequence")


@dataclass
class _Found:
    """Files in order, the label and the sequence of each, and how many were left out."""

    paths: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    sequences: list[str] = field(default_factory=list)
    left_out: int = 0


def open_folder(path: str, sequences: str | None) -> Data:
    """Open a folder of pictures, sounds or .npy files.

    With a labels.csv (lines `file,label` or `file,label,sequence`) it is the files that this
    lists, in its order. Else its folders are classes, and all files in them, and below, their
    samples, sorted by name. A folder of files alone has no labels.

    Args:
        path: of the folder.
        sequences: "file" or "folder": each one is a sequence; None: what a third column of
            labels.csv says.

    Raises:
        InputError: nothing is in it, or labels.csv is wrong; says the line.
    """
    listed = os.path.join(path, LIST_NAME)
    found = _from_list(path, listed) if os.path.exists(listed) else _from_tree(path)
    name = printable_path(path)
    if not found.paths:
        raise InputError(
            f"'{name}' has no files to read",
            hint=f"it needs {', '.join(_SUFFIXES)} files, in a folder for each class or named in "
            f"{LIST_NAME} with lines file,label",
        )
    if sequences == "folder":
        found.sequences = [os.path.dirname(file) for file in found.paths]
    elif sequences == "file":
        found.sequences = [str(number) for number in range(len(found.paths))]
    elif sequences is not None:
        raise InputError(
            f"no sequences '{printable(sequences)}' in a folder",
            hint="--sequences file or folder, or a third column in labels.csv",
        )
    known: dict[str, int] = {}
    keys = [known.setdefault(key, len(known)) for key in found.sequences]
    notes: tuple[str, ...] = ()
    if found.left_out:
        notes = (f"{name}: {found.left_out} files of other kinds were left out",)
    return Data(
        name,
        None,
        tuple(found.paths),
        labels=tuple(found.labels) if found.labels else None,
        sequences=numbered(np.array(keys), name) if keys else None,
        notes=notes,
    )


def _from_tree(path: str) -> _Found:
    found = _Found()
    try:
        names = sorted(os.listdir(path))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
    classes = [n for n in names if os.path.isdir(os.path.join(path, n)) and not n.startswith(".")]
    if not classes:
        _take(found, path, names)
        return found
    for name in classes:
        before = len(found.paths)
        for folder, folders, files in os.walk(os.path.join(path, name), onerror=_refuse):
            folders[:] = sorted(each for each in folders if not each.startswith("."))
            _take(found, folder, sorted(files))
        found.labels += [name] * (len(found.paths) - before)
    loose = [n for n in names if n not in classes and suffix_of(n) in _SUFFIXES]
    if loose:
        raise InputError(
            f"'{printable_path(path)}' has folders, and files beside them such as "
            f"'{printable_path(loose[0])}'",
            hint=f"put every file into the folder of its class, or list them in {LIST_NAME}",
        )
    return found


def _refuse(error: OSError) -> None:
    raise unreadable(str(error.filename), error) from None


def _take(found: _Found, folder: str, names: list[str]) -> None:
    for name in names:
        if name.startswith("."):
            continue
        if suffix_of(name) in _SUFFIXES:
            found.paths.append(os.path.join(folder, name))
        else:
            found.left_out += 1


def _from_list(folder: str, path: str) -> _Found:
    try:
        text = read_bytes(path, _LIST_BYTES).decode("utf-8-sig")
        rows = [row for row in enumerate(csv.reader(io.StringIO(text), strict=True), 1) if row[1]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise unreadable(path, f"no sound text with commas ({error})") from None
    if rows and tuple(rows[0][1]) in (_HEADER, _HEADER[:2]):
        rows = rows[1:]
    found = _Found()
    for number, row in rows:
        if len(row) not in (2, 3) or len(row) != len(rows[0][1]) or not row[0] or "\0" in row[0]:
            raise unreadable(
                path, f"line {number}: wanted file,label or file,label,sequence on every line"
            )
        found.paths.append(os.path.join(folder, row[0]))
        found.labels.append(row[1].strip())
        found.sequences += row[2:]
    return found
