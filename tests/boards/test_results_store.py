"""The file of runs: what is saved is there, once, whole, and in order; no other file is touched."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from microinterp.errors import InputError
from microinterp_boards.results import store as store_module
from microinterp_boards.results.store import APPLICATION, Store
from tests.boards.bench_results import counted, result
from tests.boards.unix_port import ROOT

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results of mine.sqlite"


def change(path: Path, statement: str, *values: object) -> None:
    """What another program might do to the file."""
    with sqlite3.connect(path) as database:
        database.execute(statement, values)
    database.close()


def refuses(path: Path, *, write: bool = False) -> str:
    with pytest.raises(InputError) as raised, Store(path, write=write) as store:
        store.runs()
    assert str(path) in str(raised.value)
    return str(raised.value)


def test_what_is_saved_is_there(path: Path) -> None:
    first, second = result(), counted()
    with Store(path, write=True) as store:
        assert (store.save(first), store.save(second, "baseline")) == (1, 2)
    with Store(path) as store:
        assert [(kept.id, kept.label, kept.run.raw) for kept in store.runs()] == [
            (2, "baseline", second),
            (1, None, first),
        ]
        assert store.run(1).run.raw == first
        with pytest.raises(InputError, match="there is no run 3 in"):
            store.run(3)
        with pytest.raises(InputError, match="there is no run"):
            store.run(1 << 70)


def test_the_newest_is_the_one_measured_last(path: Path) -> None:
    early, late = result(), result()
    with Store(path, write=True) as store:
        assert store.save_all([late, early]) == [1, 2]
        assert [kept.id for kept in store.runs()] == [1, 2]
        assert [kept.id for kept in store.runs(limit=1)] == [1]


def test_filters(path: Path) -> None:
    with Store(path, write=True) as store:
        store.save(result())
        store.save(result(model__name="kws"), "a")
        store.save(result(board__machine="ESP32 100% _"), "b")

        def numbers(**given: str) -> list[int | None]:
            return [kept.id for kept in store.runs(**given)]

        assert numbers(model="kws") == [2]
        assert numbers(board="Pico with RP2040") == [2, 1]
        assert numbers(board="Pico") == []
        assert numbers(part_of_board="pico") == [2, 1]
        assert numbers(part_of_board="% _") == [3]
        assert numbers(part_of_board="%") == [3]
        assert numbers(part_of_board="pico", label="a", model="kws") == [2]
        assert numbers(label="c") == []
        assert numbers(label="\udcff") == []


def test_a_run_is_kept_once(path: Path) -> None:
    made = result()
    turned = dict(reversed(made.items()))
    with Store(path, write=True) as store:
        assert store.save(made, "first") == 1
        assert store.save(turned) == 1
        assert store.run(1).label == "first"
        assert store.save(turned, "second") == 1
        assert store.run(1).label == "second"
        assert len(store.runs()) == 1


def test_labels_and_removal(path: Path) -> None:
    with Store(path, write=True) as store:
        store.save_all([result(), result(), result()])
        store.set_label(1, "grün 1")
        assert store.run(1).label == "grün 1"
        store.set_label(1, None)
        assert store.run(1).label is None
        with pytest.raises(InputError, match="there is no run 4"):
            store.set_label(4, "a")
        with pytest.raises(InputError, match="there is no run 4"):
            store.remove_all([1, 4])
        assert len(store.runs()) == 3  # all or none
        store.remove_all([3, 3])
        assert store.save(result()) == 4  # a number is not given twice


@pytest.mark.parametrize("label", ["", "7", "latest", "a.json", " a", "a\n", "\x1b[1m", "x" * 41])
def test_what_is_no_label(path: Path, label: str) -> None:
    with Store(path, write=True) as store:
        with pytest.raises(InputError, match="cannot be a label"):
            store.save(result(), label)
        assert store.runs() == []


def test_several_are_kept_or_none(path: Path) -> None:
    with Store(path, write=True) as store:
        with pytest.raises(InputError, match="its field median is out of range"):
            store.save_all([result(), result(median=-1)])
        with pytest.raises(InputError, match="NaN"):
            store.save(result(board__frequency=float("nan")))
        assert store.runs() == []


def test_a_missing_file_is_not_made_by_reading(path: Path) -> None:
    assert "there is no file of results" in refuses(path)
    assert not path.exists()


def test_an_empty_file(path: Path) -> None:
    path.touch()
    assert "holds no results yet" in refuses(path)
    assert path.read_bytes() == b""
    with Store(path, write=True) as store:
        assert store.save(result()) == 1


@pytest.mark.parametrize("write", [False, True])
def test_a_newer_version_is_refused(path: Path, write: bool) -> None:
    Store(path, write=True).close()
    change(path, "PRAGMA user_version = 2")
    said = refuses(path, write=write)
    assert "is of version 2, and this microinterp knows version 1" in said
    assert "a newer microinterp has written it" in said


@pytest.mark.parametrize("write", [False, True])
def test_another_programs_database_is_left_alone(path: Path, write: bool) -> None:
    change(path, "CREATE TABLE runs (name)")
    before = path.read_bytes()
    assert "is a database of another program" in refuses(path, write=write)
    assert path.read_bytes() == before


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("data", [b"no database " * 1000, b"SQLite format 3\0" + bytes(4080)])
def test_what_is_no_database_is_left_alone(path: Path, data: bytes, write: bool) -> None:
    path.write_bytes(data)
    assert "is damaged, or no file of results" in refuses(path, write=write)
    assert path.read_bytes() == data


def test_damage_anywhere_is_an_error_or_harmless(path: Path) -> None:
    """Bytes overwritten all over a file with runs: InputError, or runs that were checked."""
    with Store(path, write=True) as store:
        store.save_all([result() for _ in range(8)])
    sound = path.read_bytes()
    troubles = 0
    for start in range(0, len(sound), 509):
        path.write_bytes(sound[:start] + b"\xa5" * 64 + sound[start + 64 :])
        try:
            with Store(path) as store:
                assert len(store.runs()) <= 8
        except InputError as error:
            assert str(path) in str(error)  # noqa: PT017
            troubles += 1
    assert troubles > 10
    path.write_bytes(sound[: len(sound) // 2])
    assert "is damaged" in refuses(path)


def test_a_table_and_values_of_other_kinds(path: Path) -> None:
    with Store(path, write=True) as store:
        store.save(result())
    for value in (b"{}", 7, "{}", "[", json.dumps(result(median=-1))):
        change(path, "UPDATE runs SET result = ?", value)
        assert "run 1 of" in refuses(path)
    with Store(path, write=True) as store:
        store.remove_all([1])
        assert store.runs() == []
    change(path, "ALTER TABLE runs RENAME COLUMN label TO title")
    assert "is damaged" in refuses(path)


def test_a_folder_and_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none" / "a.sqlite", Path("/proc/a.sqlite")):
        with pytest.raises(InputError, match="cannot be opened, or its folder not be written"):
            Store(path, write=True)
    with pytest.raises(InputError, match="zero byte"):
        Store(tmp_path / "a\0b", write=True)


@pytest.fixture
def locked() -> Iterator[Path]:
    """A read-only file with one run, in a read-only folder; root becomes nobody meanwhile."""
    if not hasattr(os, "geteuid"):
        pytest.skip("Windows has other rights")
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to nobody
        path = Path(name) / "results.sqlite"
        with Store(path, write=True) as store:
            store.save(result())
        path.chmod(0o444)
        path.parent.chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(NOBODY)
        try:
            yield path
        finally:
            if root:
                os.seteuid(0)
            path.parent.chmod(0o755)


def test_a_read_only_folder_can_be_read(locked: Path) -> None:
    with Store(locked) as store:
        assert len(store.runs()) == 1
    with pytest.raises(InputError, match="cannot be written"):
        Store(locked, write=True)
    with pytest.raises(InputError, match="cannot be opened, or its folder not be written"):
        Store(locked.with_name("new.sqlite"), write=True)


def test_a_file_that_can_be_written_in_a_folder_that_cannot(locked: Path) -> None:
    """SQLite needs a journal beside it."""
    user = os.geteuid()
    if user == NOBODY:
        os.seteuid(0)
        os.chown(locked, NOBODY, -1)
        os.seteuid(NOBODY)
    locked.chmod(0o644)
    with Store(locked) as store:
        assert len(store.runs()) == 1
    with pytest.raises(InputError, match="cannot be written, or its folder not be"):
        Store(locked, write=True)


def test_a_file_without_leave_to_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root, who may write anything: SQLite itself opens it for reading only."""
    with Store(path, write=True) as store:
        store.save(result())
    monkeypatch.setattr(
        store_module, "_address", lambda path, mode: f"{path.absolute().as_uri()}?mode=ro"
    )
    with Store(path) as store:
        assert len(store.runs()) == 1
    with pytest.raises(InputError, match="cannot be written"):
        Store(path, write=True)


