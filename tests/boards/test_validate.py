"""Validation finds what is wrong, names it, and tells a wrong answer from a wrong question."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from microinterp import golden
from microinterp.errors import DeviceError, InputError
from microinterp.interpreter import Interpreter
from microinterp_boards.validate import FirstDifference
from tests.boards.conftest import Terminal
from tests.boards.model_boards import (
    GOLDEN,
    LARGE_HEAP,
    MODEL,
    NAME,
    Board,
    board_with,
    change_byte,
    model_in_use,
    other_digits,
    virtual_board,
    weight_of,
)
from tests.bundles import change_bundle
from tests.conftest import shared_model
from tests.marks import slow_but
from tests.test_wakewords import wakeword

pytestmark = pytest.mark.usefixtures("interpreter")

OPS = {0: "CONV_2D", 1: "DEPTHWISE_CONV_2D", 5: "CONV_2D", 8: "FULLY_CONNECTED"}


@pytest.mark.parametrize("per_op", [True, False])
@pytest.mark.parametrize("op_index", slow_but(OPS, 0, 8))
def test_one_wrong_weight_is_found(op_index: int, per_op: bool) -> None:
    with board_with() as board:
        board.deploy(MODEL)
        change_byte(board, weight_of(model_in_use(board), op_index))
        done = board.validate(MODEL, per_op=per_op)
        assert not done.equal
        assert not done.model_intact
        first = done.first_difference
        assert isinstance(first, FirstDifference)
        assert (first.op_index, first.name, first.subgraph) == (op_index, OPS[op_index], 0)
        node = Interpreter.from_file(MODEL).graph.main.nodes[op_index]
        assert first.tensor == node.outputs[0].index
        assert first.tensor_name == node.outputs[0].name
        assert 0 <= done.differing_samples <= done.samples == 20
        board.deploy(MODEL)
        assert board.validate(MODEL, per_op=per_op).equal


@pytest.mark.parametrize("per_op", [True, False])
def test_one_wrong_weight_in_a_model_with_state(per_op: bool) -> None:
    """Without --per-op the samples up to the difference are run again from a fresh start."""
    data = wakeword("okay_nabu")
    with board_with() as board:
        board.deploy(data, "nabu")
        nodes = Interpreter.from_bytes(data).graph.main.nodes
        last = max(node.index for node in nodes if node.name == "FULLY_CONNECTED")
        change_byte(board, weight_of(model_in_use(board, "nabu"), last), "nabu")
        first = board.validate(data, name="nabu", per_op=per_op).first_difference
        assert first is not None
        assert (first.op_index, first.name) == (last, "FULLY_CONNECTED")


def test_a_stale_model_is_named(tmp_path: Path) -> None:
    other = other_digits(tmp_path)
    with board_with() as board:
        board.deploy(other)
        for act in (board.validate, board.bench):
            with pytest.raises(DeviceError, match=r"packed from another \.tflite file") as caught:
                act(MODEL)
            for path in (other, MODEL):
                assert hashlib.sha256(path.read_bytes()).hexdigest() in caught.value.message
            assert caught.value.hint == "deploy it again"
        assert board.deploy(MODEL).files_sent == (f"models/{NAME}.b",)
        assert board.validate(MODEL).equal


def test_no_model_and_no_runtime() -> None:
    with board_with() as board:
        for act in (board.validate, board.bench):
            with pytest.raises(DeviceError, match="no runtime on the board"):
                act(MODEL)
        board.deploy(MODEL)
        for act in (board.validate, board.bench):
            with pytest.raises(DeviceError, match="there is no model 'other' on the board"):
                act(MODEL, name="other")


def test_a_runtime_that_is_not_ours() -> None:
    with board_with() as board:
        board.deploy(MODEL)
        folder = board.files.folder("lib").folder("microinterp")
        conv = folder.get("_conv.mpy")
        folder.put("_conv.mpy", conv[:-1])
        for act in (board.validate, board.bench):
            with pytest.raises(DeviceError, match="damaged or another version: 1 of") as caught:
                act(MODEL)
            assert "_conv.mpy" in caught.value.message
            assert "deploy the model again" in caught.value.hint


@pytest.mark.parametrize("position", [0, 1, 4])
def test_a_damaged_model_is_refused_by_the_board(position: int) -> None:
    with board_with() as board:
        board.deploy(MODEL)
        change_byte(board, position)
        with pytest.raises(DeviceError, match="the board raised ModelError"):
            board.validate(MODEL)
        assert board.exec("print(1)") == "1\n"


def test_a_bundle_of_tflm() -> None:
    with board_with() as board:
        board.deploy(MODEL)
        done = board.validate(MODEL, samples=50, golden=GOLDEN, per_op=True)
        assert done.equal
        assert (done.samples, done.compared_bytes, done.compared_crcs) == (50, 500, 500)
        assert done.expected.startswith("tflm tflite-micro 0.dev")
        few = board.validate(MODEL, golden=GOLDEN)
        assert few.samples == golden.load(GOLDEN).header.samples


def test_a_bundle_that_lies_or_is_of_another_model(tmp_path: Path) -> None:
    data = MODEL.read_bytes()
    inputs = [np.zeros((3, 1, 8, 8, 1), np.int8)]
    golden.record(data, inputs, tmp_path / "wrong.golden")
    change_bundle(tmp_path / "wrong.golden", outputs=[(0, (2, 0, 7))])
    golden.record(data, inputs, tmp_path / "single.golden", profile="single")
    other = other_digits(tmp_path)
    with board_with() as board:
        board.deploy(MODEL)
        done = board.validate(MODEL, golden=tmp_path / "wrong.golden")
        assert (done.differing_bytes, done.differing_samples, done.samples) == (1, 1, 3)
        assert done.first_difference is not None
        assert done.first_difference[:2] == (9, "SOFTMAX")
        assert done.first_difference.sample == 2
        with pytest.raises(InputError, match="recorded in profile single"):
            board.validate(MODEL, golden=tmp_path / "single.golden")
        with pytest.raises(InputError, match=r"recorded from another \.tflite file"):
            board.validate(other, golden=GOLDEN)
        with pytest.raises(InputError, match="wanted 1 sample or more"):
            board.validate(MODEL, samples=0)


def test_a_board_without_binary_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("microinterp_boards.session.takes_binary", lambda link: False)
    data = shared_model("hello_world_int8.tflite")
    with board_with() as board:
        board.deploy(data)
        assert board.validate(data, per_op=True).equal
        board.deploy(MODEL)
        assert board.validate(MODEL).equal


def test_bytes_damaged_on_the_line(terminal: Terminal) -> None:
    hits = {"to_board": 0, "to_host": 0}
    armed = {"way": ""}

    def damage(way: str, data: bytes) -> bytes:
        """One byte in the middle of the first long piece of data."""
        if armed["way"] != way or len(data) < 14:
            return data
        hits[way] += 1
        armed["way"] = ""
        middle = len(data) // 2
        return data[:middle] + bytes([data[middle] ^ 0x21]) + data[middle + 1 :]

    def told(done: int, of: int) -> None:
        armed["way"] = way

    with virtual_board(heap=LARGE_HEAP) as port:
        terminal.relay(port, lambda d: damage("to_board", d), lambda d: damage("to_host", d))
        with Board(terminal.port, patience=5) as board:
            board.deploy(MODEL)
            for each in hits:
                way = each
                with pytest.raises(DeviceError):
                    board.validate(MODEL, progress=told)
                armed["way"] = ""
                assert board.validate(MODEL).equal
    assert hits == {"to_board": 1, "to_host": 1}
