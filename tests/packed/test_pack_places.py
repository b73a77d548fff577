"""Where packing puts weights, state and scratch; the report's bytes; files of other kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.errors import InputError, ModelError, UnsupportedError
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from microinterp.packed import PackedInterpreter, load, pack_with_report
from microinterp.packed.checksums import PackedChecksums
from microinterp.packed.lower.common import Weights
from microinterp.packed.tiers import TIERS
from microinterp.passes import run_passes
from microinterp.trace import Checksums
from tests.oracle import random_samples
from tests.packed.compare import compare, pack_model
from tests.packed.zoo import every_step
from tests.passes.nets import ImageNet

Q = ("int8", 0.5, -5)


def test_weights_begin_at_multiples_of_16() -> None:
    weights = Weights()
    assert weights.add(b"abc") == ~0
    assert weights.add(bytes(range(16))) == ~16
    assert weights.add(b"abc") == ~0
    assert weights.add(b"d" * 17) == ~32
    assert weights.add(b"e") == ~64
    assert weights.add(bytes(range(16))) == ~16
    wanted = b"abc" + bytes(13) + bytes(range(16)) + b"d" * 17 + bytes(15) + b"e"
    assert bytes(weights.data) == wanted


def streaming() -> bytes:
    """int8 x is added to what was kept; int32 numbers are kept, too, and 20 bytes of a variable."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (8,), *Q)
    kept = g.tensor("kept", (8,), *Q, is_variable=True)
    y = g.tensor("y", (8,), *Q)
    g.op("ADD", [x, kept], [y])
    g.op("RESHAPE", [y], [kept])
    n = g.input("n", (3,), "int32")
    last = g.tensor("last", (3,), "int32", 1.0, 7, is_variable=True)
    before = g.tensor("before", (3,), "int32")
    g.op("RESHAPE", [last], [before])
    g.op("RESHAPE", [n], [last])
    handle = g.tensor("handle", (), "resource")
    g.op("VAR_HANDLE", [], [handle], shared_name="v")
    z = g.tensor("z", (20,), *Q)
    g.op("READ_VARIABLE", [handle], [z])
    g.op("ASSIGN_VARIABLE", [handle, z], [])
    g.output(y)
    g.output(before)
    return b.finish()