def test_a_full_disk(path: Path) -> None:
    """What does not fit is not there in part; what was there stays."""
    with Store(path, write=True) as store:
        store.save(result())
        store._database.execute("PRAGMA max_page_count = 1")  # the least is what there is
        with pytest.raises(InputError, match="cannot be written: database or disk is full"):
            store.save_all([result() for _ in range(9)])
        assert [kept.id for kept in store.runs()] == [1]
        store._database.execute("PRAGMA max_page_count = 100000")
        assert store.save(result()) == 2


WRITER = """
import json, sys
from microinterp_boards.results.store import Store
for text in sys.stdin.read().splitlines():
    with Store(sys.argv[1], write=True) as store:
        store.save(json.loads(text))
"""


def test_processes_that_write_at_once(path: Path) -> None:
    """From no file at all: each run is there once."""
    shares = [[result() for _ in range(12)] for _ in range(3)]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, cwd=ROOT)
        for _ in shares
    ]
    for writer, share in zip(writers, shares, strict=True):
        assert writer.stdin is not None
        writer.stdin.write("\n".join(map(json.dumps, share)).encode())
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    with Store(path) as store:
        kept = store.runs()
    assert sorted(each.id or 0 for each in kept) == list(range(1, 37))
    wanted = {made["timestamp"] for share in shares for made in share}
    assert {each.run.timestamp for each in kept} == wanted


