"""CIRCULAR_BUFFER: when it lets the model run, what stays in between, resets, subgraphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from microinterp import Interpreter
from microinterp.errors import PrepareError, UnsupportedError
from microinterp.model_builder import ModelBuilder
from microinterp.prepare import Status
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.custom import custom_model, custom_options
from tests.ops.movement import Input, assert_refused
from tests.ops.streaming import streaming_model


def rows(count: int) -> list[npt.NDArray[Any]]:
    return [np.full((1, 1, 1, 2), i + 1, np.int8) for i in range(count)]


def statuses(interpreter: Interpreter, samples: list[npt.NDArray[Any]]) -> list[int]:
    found = []
    for sample in samples:
        interpreter.set_input(sample, 0)
        found.append(int(interpreter.invoke()))
    return found


@pytest.mark.parametrize(
    ("height", "cycles", "want"),
    [
        (3, 1, [0, 0, 0, 0, 0, 0]),
        (3, 2, [15, 0, 15, 0, 15, 0]),
        (3, 3, [15, 15, 0, 15, 15, 0]),
        (3, None, [15, 0, 15, 0, 15, 0]),
        (5, None, [0, 0, 0, 0, 0, 0]),
        (5, 0, [0, 0, 0, 0, 0, 0]),
    ],
)
def test_cycles(height: int, cycles: int | None, want: list[int]) -> None:
    interpreter = Interpreter.from_bytes(streaming_model(height, 1, 2, cycles))
    assert statuses(interpreter, rows(6)) == want


def test_contents_by_hand() -> None:
    """Rows move up by one each time; what is behind runs every second time; reset empties all."""
    data = streaming_model(3, 1, 2, 2)
    interpreter = Interpreter.from_bytes(data, preserve_all_tensors=True)
    seen = []
    for sample in [*rows(5), None, *rows(2)]:
        if sample is None:
            interpreter.reset()
            continue
        status = statuses(interpreter, [sample])[0]
        seen.append((status, interpreter.get_output(0)[0, :, 0, 0].tolist()))
    assert seen == [
        (15, [0, 0, 0]),
        (0, [0, 2, 4]),
        (15, [0, 2, 4]),
        (0, [4, 6, 8]),
        (15, [4, 6, 8]),
        (15, [4, 6, 8]),
        (0, [0, 2, 4]),
    ]


def test_shared_arena_equals_tflm(tflm: TflmRuntime) -> None:
    """Without preserved tensors: outputs of an aborted invoke are what lies in the arena."""
    for cycles in (1, 2, 3):
        data = streaming_model(4, 2, 3, cycles)
        rng = np.random.default_rng(cycles)
        samples: list[Any] = [
            [rng.integers(-128, 128, (1, 1, 2, 3)).astype(np.int8)] for _ in range(9)
        ]
        samples.insert(5, None)
        theirs = iter(tflm.run(data, samples).outputs)
        ours = Interpreter.from_bytes(data)
        for sample in samples:
            if sample is None:
                ours.reset()
                continue
            ours.set_input(sample[0], 0)
            ours.invoke()
            for i, want in enumerate(next(theirs)):
                assert ours.get_output(i).tobytes() == want.tobytes()


def test_batches_run_in_order() -> None:
    data = streaming_model(3, 1, 2, 2)
    samples = np.stack(rows(5))
    single = Interpreter.from_bytes(data)
    want = []
    for sample in samples:
        statuses(single, [sample])
        want.append(single.get_output(0))
    assert Interpreter.from_bytes(data).run_batch(samples)[0].tobytes() == np.stack(want).tobytes()


def once_model() -> bytes:
    """CALL_ONCE of a subgraph that aborts twice before it comes to its end; then y = -x."""
    b = ModelBuilder()
    g, once = b.subgraph("main"), b.subgraph("once")
    row = once.constant("row", np.ones((1, 1, 1, 2), np.int8))
    buffer = once.tensor("buffer", (1, 2, 1, 2), "int8", 1.0, 0, 0, True)
    once.custom_op("CIRCULAR_BUFFER", [row], [buffer], custom_options({"cycles_max": 3}))
    once.output(buffer)
    g.op("CALL_ONCE", [], [], init_subgraph_index=once.index)
    x, y = g.input("x", (1, 1, 1, 2), "float32"), g.tensor("y", (1, 1, 1, 2), "float32")
    g.op("NEG", [x], [y])
    g.output(y)
    return b.finish()


def if_model() -> bytes:
    """y = -(the branch's last row); only one branch has a buffer."""
    b = ModelBuilder()
    g, streaming, plain = b.subgraph("main"), b.subgraph("streaming"), b.subgraph("plain")
    shape = (1, 1, 1, 2)
    row = streaming.input("row", shape, "int8", 1.0, 0)
    buffer = streaming.tensor("buffer", shape, "int8", 1.0, 0, 0, True)
    streaming.custom_op("CIRCULAR_BUFFER", [row], [buffer], custom_options({"cycles_max": 2}))
    streaming.output(buffer)
    plain.output(plain.input("row", shape, "int8", 1.0, 0))
    condition = g.input("condition", (1,), "bool")
    x = g.input("x", shape, "int8", 1.0, 0)
    branch = g.tensor("branch", shape, "int8", 1.0, 0)
    options = {"then_subgraph_index": streaming.index, "else_subgraph_index": plain.index}
    g.op("IF", [condition, x], [branch], **options)
    y = g.tensor("y", shape, "int8", 0.5, 0)
    g.op("QUANTIZE", [branch], [y])
    g.output(y)
    return b.finish()


def test_call_once_runs_until_it_ends(tflm: TflmRuntime) -> None:
    interpreter = Interpreter.from_bytes(once_model())
    sample = np.ones((1, 1, 1, 2), np.float32)
    found = []
    for _ in range(5):
        interpreter.set_input(sample, 0)
        found.append((int(interpreter.invoke()), interpreter.get_output(0).ravel().tolist()))
    assert [status for status, _ in found] == [15, 15, 0, 0, 0]
    theirs = tflm.run(once_model(), [[sample]] * 5).outputs
    assert [values for _, values in found] == [outputs[0].ravel().tolist() for outputs in theirs]
    assert found[2][1] == [-1, -1]


def test_an_abort_in_a_branch_ends_the_invoke(tflm: TflmRuntime) -> None:
    samples = [[np.array([i % 3 > 0]), np.full((1, 1, 1, 2), i + 1, np.int8)] for i in range(12)]
    interpreter = Interpreter.from_bytes(if_model(), preserve_all_tensors=True)
    found = []
    for sample in samples:
        for i, array in enumerate(sample):
            interpreter.set_input(array, i)
        found.append((int(interpreter.invoke()), int(interpreter.get_output(0)[0, 0, 0, 0])))
    assert found[:6] == [(0, 2), (15, 2), (0, 6), (0, 8), (15, 8), (0, 12)]
    theirs = tflm.run(if_model(), samples, [(0, 2)]).outputs
    assert [value for _, value in found] == [int(outputs[0][0, 0, 0, 0]) for outputs in theirs]


def test_status_is_tflms() -> None:
    assert (Status.OK, Status.ERROR, Status.ABORT) == (0, 1, 15)


def test_refusals() -> None:
    op, row = "CIRCULAR_BUFFER", Input((1, 1, 2, 3), "int8")
    options = {"cycles_max": 1}
    assert_refused(
        custom_model(op, [row], [Input((1, 4, 2, 2), "int8")], options), "wanted [1, 1, 2, 2]", 0
    )
    wrong = Input((1, 4, 2, 3), "int16")
    assert_refused(
        custom_model(op, [row], [wrong], options), "element type int16", 1, UnsupportedError
    )
    flat = Input((4, 6), "int8")
    assert_refused(custom_model(op, [row], [flat], options), "rank 2, wanted 4", 1)
    out = Input((1, 4, 2, 3), "int8")
    assert_refused(custom_model(op, [row], [out], b"\xff\xff\xff"), "custom options")
    assert_refused(custom_model(op, [row], [out], {"cycles_max": "two"}), "no number as cycles_max")
    guessed = custom_model(op, [Input((1, 1, 2, 96), "int8")], [Input((1, 4, 2, 96), "int8")], None)
    assert_refused(guessed, "depends on what ran before", kind=UnsupportedError)
    with pytest.raises(PrepareError, match="has 2 inputs"):
        Interpreter.from_bytes(custom_model(op, [row, row], [out], options))
