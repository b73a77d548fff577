"""Troubles that seldom come: full disks, locks, runtimes that are missing, files that change."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter, compression, golden
from microinterp.batch import usable_cpus
from microinterp.errors import (
    InputError,
    ModelError,
    RuntimeUnavailableError,
    UnsupportedError,
    Where,
)
from microinterp.golden import leftovers
from microinterp.golden_bundle import BundleReader, BundleWriter, writer
from microinterp.input_files import NpyRows, read_csv
from microinterp.inputs import random_samples
from microinterp.interpreter import prepare_model
from microinterp.litert import Interpreter as LiteRt
from microinterp.model_builder import ModelBuilder
from microinterp.operators_file import registry_with
from microinterp.sides import open_side
from microinterp.sides.choice import sound_graph
from microinterp.sides.tflm import TflmSide
from microinterp.testing import availability, locks, updating
from microinterp.testing.settings import Case
from tests.bundle_files import HEADER, samples, write
from tests.cli import broken_models, copying_model, sums_model
from tests.golden_projects import IN_PROCESS, PLUGIN, Project
from tests.test_golden_leftovers import energy_model


class FullDisk:
    """A file that takes no more."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.mark.parametrize("is_there", [False, True])
def test_a_bundle_on_a_full_disk_leaves_what_was_there(tmp_path: Path, is_there: bool) -> None:
    path = tmp_path / "a.golden"
    if is_there:
        write(path, 3)
    before = path.read_bytes() if is_there else b""
    bundle = BundleWriter(path, HEADER)
    bundle.add(*samples(1))
    bundle._file = FullDisk(bundle._file)  # type: ignore[assignment]
    with pytest.raises(InputError, match=r"cannot write '.*a\.golden': No space left"), bundle:
        pass
    assert (path.read_bytes() if path.exists() else b"") == before
    assert list(tmp_path.iterdir()) == ([path] if is_there else [])


def test_a_bundle_that_cannot_take_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(writer.os, "replace", refused)
    with (
        pytest.raises(InputError, match=r"cannot write '.*': Invalid cross-device link"),
        BundleWriter(tmp_path / "a.golden", HEADER) as bundle,
    ):
        bundle.add(*samples(1))
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_holds_so_many_samples_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_SAMPLES", 3)
    with BundleWriter(tmp_path / "a.golden", HEADER) as bundle:
        bundle.add(*samples(3))
        with pytest.raises(InputError, match="a bundle holds 3 samples at most"):
            bundle.add(*samples(1))
    with BundleReader(tmp_path / "a.golden") as reader:
        assert reader.samples == 3


def test_locks_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks.tempfile, "gettempdir", lambda: str(tmp_path))
    with locks.alone("one") as notes:
        notes.write("kept")
    with locks.alone("one") as notes:
        notes.seek(0)
        assert notes.read() == "kept"

    def refused(file: object) -> None:
        raise OSError(37, "No locks available")

    with monkeypatch.context() as patch:
        patch.setattr(locks, "_lock", refused)
        with pytest.raises(InputError, match="for locks: No locks available"), locks.alone("one"):
            pass
    monkeypatch.setattr(locks.tempfile, "gettempdir", lambda: str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="for locks: No such file") as told, locks.alone("one"):
        pass
    assert told.value.hint == "set TMPDIR to a folder of your own"


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert availability.missing("host") == ""
    monkeypatch.setattr("microinterp.runtimes.tflm.version", lambda: None)
    assert "pip install 'microinterp[oracle]'" in availability.missing("tflm")
    monkeypatch.setattr("microinterp.runtimes.tflm.version", lambda: "1")
    assert availability.missing("tflm") == ""
    for found, words in ((None, "pip install ai-edge-litert"), (object(), "")):
        monkeypatch.setattr(availability, "find_spec", lambda name, found=found: found)
        assert availability.missing("litert-ref").endswith(words)
        assert bool(availability.missing("litert")) == bool(words)


def test_an_update_keeps_what_was_kept_and_hides_no_error(tmp_path: Path) -> None:
    model, path = sums_model(), tmp_path / "a.golden"
    for kept in ("none", "crc", "bytes"):
        golden.record(model, [np.zeros((1, 1, 4), np.int8)], path, tensors=kept)
        with BundleReader(path) as reader:
            assert updating._kept(reader.header) == kept
            header = reader.header
    case, other = Case("a", tmp_path / "m", path), copying_model((1, 3))
    told = updating._change(case, header, "tflm", other, "host", None)
    assert "input" in told  # another file may have other inputs: it is recorded anew
    same = replace(header, model_sha256=hashlib.sha256(other).hexdigest())
    with pytest.raises(InputError):  # the same file may not: the bundle is damaged
        updating._change(case, same, "tflm", other, "host", None)