def test_state_is_filled() -> None:
    """int8 ones start at their zero point, -5, others at 0; each begins at a multiple of 16."""
    model = load(pack_model(streaming()))
    told = sorted((each.nbytes, each.value, each.resets) for each in model.state)
    assert [(nbytes, value) for nbytes, value, _ in told] == [(8, 251), (12, 0), (20, 251)]
    assert all(resets for _, _, resets in told)
    places = sorted((each.offset, each.nbytes) for each in model.state)
    assert all(offset % 16 == 0 for offset, _ in places)
    ends = [offset + nbytes for offset, nbytes in places]
    assert all(end <= start for end, (start, _) in zip(ends, places[1:], strict=False))
    behind = [place for place in places if place[0] >= model.head_bytes]
    start = -(-model.head_bytes // 16) * 16
    for offset, nbytes in behind:
        assert offset == start
        start += -(-nbytes // 16) * 16
    assert model.arena_bytes == start


def test_state_is_kept_and_reset() -> None:
    plain, packed = (
        Interpreter.from_bytes(streaming()),
        PackedInterpreter(pack_model(streaming())),
    )
    rng = np.random.default_rng(1)
    samples = [(rng.integers(-20, 20, 8, np.int8), rng.integers(0, 99, 3, np.int32)) for _ in "abc"]
    seen = []
    for number in (0, 1, 2, None, 0):
        for each in (plain, packed):
            if number is None:
                each.reset()
                continue
            for i, array in enumerate(samples[number]):
                each.set_input(array, i)
            each.invoke()
        for i in range(2):
            assert packed.get_output(i).tolist() == plain.get_output(i).tolist()
        seen.append(packed.get_output(0).tolist())
    assert seen[0] == seen[-1]
    assert seen[0] != seen[1]


def zoo_report() -> Any:
    interpreter = Interpreter.from_bytes(every_step())
    return pack_with_report(interpreter.prepared, interpreter.arena.plan)


def test_bytes_of_the_report() -> None:
    data, report = zoo_report()
    model = load(data)
    assert report.file_bytes == len(data)
    assert report.weights_bytes == len(model.weights)
    parts = (report.weights_bytes, report.steps_bytes, report.text_bytes, report.structure_bytes)
    assert sum(parts) == len(data)
    assert all(part > 100 for part in parts)
    # Steps have four bytes for each argument, texts one for each character, and some structure.
    arguments = sum(len(step) for part in model.subgraphs for step in part.steps)
    assert 4 * arguments < report.steps_bytes < 4 * arguments + 1000
    assert report.arena_bytes == model.arena_bytes
    assert report.head_bytes == -(-model.head_bytes // 16) * 16
    # The variable has 144 bytes, the flag of CALL_ONCE one; CONV's patch has 24 at most.
    assert report.state_bytes == 144 + 16
    assert report.scratch_bytes == 32
    assert report.head_bytes + report.state_bytes + report.scratch_bytes == report.arena_bytes
    assert sum(op.weights for op in report.ops) == report.weights_bytes
    ops = {op.name: op.weights for op in report.ops if op.name in ("RELU", "SOFTMAX", "ADD")}
    assert ops == {"RELU": 256, "SOFTMAX": 1024, "ADD": 0}
    names = [(op.subgraph, op.index) for op in report.ops]
    assert names == sorted(set(names))


@pytest.mark.parametrize("tier", TIERS)
def test_every_step_gives_what_the_interpreter_gives(tier: Any) -> None:
    """Twice, and after a reset; also the CRC of each tensor."""
    plain = Interpreter.from_bytes(every_step())
    packed = PackedInterpreter(pack_model(every_step(), (), tier))
    first, second = np.random.default_rng(1).integers(-128, 128, (2, 1, 6, 6, 4), np.int8)
    outputs = []
    for x in (first, second, None, first):
        if x is None:
            plain.reset()
            packed.reset()
            continue
        checksums = Checksums()
        plain.set_input(x, 0)
        plain.invoke(checksums)
        packed.set_input(x, 0)
        assert packed.op_crcs() == checksums.crcs
        for i in range(2):
            assert packed.get_output(i).tobytes() == plain.get_output(i).tobytes()
        outputs.append(packed.get_output(1).tobytes())
    assert len(set(outputs)) > 1


@pytest.mark.parametrize("passes", [["overlap"], ["patches"], ["in-place-depthwise"]])
def test_pieces_and_their_checksums(passes: Sequence[str]) -> None:
    """Joined or not, what boards tell of pieces is what the host's run of them tells."""
    net = ImageNet((12, 10, 3))
    net.conv(4, 3)
    net.depthwise(3)
    net.conv(2, 3, stride=2)
    data = net.finish()
    passed = run_passes(prepare_model(data, kernels="plain"), passes, None, 2.0, strips=True)
    samples = random_samples(np.random.default_rng(3), passed.prepared.graph, 2)
    model = load(compare(data, samples, passed).data)
    pieces = [op.index for op in model.subgraphs[0].ops]
    assert set(pieces) == {0, 1, 2}
    assert (len(pieces) > 3) == (passes == ["patches"])


def test_checksums_begin_anew() -> None:
    interpreter = Interpreter.from_bytes(every_step())
    told = PackedChecksums(interpreter.prepared)
    assert told.crcs == {}
    x = np.ones((1, 6, 6, 4), np.int8)
    interpreter.set_input(x, 0)
    interpreter.invoke(told)
    first = told.crcs
    interpreter.set_input(x, 0)
    interpreter.invoke(told)
    assert {key for key in first if key[0] == 0} == set(told.crcs)
    assert all(len(each) <= 1 for each in told.crcs.values())


@pytest.mark.parametrize("identifier", [b"AAAA", b"zzzz", b"MIPJ", b"MIPL", b"TFL2"])
def test_files_of_other_kinds(identifier: bytes) -> None:
    for data in (bytes(4) + identifier + bytes(100), bytes(4) + identifier):
        with pytest.raises(ModelError, match="this is no packed model") as caught:
            load(data)
        assert caught.value.where.byte_offset == 4
        assert caught.value.hint == "pack a .tflite file"


def test_tflite_files() -> None:
    with pytest.raises(ModelError) as caught:
        load(bytes(4) + b"TFL3" + bytes(10))
    assert caught.value.message == "this is a .tflite file, not a packed model"
    assert caught.value.hint == "pack it first"


def test_numbers_of_inputs_and_outputs() -> None:
    interpreter = PackedInterpreter(pack_model(every_step()))
    for index in (2, 3, -1, 1.0, "0"):
        with pytest.raises(InputError, match=f"no output {index}: the model has 2"):
            interpreter.get_output(index)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no input 1: the model has 1"):
        interpreter.set_input(np.zeros(1), 1)
    assert interpreter.get_output(np.int64(1)).shape == (1, 6, 6, 4)


def without_elements(op: str) -> bytes:
    """An op on tensors of no bytes."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (0,), *Q)
    y = g.tensor("y", (0,), *Q)
    g.op(op, [x], [y])
    g.output(y)
    return b.finish()


def test_ops_without_bytes_are_no_steps() -> None:
    model = load(pack_model(without_elements("RELU")))
    assert [(op.name, op.steps, op.written) for op in model.subgraphs[0].ops] == [("RELU", 0, ())]
    assert (model.inputs[0].nbytes, model.outputs[0].nbytes) == (0, 0)


def test_operators_without_a_kernel_are_told() -> None:
    with pytest.raises(UnsupportedError) as caught:
        pack_model(without_elements("ABS"))
    assert caught.value.message == "cannot be packed: boards have no kernel for this operator"
    words = caught.value.hint.removeprefix("they run ").split(", ")
    assert words == sorted(words)
    assert {"ADD", "CONV_2D", "MEAN", "PAD", "MAX_POOL_2D", "RELU", "VAR_HANDLE"} <= set(words)
