"""Models from ModelBuilder in TFLM's wheel and in LiteRT: both take them, with hand-worked results.

Scales are powers of two and results exact, so that no rounding rule has a say: what is tested here
is the file, not the arithmetic of the runtimes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from flatbuffers import flexbuffers

from microinterp.model import load
from microinterp.model_builder import ModelBuilder
from microinterp.runtimes.tflm import TflmRuntime

from .conftest import require_or_skip

Array = npt.NDArray[Any]


def litert_interpreter(data: bytes) -> Any:
    """LiteRT with its plain kernels; the default delegate would rewrite the graph."""
    try:
        from ai_edge_litert import interpreter as litert
    except ImportError:
        require_or_skip("LiteRT", "pip install ai-edge-litert")
    resolver = litert.OpResolverType.BUILTIN_REF
    found = litert.Interpreter(model_content=data, experimental_op_resolver_type=resolver)
    found.allocate_tensors()
    return found


def run_litert(data: bytes, samples: Sequence[Sequence[Array]]) -> list[list[Array]]:
    interpreter = litert_interpreter(data)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    results = []
    for sample in samples:
        for details, array in zip(inputs, sample, strict=True):
            interpreter.set_tensor(details["index"], array)
        interpreter.invoke()
        results.append([interpreter.get_tensor(details["index"]) for details in outputs])
    return results


def check_both(
    tflm: TflmRuntime, b: ModelBuilder, samples: Sequence[Sequence[Array]], want: Sequence[Array]
) -> None:
    """`want` is the first output after each of the samples, in both runtimes."""
    data = b.finish()
    for results in (tflm.run(data, samples).outputs, run_litert(data, samples)):
        for result, wanted in zip(results, want, strict=True):
            assert (result[0].dtype, result[0].shape) == (wanted.dtype, wanted.shape)
            assert result[0].tolist() == wanted.tolist()


def test_conv_2d_per_channel(tflm: TflmRuntime) -> None:
    """Sums of 3 x 3 with the centre at the corner, times 1/2 and 1/4 by the scales."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 2, 2, 1), "int8", scale=1.0, zero_point=-1)
    weights = np.stack([np.full((3, 3, 1), 2), np.full((3, 3, 1), -4)]).astype(np.int8)
    w = g.constant("w", weights, scale=[0.5, 0.25], zero_point=0, axis=0)
    bias = g.constant("b", np.int32([4, 8]), scale=[0.5, 0.25], zero_point=0)
    y = g.tensor("y", (1, 2, 2, 2), "int8", scale=1.0, zero_point=5)
    g.op("CONV_2D", [x, w, bias], [y], padding="SAME", stride_w=1, stride_h=1)
    g.output(y)
    sample = np.int8([1, 2, 3, 4]).reshape(1, 2, 2, 1)  # real 2, 3, 4, 5: their sum is 14
    # Channel 0: (2 * 14 + 4) / 2 = 16; channel 1: (-4 * 14 + 8) / 4 = -12; the zero point is 5.
    want = np.tile(np.int8([21, -7]), 4).reshape(1, 2, 2, 2)
    check_both(tflm, b, [[sample]], [want])


def test_fully_connected_without_bias(tflm: TflmRuntime) -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 3), "int8", scale=0.5, zero_point=1)
    w = g.constant("w", np.int8([[1, 2, 3], [-1, 0, 4]]), scale=0.5, zero_point=0)
    y = g.tensor("y", (1, 2), "int8", scale=0.25, zero_point=-2)
    g.op("FULLY_CONNECTED", [x, w, None], [y], fused_activation_function="RELU")
    g.output(y)
    # x - 1 = [1, -2, 10]: 1 - 4 + 30 = 27 and -1 + 40 = 39; [0, 2, -1]: 4 - 3 = 1 and -4, cut to 0
    samples = [[np.int8([[2, -1, 11]])], [np.int8([[1, 3, 0]])]]
    check_both(tflm, b, samples, [np.int8([[25, 37]]), np.int8([[-1, -2]])])