def test_an_op_that_cannot_work_with_leftovers_is_no_use_to_find_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then every op counts as one that may hold some."""
    model = energy_model(1, 3)
    prepared = prepare_model(model)
    invoke, calls = Interpreter.invoke, []

    def failing(self: Interpreter, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise InputError("op 4 cannot work with these numbers")
        return invoke(self, *arguments)

    monkeypatch.setattr(leftovers.Interpreter, "invoke", failing)
    found = leftovers.ops_with_leftovers(model, prepared, "tflm", None)
    assert found == {(0, op) for op in range(5)}


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.arange(8, dtype=np.int16).reshape(4, 2))
    rows = NpyRows(str(path))
    assert rows.rows(1, 3).tolist() == [[2, 3], [4, 5]]
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) - 1)
    with pytest.raises(InputError, match="has become shorter while it was read"):
        rows.rows(3, 4)
    path.unlink()
    with pytest.raises(InputError, match=r"cannot read '.*x\.npy': No such file"):
        rows.rows(0, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it has no numbers"),
        ("\n \n", "it has no numbers"),
        ("1,2\n1_0,2\n", "line 2: '1_0' is not a finite number"),
        ("1,nan\n", "line 1: 'nan' is not a finite number"),
        ("1,2\n1\n", "line 2 has 1 columns, the rows before it 2"),
    ],
)
def test_text_without_numbers(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_csv(str(tmp_path / "x.csv"))


def test_tensors_are_asked_for_in_the_first_run() -> None:
    pytest.importorskip("tflite_micro")
    model = sums_model()
    x = np.full((1, 1, 4), 4, np.int8)
    with TflmSide(model, sound_graph(model)) as side:
        assert side.run([x]).outputs[0].tolist() == [[[4, 0]]]
        with pytest.raises(InputError, match=r"TFLM does not keep them\n.*in the first one"):
            side.run([x], [(0, 0, 2)])


def test_a_board_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "microinterp_boards.side", None)
    with pytest.raises(RuntimeUnavailableError, match="need the package microinterp_boards"):
        open_side("board", sums_model())


def test_a_graph_that_is_not_sound_is_refused() -> None:
    with pytest.raises(ModelError, match="has a negative dimension"):
        sound_graph(broken_models()["rules"][0])
    unknown = sound_graph(broken_models()["operators"][0])  # another runtime may have them
    assert [node.name for node in unknown.main.nodes] == ["TILE", "Flying[bold]"]


def test_inputs_of_a_batch_are_as_many() -> None:
    it = Interpreter.from_bytes(copying_model((1, 2), count=2))
    x = np.zeros((3, 1, 2), np.int8)
    with pytest.raises(InputError, match="inputs of a batch have 3, 2 samples"):
        it.run_batch(x, x[:2])
    assert len(it.run_batch(x, x)[1]) == 3


def test_processors_where_nobody_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    for count, usable in ((7, 7), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        assert usable_cpus() == usable


def test_no_random_complex_numbers() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    g.output(g.input("x", (2,), "complex64"))
    graph = sound_graph(b.finish())
    with pytest.raises(InputError, match="no random numbers of type complex64"):
        random_samples(graph.main.inputs, 1, 0)


def test_a_syntax_error_of_a_users_file_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text("x = 1\n\nthis is no Python\n")
    with pytest.raises(InputError, match=r"own\.py' fails in line 3: SyntaxError"):
        registry_with(str(path))
    path.write_text("raise SystemExit('gone')\n")
    with pytest.raises(InputError, match=r"own\.py' fails in line 1: SystemExit: gone"):
        registry_with(str(path))


def test_a_place_may_be_an_operator_alone() -> None:
    assert str(Where(op_name="CON\x1b")) == "CON\\x1b"
    assert str(Where(subgraph=1, op_index=2)) == "subgraph 1, op 2 ?"


def test_a_signature_of_another_subgraph_is_refused() -> None:
    b = ModelBuilder()
    for name in ("main", "second"):
        g = b.subgraph(name)
        x, y = g.input("x", (2,), "float32"), g.tensor("y", (2,), "float32")
        g.op("NEG", [x], [y])
        g.output(y)
        b.signature(name, {"x": x}, {"y": y}, subgraph=g.index)
    it = LiteRt(model_content=b.finish())
    assert it.get_signature_runner("main")(x=np.ones(2, np.float32))["y"].tolist() == [-1, -1]
    with pytest.raises(UnsupportedError, match="'second' runs subgraph 1"):
        it.get_signature_runner("second")


def test_the_first_compression_metadata_with_contents_counts() -> None:
    def model(*entries: tuple[str, int]) -> Any:
        named = [SimpleNamespace(name=name, buffer=buffer) for name, buffer in entries]
        return SimpleNamespace(metadata=named, buffers=[b"", None, b"one", b"two"])

    key = compression.METADATA_NAME
    assert compression.metadata_buffer(model((key, 1), (key, 2), (key, 3))) == b"one"
    assert compression.metadata_buffer(model(("other", 2), (key, 3))) == b"two"
    for buffer in (0, 1, 4):
        assert compression.metadata_buffer(model((key, buffer))) is None


def test_a_fault_of_ours_in_a_golden_test_is_shown_whole(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A difference is told without code; a fault has its traceback."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    project = Project(pytester, monkeypatch)
    project.toml()
    monkeypatch.setattr("microinterp.pytest_plugin._hold", broken)
    result = pytester.runpytest_inprocess(*PLUGIN, *IN_PROCESS)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ZeroDivisionError: a fault of ours*"])
    assert "raise ZeroDivisionError" in result.stdout.str()