def test_somebody_who_does_not_end_writing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_PATIENCE", 0.2)
    with Store(path, write=True) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InputError, match=r"another process has been writing to it for 0\.2 s"):
            store.save(result())
        assert "another process" in refuses(path)
        other.execute("ROLLBACK")
        assert store.save(result()) == 1
        other.close()


def test_a_writer_that_was_killed_leaves_what_was_there(path: Path, tmp_path: Path) -> None:
    """A copy of file and journal in the middle of a transaction is what a power cut leaves."""
    with Store(path, write=True) as store:
        store.save_all([result() for _ in range(40)])
    before = path.read_bytes()
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA cache_size = 1")  # so that it writes into the file before its end
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE runs SET result = 'gone' || result, label = 'gone'")
    left = tmp_path / "left.sqlite"
    shutil.copy(path, left)
    shutil.copy(f"{path}-journal", f"{left}-journal")
    writer.execute("ROLLBACK")
    writer.close()
    assert left.read_bytes() != before
    with Store(left) as store:
        assert len(store.runs()) == 40
    assert left.read_bytes() == before


def test_the_file_says_whose_it_is(path: Path) -> None:
    Store(path, write=True).close()
    data = path.read_bytes()
    assert data[68:72] == b"muIR"  # where `file` looks for SQLite's application_id
    assert int.from_bytes(data[68:72], "big") == APPLICATION