def test_fully_connected_with_int4_weights(tflm: TflmRuntime) -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 3), "int8", scale=1.0, zero_point=0)
    w = g.constant("w", np.int8([[1, -8, 7], [2, 3, -1]]), dtype="int4", scale=1.0, zero_point=0)
    bias = g.constant("b", np.int32([1, -2]), scale=1.0, zero_point=0)
    y = g.tensor("y", (1, 2), "int8", scale=1.0, zero_point=0)
    g.op("FULLY_CONNECTED", [x, w, bias], [y], version=10)
    g.output(y)
    check_both(tflm, b, [[np.int8([[5, 2, 3]])]], [np.int8([[11, 11]])])


def test_add_saturates(tflm: TflmRuntime) -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (4,), "int8", scale=0.5, zero_point=0)
    c = g.constant("c", np.int8([1, -3, 100, -100]), scale=0.5, zero_point=0)
    y = g.tensor("y", (4,), "int8", scale=0.5, zero_point=0)
    g.op("ADD", [x, c], [y])
    g.output(y)
    check_both(tflm, b, [[np.int8([2, 3, 100, -100])]], [np.int8([3, 0, 127, -128])])


def test_add_of_constants_that_share_a_buffer(tflm: TflmRuntime) -> None:
    b = ModelBuilder(share_equal_constants=True)
    g = b.subgraph("main")
    x = g.input("x", (2,), "int8", scale=1.0, zero_point=0)
    y = x
    for i in range(2):
        c = g.constant(f"c{i}", np.int8([5, -6]), scale=1.0, zero_point=0)
        previous, y = y, g.tensor(f"y{i}", (2,), "int8", scale=1.0, zero_point=0)
        g.op("ADD", [previous, c], [y])
    g.output(y)
    assert len(load(b.finish()).buffers) == 2
    check_both(tflm, b, [[np.int8([1, 1])]], [np.int8([11, -11])])


def test_reshape(tflm: TflmRuntime) -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (2, 3), "int16", scale=1.0, zero_point=0)
    shape = g.constant("shape", [3, 2], dtype="int32")
    y = g.tensor("y", (3, 2), "int16", scale=1.0, zero_point=0)
    g.op("RESHAPE", [x, shape], [y], new_shape=[3, 2])
    g.output(y)
    values = np.arange(-3, 3, dtype=np.int16)
    check_both(tflm, b, [[values.reshape(2, 3)]], [values.reshape(3, 2)])


def accumulator() -> ModelBuilder:
    """A variable that starts at [10, 20] and grows by the input at each inference."""
    b = ModelBuilder()
    main, init = b.subgraph("main"), b.subgraph("init")
    start = init.constant("start", np.int8([10, 20]), scale=1.0, zero_point=0)
    handle = init.tensor("handle", (), "resource")
    init.op("VAR_HANDLE", [], [handle], container="", shared_name="sum")
    init.op("ASSIGN_VARIABLE", [handle, start], [])

    x = main.input("x", (2,), "int8", scale=1.0, zero_point=0)
    handle = main.tensor("handle", (), "resource")
    old, new = (main.tensor(n, (2,), "int8", scale=1.0, zero_point=0) for n in ("old", "new"))
    main.op("CALL_ONCE", [], [], init_subgraph_index=init.index)
    main.op("VAR_HANDLE", [], [handle], container="", shared_name="sum")
    main.op("READ_VARIABLE", [handle], [old])
    main.op("ADD", [old, x], [new])
    main.op("ASSIGN_VARIABLE", [handle, new], [])
    main.output(new)
    b.signature("add", inputs={"amount": x}, outputs={"total": new})
    return b


def test_variables_and_a_second_subgraph(tflm: TflmRuntime) -> None:
    samples = [[np.int8([1, 2])], [np.int8([-5, 0])]]
    check_both(tflm, accumulator(), samples, [np.int8([11, 22]), np.int8([6, 22])])


def test_signature_runs_by_its_names() -> None:
    runner = litert_interpreter(accumulator().finish()).get_signature_runner("add")
    assert runner(amount=np.int8([3, 4]))["total"].tolist() == [13, 24]


