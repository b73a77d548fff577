"""The file that keeps runs: a database of SQLite's with one table, which anybody's SQL may read.

    runs(id, label, timestamp, model, board, digest, result)

`id` counts from 1 and is never given twice; `result` is the JSON text of the run, from which the
columns before it are taken; `digest` is its SHA-256, so that a run is kept once. The file's
application_id is "muIR", its user_version the version of the table. Several processes may write at
once.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microinterp.closing import Closing
from microinterp.errors import InputError, printable, printable_path
from microinterp_boards.results.record import Run, parse

DEFAULT = "microinterp_results.sqlite"
LATEST = "latest"
APPLICATION, VERSION = int.from_bytes(b"muIR", "big"), 1
_PATIENCE = 10.0  # seconds for another process to end its writing
_LABEL = 40
_TABLE = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    label TEXT,
    timestamp TEXT NOT NULL,
    model TEXT NOT NULL,
    board TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    result TEXT NOT NULL
)
"""
_COLUMNS = "SELECT id, label, result FROM runs"
_ORDER = "ORDER BY timestamp DESC, id DESC"


@dataclass(frozen=True, slots=True)
class Kept:
    """A run with its number in the file and its label, both None for one that is in no file."""

    id: int | None
    label: str | None
    run: Run


class Store(Closing):
    """A file of runs. Every method raises InputError, which names the file.

    Args:
        path: of the file; with `write`, it is made if need be.
        write: whether runs may be added or changed.
    """

    def __init__(self, path: str | os.PathLike[str] = DEFAULT, *, write: bool = False) -> None:
        self.path = Path(path)
        if not write and not self.path.exists():
            raise InputError(
                f"there is no file of results '{printable_path(str(path))}'",
                hint="`microinterp board bench MODEL --save` makes one; --results FILE names it",
            )
        with self._told():
            self._database = sqlite3.connect(
                _address(self.path, "rwc" if write else "rw"),
                timeout=_PATIENCE,
                isolation_level=None,
                uri=True,
            )
        try:
            with self._told():
                self._open(write)
        except InputError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def save(self, result: Mapping[str, Any], label: str | None = None) -> int:
        """Keep a benchmark's result; returns its number.

        One that is there already keeps its number, and takes the label if there is one.
        """
        return self.save_all([result], label)[0]

    def save_all(self, results: Sequence[Mapping[str, Any]], label: str | None = None) -> list[int]:
        """Keep several results, or on an error none; returns their numbers."""
        if label is not None:
            check_label(label)
        texts = [json.dumps(result) for result in results]
        runs = [parse(text) for text in texts]
        with self._writing() as database:
            return [
                _insert(database, run, text, label) for run, text in zip(runs, texts, strict=True)
            ]

    def runs(
        self,
        model: str | None = None,
        board: str | None = None,
        label: str | None = None,
        *,
        part_of_board: str | None = None,
        limit: int = -1,
    ) -> list[Kept]:
        """Runs, the newest first: of a model's name, of a board by its name or a part of it.

        `limit`: how many at most; -1 is all of them.
        """
        wanted = {
            "model = ?": model,
            "board = ?": board,
            "label = ?": label,
            "instr(lower(board), lower(?))": part_of_board,
        }
        given = {term: value for term, value in wanted.items() if value is not None}
        query = f"{_COLUMNS} WHERE {' AND '.join(given) or 'true'} {_ORDER} LIMIT ?"
        values = [value.encode(errors="replace").decode() for value in given.values()]
        with self._told():
            rows = self._database.execute(query, (*values, limit)).fetchall()
        return [self._kept(row) for row in rows]

    def run(self, number: int) -> Kept:
        """The run of a number."""
        self._require_number(number)
        with self._told():
            row = self._database.execute(f"{_COLUMNS} WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise self._no_run(number)
        return self._kept(row)

    def set_label(self, number: int, label: str | None) -> None:
        """Give a run a label, or take it off. Several runs may have the same."""
        if label is not None:
            check_label(label)
        self._require_number(number)
        with self._writing() as database:
            done = database.execute("UPDATE runs SET label = ? WHERE id = ?", (label, number))
        if not done.rowcount:
            raise self._no_run(number)

    def remove_all(self, numbers: Sequence[int]) -> None:
        """Forget runs, or on an error none; their numbers are not used again."""
        for number in numbers:
            self._require_number(number)
        with self._writing() as database:
            for number in dict.fromkeys(numbers):
                if not database.execute("DELETE FROM runs WHERE id = ?", (number,)).rowcount:
                    raise self._no_run(number)

    def _open(self, write: bool) -> None:
        """Make the table in an empty file, and refuse what is no file of ours.

        What can be written is known only once something was, so the version is written anew.
        """
        if not write:
            if self._is_empty():
                raise InputError(f"{self._name()} holds no results yet")
            self._require_ours()
            return
        with self._writing() as database:
            if self._is_empty():
                database.execute(_TABLE)
                database.execute(f"PRAGMA application_id = {APPLICATION}")
            else:
                self._require_ours()
            database.execute(f"PRAGMA user_version = {VERSION}")

    def _require_ours(self) -> None:
        if self._pragma("application_id") != APPLICATION:
            raise InputError(
                f"{self._name()} is a database of another program", hint="name another file"
            )
        version = self._pragma("user_version")
        if version != VERSION:
            raise InputError(
                f"{self._name()} is of version {version}, and this microinterp knows version"
                f" {VERSION}",
                hint="a newer microinterp has written it: use that one, or name another file"
                if version > VERSION
                else "it is damaged: name another file, or restore it from a copy",
            )

    def _is_empty(self) -> bool:
        count = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        return not count and not self._pragma("application_id")

    def _pragma(self, name: str) -> int:
        return int(self._database.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is in the file at its end, or nothing."""
        with self._told():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            finally:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter of a damaged schema
            raise self._trouble(error) from None

    def _trouble(self, error: Exception) -> InputError:
        text = str(error)
        name = self._name()
        if "locked" in text:
            return InputError(
                f"{name}: another process has been writing to it for {_PATIENCE:g} s",
                hint="try again when that has ended",
            )
        if "readonly" in text or "read-only" in text:
            return InputError(
                f"{name} cannot be written, or its folder not be",
                hint="name another file with --results",
            )
        if "unable to open" in text:
            return InputError(
                f"{name} cannot be opened, or its folder not be written to",
                hint="name another file with --results",
            )
        if "is full" in text:
            return InputError(f"{name} cannot be written: {text}")
        return InputError(
            f"{name} is damaged, or no file of results: {printable(text, 200)}",
            hint="name another file with --results, or restore it from a copy",
        )

    def _kept(self, row: tuple[Any, ...]) -> Kept:
        number, label, text = row
        try:
            if not isinstance(text, str) or not isinstance(label, (str, type(None))):
                raise InputError("it has values of wrong types")
            return Kept(number, label, parse(text))
        except InputError as error:
            raise InputError(
                f"run {number} of {self._name()} cannot be used: {error.message}",
                hint=error.hint or f"`microinterp board results remove {number}` takes it out",
            ) from None

    def _require_number(self, number: int) -> None:
        if not 0 < number < 1 << 63:  # SQLite's integers end there
            raise self._no_run(number)

    def _no_run(self, number: int) -> InputError:
        return InputError(
            f"there is no run {number} in {self._name()}",
            hint="`microinterp board results list` lists them",
        )

    def _name(self) -> str:
        return f"'{printable_path(str(self.path))}'"


def _insert(database: sqlite3.Connection, run: Run, text: str, label: str | None) -> int:
    digest = hashlib.sha256(json.dumps(run.raw, sort_keys=True).encode()).hexdigest()
    database.execute(
        "INSERT INTO runs (label, timestamp, model, board, digest, result)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (digest)"
        " DO UPDATE SET label = coalesce(excluded.label, label)",
        (label, run.timestamp, run.name, run.machine, digest, text),
    )
    row = database.execute("SELECT id FROM runs WHERE digest = ?", (digest,)).fetchone()
    return int(row[0])


def check_label(label: str) -> None:
    """Raise InputError unless a label can be told from a number, a file and `latest`."""
    if (
        not 1 <= len(label) <= _LABEL
        or not label.isprintable()
        or label.strip() != label
        or label.isdecimal()
        or label == LATEST
        or label.endswith(".json")
    ):
        raise InputError(
            f"'{printable(label)}' cannot be a label",
            hint=f"1 to {_LABEL} characters, no number, not '{LATEST}', not the name of a .json",
        )


def _address(path: Path, mode: str) -> str:
    if "\0" in str(path):
        raise InputError("a file's name cannot hold a zero byte")
    return f"{path.absolute().as_uri()}?mode={mode}"
