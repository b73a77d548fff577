"""Bundles and boards together: recorded from a board, checked against one, streamed to one."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp import golden
from microinterp.errors import InputError
from microinterp.golden_bundle import BundleReader, BundleWriter, describe
from microinterp.graph import build
from microinterp.inputs import random_samples
from microinterp.interpreter import prepare_model
from microinterp.model import load
from microinterp_boards import Board, ports, virtual_board
from microinterp_boards.expected import samples_of
from microinterp_boards.packing import pack_for_board
from microinterp_boards.ports import Port
from microinterp_boards.side import BoardSide
from tests.boards.model_boards import LARGE_HEAP, MODEL, change_byte, model_in_use, weight_of
from tests.boards.test_board_golden import DIGITS, good, on_board
from tests.cli import good_json, refused
from tests.test_wakewords import wakeword

pytestmark = pytest.mark.usefixtures("interpreter")

INPUTS = random_samples(prepare_model(DIGITS).graph.main.inputs, 12, 3)


@pytest.fixture
def port() -> Iterator[str]:
    """A board with digits on it."""
    with virtual_board(heap=LARGE_HEAP) as port:
        with Board(port, patience=5) as board:
            board.deploy(MODEL)
        yield port


def break_weight(port: str, op: int) -> None:
    with Board(port, patience=5) as board:
        change_byte(board, weight_of(model_in_use(board), op))


def test_checksums_are_taken_on_the_board(
    port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "b"
    monkeypatch.delattr(BoardSide, "run")  # which would send every tensor's bytes
    golden.record(DIGITS, INPUTS, path, runtime=f"board:{port}")
    assert golden.check(DIGITS, path).equal
    result = golden.check(DIGITS, path, runtime=f"board:{port}")
    assert (result.equal, result.compared_crcs) == (True, 10 * len(INPUTS[0]))
    break_weight(port, 4)
    result = golden.check(DIGITS, path, runtime=f"board:{port}")
    assert result.first is not None
    assert (result.first.op_index, result.first.element) == (4, None)


def test_the_only_board_needs_no_port(
    port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = [Port(port, "virtual", "")]
    monkeypatch.setattr(ports, "ports", lambda: there)
    bundle = str(tmp_path / "b")
    by_board = ("--runtime", "board")
    good_json("golden", "record", str(MODEL), "--samples", "2", *by_board, "-o", bundle)
    with BundleReader(bundle) as reader:
        assert reader.header.runtime == f"board:{port}"
    assert good_json("compare", str(MODEL), "--with", "board", "--samples", "2")["equal"]
    there.append(Port("COM9", "virtual", ""))
    check = ("golden", "check", str(MODEL), bundle)
    for command in ((*check, *by_board), ("compare", str(MODEL), "--with", "board")):
        assert f"there are several ports: {port}, COM9" in refused(*command)
    assert "no runtime 'board:'" in refused(*check, "--runtime", "board:")


def test_a_bundle_recorded_from_a_board_is_the_hosts(port: str, tmp_path: Path) -> None:
    for tensors in golden.TENSORS:
        files = []
        for runtime in (f"board:{port}", "host"):
            path = tmp_path / "b"
            golden.record(DIGITS, INPUTS, path, runtime=runtime, tensors=tensors)
            with BundleReader(path) as reader:
                header = reader.header
                files.append([header.checks, header.has_tensors, list(map(flat, reader))])
            assert header.runtime == runtime
            assert golden.check(DIGITS, path, runtime=f"board:{port}").equal
        assert files[0] == files[1]
        assert len(files[0][0]) == (0 if tensors == "none" else 10)


def flat(chunk: Any) -> list[bytes]:
    arrays = [*chunk.inputs, *chunk.outputs, chunk.crcs, *chunk.tensors]
    return [array.tobytes() for array in arrays]


@pytest.mark.parametrize("op", [0, 5])
def test_a_wrong_weight_on_a_board_is_placed(port: str, op: int, tmp_path: Path) -> None:
    path = tmp_path / "b.golden"
    golden.record(DIGITS, INPUTS, path)
    break_weight(port, op)
    result = golden.check(DIGITS, path, runtime=f"board:{port}")
    assert not result.equal
    assert result.first is not None
    node = build(load(DIGITS)).main.nodes[op]
    assert (result.first.op_index, result.first.op_name) == (op, node.name)


def test_compare_with_a_board(port: str) -> None:
    command = ("compare", str(MODEL), "--with", f"board:{port}", "--samples", "4", "--json")
    told = good_json(*command)
    assert (told["equal"], told["differing_elements"], told["first_op"]) == (True, 0, None)


def test_a_board_without_the_model(tmp_path: Path) -> None:
    path = tmp_path / "b.golden"
    golden.record(DIGITS, INPUTS, path)
    with virtual_board() as port:
        text = refused("golden", "check", str(MODEL), str(path), "--runtime", f"board:{port}")
    assert "microinterp board deploy MODEL --port" in text


@pytest.mark.parametrize("tensors", golden.TENSORS)
def test_what_golden_record_writes_is_read_on_the_board(tensors: str, tmp_path: Path) -> None:
    golden.record(DIGITS, INPUTS, tmp_path / "b", tensors=tensors)
    (found,) = on_board("told('b')", pack_for_board(DIGITS).packed, tmp_path)
    assert found == good(12, checks=0 if tensors == "none" else 10)


def test_an_appended_bundle_of_a_model_with_state(tmp_path: Path) -> None:
    data = wakeword("okay_nabu")
    inputs = random_samples(prepare_model(data).graph.main.inputs, 5, 1)
    golden.record(data, [inputs[0][:3]], tmp_path / "b")
    golden.record(data, [inputs[0][3:]], tmp_path / "b", append=True)
    (found,) = on_board("told('b')", pack_for_board(data).packed, tmp_path)
    assert (found["equal"], found["samples"]) == (True, 5)


def test_twenty_thousand_samples_are_not_in_memory_at_once(tmp_path: Path) -> None:
    """`validate` takes a bundle chunk by chunk: its arrays would be 1.5 MB."""
    model, count = pack_for_board(DIGITS), 20_000
    header = describe(model.prepared.graph, "tflm", "host", "0")
    rng = np.random.default_rng(0)
    with BundleWriter(tmp_path / "b", header) as bundle:
        for _ in range(20):
            shape = count // 20, 1
            x = rng.integers(-128, 128, (*shape, 8, 8, 1), np.int8)
            y = rng.integers(-128, 128, (*shape, 10), np.int8)
            bundle.add([x], [y])
    assert (tmp_path / "b").stat().st_size > 74 * count
    tracemalloc.start()
    try:
        samples = samples_of(model, None, tmp_path / "b", 0)
        total = sum(int(i[0].sum()) for i, _ in samples.each())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    print(f"\npeak {peak} bytes for a bundle of {(tmp_path / 'b').stat().st_size}")
    assert samples.count == count
    assert total == sum(int(c.inputs[0].sum()) for c in BundleReader(tmp_path / "b"))
    assert peak < 700_000
    few = samples_of(model, 1500, tmp_path / "b", 0)
    assert (few.count, sum(1 for _ in few.each())) == (1500, 1500)


def test_a_bundle_damaged_at_its_end_is_refused_before_anything_runs(
    port: str, tmp_path: Path
) -> None:
    path = tmp_path / "b.golden"
    golden.record(DIGITS, INPUTS, path)
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    told: list[tuple[int, int]] = []
    with Board(port, patience=5) as board, pytest.raises(InputError, match="damaged"):
        board.validate(MODEL, golden=path, progress=lambda *done: told.append(done))
    assert not told