@pytest.mark.parametrize("condition", [True, False])
def test_subgraphs_by_their_index(tflm: TflmRuntime, condition: bool) -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    c, x = g.input("c", (1,), "bool"), g.input("x", (2,), "float32")
    y = g.tensor("y", (2,), "float32")
    branches = [b.subgraph("add"), b.subgraph("multiply")]
    for branch, op in zip(branches, ("ADD", "MUL"), strict=True):
        inner = branch.input("x", (2,), "float32")
        outer = branch.tensor("y", (2,), "float32")
        branch.op(op, [inner, branch.constant("c", np.float32([3, 5]))], [outer])
        branch.output(outer)
    then, otherwise = (branch.index for branch in branches)
    g.op("IF", [c, x], [y], then_subgraph_index=then, else_subgraph_index=otherwise)
    g.output(y)
    want = np.float32([3.5, 5.5] if condition else [1.5, 2.5])
    check_both(tflm, b, [[np.array([condition]), np.float32([0.5, 0.5])]], [want])


def test_options_change_the_result(tflm: TflmRuntime) -> None:
    """Bools, floats and numbers from the options table arrive in the runtimes."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 4), "float32")
    summed, leaked = g.tensor("s", (1, 4), "float32"), g.tensor("l", (1, 4), "float32")
    parts = [g.tensor(f"p{i}", (1, 2), "float32") for i in range(2)]
    y = g.tensor("y", (2, 1, 2), "float32")
    axis = g.constant("axis", np.int32([1]))
    g.op("CUMSUM", [x, axis], [summed], exclusive=True, reverse=True)
    g.op("LEAKY_RELU", [summed], [leaked], alpha=0.5)
    g.op("SPLIT", [g.constant("dim", 1, dtype="int32"), leaked], parts, num_splits=2)
    g.op("PACK", parts, [y], values_count=2, axis=0)
    g.output(y)
    # After each element follow 2 - 4 - 8 = -10, -12, -8, 0; halved below zero.
    want = np.float32([[[-5, -6]], [[-4, 0]]])
    check_both(tflm, b, [[np.float32([[1, 2, -4, -8]])]], [want])


def test_custom_op_with_options(tflm: TflmRuntime) -> None:
    """CIRCULAR_BUFFER keeps the last three inputs; cycles_max 1 makes it run each time."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 1, 1, 2), "int8", scale=1.0, zero_point=0)
    y = g.tensor("y", (1, 3, 1, 2), "int8", scale=1.0, zero_point=0)
    g.custom_op("CIRCULAR_BUFFER", [x], [y], bytes(flexbuffers.Dumps({"cycles_max": 1})))
    g.output(y)
    samples = [[np.int8([[[[i, -i]]]])] for i in range(1, 5)]
    last = tflm.run(b.finish(), samples).outputs[-1][0]
    assert last.reshape(3, 2).tolist() == [[2, -2], [3, -3], [4, -4]]


def test_litert_reads_the_version_of_an_op() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    y = g.tensor("y", (1,), "float32")
    g.op("ADD", [g.input("x", (1,), "float32"), g.constant("c", np.float32([1]))], [y], version=99)
    g.output(y)
    with pytest.raises(ValueError, match="Didn't find op for builtin opcode 'ADD' version '99'"):
        litert_interpreter(b.finish())


def test_tflm_follows_the_offline_memory_plan(tflm: TflmRuntime) -> None:
    """TFLM takes an offset from metadata, so the plan's head reaches just beyond it."""
    heads = []
    for offset in (-1, 4096):
        b = ModelBuilder()
        g = b.subgraph("main")
        x = g.input("x", (1, 16), "int8", scale=1.0, zero_point=0)
        y = g.tensor("y", (1, 16), "int8", scale=1.0, zero_point=0)
        g.op("RELU", [x], [y])
        g.output(y)
        plan = np.int32([1, 1, 2, -1, offset])
        b.metadata("OfflineMemoryAllocation", plan.tobytes())
        heads.append(tflm.arena(b.finish()).head_bytes)
    assert heads == [32, 4096 + 16]


def test_a_subgraph_without_ops(tflm: TflmRuntime) -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    g.output(g.input("x", (2,), "int8", scale=1.0, zero_point=0))
    check_both(tflm, b, [[np.int8([1, 2])]], [np.int8([1, 2])])
