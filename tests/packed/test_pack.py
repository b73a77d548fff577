"""Packing: what is refused and why, bytes worked by hand, equal files for equal models."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.arena.plan import plan
from microinterp.errors import UnsupportedError
from microinterp.interpreter import prepare_model
from microinterp.kernels import default_registry
from microinterp.model_builder import ModelBuilder
from microinterp.packed import PackedInterpreter, load, pack, pack_with_report
from microinterp.packed import steps as s
from microinterp.prepare import Kernel
from microinterp.registry import Op
from tests.models import chain_model, conv_model
from tests.ops.movement import Constant, Input, numbers, op_model
from tests.packed.compare import check_on_board, compare, pack_model
from tests.packed.zoo import every_step

INT8 = ("int8", 0.5, 0)
WINDOW = {"padding": "VALID", "stride_w": 1, "stride_h": 1}


def fully_connected(
    depth: int = 2, bias: int = 0, weight: int = 1, w_zero: int = 0, computed: bool = False
) -> bytes:
    weights = np.full((1, depth), weight, np.int8)
    w = Input((1, depth), "int8", 0.5, w_zero) if computed else Constant(weights, 0.5, w_zero)
    b = Constant(np.array([bias], np.int32), 0.25, 0)
    x, out = Input((1, depth), *INT8), Input((1, 1), *INT8)
    return op_model("FULLY_CONNECTED", [x, w, b], [out])


def float_conv() -> bytes:
    x, w = Input((1, 4, 4, 1), "float32"), Constant(np.ones((1, 2, 2, 1), np.float32))
    out = Input((1, 3, 3, 1), "float32")
    return op_model("CONV_2D", [x, w], [out], **WINDOW)


def int16_add() -> bytes:
    x = Input((4,), "int16", 0.5, 0)
    return op_model("ADD", [x, x], [x])


def constant_output() -> bytes:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (4,), "int8", scale=0.5, zero_point=0)
    y = g.tensor("y", (4,), "int8", scale=0.5, zero_point=0)
    g.op("RELU", [x], [y])
    g.output(y)
    g.output(g.constant("fixed", np.zeros(4, np.int8), scale=0.5, zero_point=0))
    return b.finish()


def computed_slice() -> bytes:
    begin = Input((1,), "int32")
    return op_model("SLICE", [Input((4,), *INT8), begin, numbers(2)], [Input((2,), *INT8)])


def backward_call() -> bytes:
    """Subgraph 2 runs subgraph 1."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (4,), "int8", scale=0.5, zero_point=0)
    g.op("CALL_ONCE", [], [], init_subgraph_index=2)
    y = g.tensor("y", (4,), "int8", scale=0.5, zero_point=0)
    g.op("RELU", [x], [y])
    g.output(y)
    b.subgraph("one")
    b.subgraph("two").op("CALL_ONCE", [], [], init_subgraph_index=1)
    return b.finish()


def one_op(op: str, out: Input, *inputs: Input | Constant) -> bytes:
    return op_model(op, inputs, [out], **({"beta": 1.0} if op == "SOFTMAX" else {}))


REFUSED: Mapping[str, tuple[bytes, str, int | None]] = {
    "float": (float_conv(), "element types float32 x float32, packed models have int8", 0),
    "int16": (int16_add(), "element types int16 x int16, packed models have int8", 0),
    "SUB": (
        one_op("SUB", Input((4,), *INT8), Input((4,), *INT8), Input((4,), *INT8)),
        "boards have no kernel for this operator",
        0,
    ),
    "computed weights": (fully_connected(computed=True), "it is computed at run time", 0),
    "weights beyond int8": (fully_connected(weight=127, w_zero=-3), "leave int8", 0),
    "sums beyond int32": (fully_connected(bias=(1 << 31) - 600), "sums of up to", 0),
    "too wide": (fully_connected(depth=70_000), "sums of up to", 0),
    "float quantised": (
        one_op("QUANTIZE", Input((4,), *INT8), Input((4,), "float32")),
        "a board does not quantise floats",
        0,
    ),
    "wide quantised": (
        one_op("QUANTIZE", Input((4,), "int32", 0.1, 0), Input((4,), *INT8)),
        "element types int8 x int32",
        0,
    ),
    "softmax to int16": (
        one_op("SOFTMAX", Input((1, 4), "int16", 1 / 65536, -32768), Input((1, 4), *INT8)),
        "element types int8 x int16",
        0,
    ),
    "long softmax": (
        one_op("SOFTMAX", Input((1, 2048), "int8", 1 / 256, -128), Input((1, 2048), *INT8)),
        "2048 elements, boards sum up to 2047",
        0,
    ),
    "large multiplier": (
        one_op("MUL", Input((4,), "int8", 1e-5, 0), Input((4,), *INT8), Input((4,), *INT8)),
        "Mul step: shift is 15",
        0,
    ),
    "subnormal": (
        one_op("DEQUANTIZE", Input((4,), "float32"), Input((4,), "int8", 1e-40, 0)),
        "e-41, boards take",
        0,
    ),
    "computed begin": (computed_slice(), "it is computed at run time", 0),
    "constant output": (constant_output(), "it is a constant", None),
    "type of an input": (
        one_op("RESHAPE", Input((2, 2), "uint32"), Input((4,), "uint32")),
        "no inputs and outputs of uint32",
        None,
    ),
    "call backwards": (backward_call(), "subgraph 2 runs subgraph 1", 0),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_boards_do_not_run_is_refused(what: str) -> None:
    data, text, op = REFUSED[what]
    with pytest.raises(UnsupportedError) as caught:
        pack_model(data)
    assert text in str(caught.value)
    assert "cannot be packed" in str(caught.value)
    assert caught.value.where.op_index == op


@pytest.mark.parametrize("profile", ["single", "litert-ref"])
def test_other_profiles_are_refused(profile: str) -> None:
    prepared = prepare_model(conv_model(), profile)
    with pytest.raises(UnsupportedError, match=f"profile tflm, not {profile}"):
        pack(prepared, plan(prepared))


def test_a_kernel_of_ones_own_is_refused() -> None:
    own = Op("CONV_2D", lambda node, context: Kernel(lambda params, arrays: None))
    prepared = prepare_model(conv_model(), registry=default_registry().with_op(own))
    with pytest.raises(UnsupportedError, match="its kernel is not the package's own"):
        pack(prepared, plan(prepared))


def test_a_plan_that_overlaps_is_refused() -> None:
    """The file wants input and output of an op at one place."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (4,), "int8", scale=0.5, zero_point=0)
    y = g.tensor("y", (4,), "int8", scale=0.5, zero_point=0)
    g.op("RELU", [x], [y])
    g.output(y)
    b.metadata("OfflineMemoryAllocation", np.array([1, 0, 2, 0, 0], "<i4").tobytes())
    with pytest.raises(UnsupportedError, match="alive at the same time"):
        pack_model(b.finish())


def test_equal_models_give_equal_files() -> None:
    assert pack_model(every_step()) == pack_model(every_step())
    assert pack_model(conv_model(seed=1)) != pack_model(conv_model(seed=2))


def test_the_file_says_where_it_comes_from() -> None:
    data = conv_model()
    model = load(pack_model(data))
    assert model.tflite_sha256 == hashlib.sha256(data).digest()
    assert model.tool.startswith("microinterp ")
    (x,), (y,) = model.inputs, model.outputs
    assert (x.name, x.index, x.type, x.shape) == ("x", 0, 9, (1, 4, 4, 1))
    assert (x.scale, x.zero_point, x.nbytes) == (0.5, -3, 16)
    assert (y.name, y.shape, y.zero_point) == ("y", (1, 4, 4, 2), 4)
    assert [(op.index, op.name) for op in model.subgraphs[0].ops] == [(0, "CONV_2D")]
    assert [w.index for w in model.subgraphs[0].ops[0].written] == [3]


def test_a_layer_worked_by_hand() -> None:
    """x zero point -2, weights 3 and -1, bias 100, factor 1: y = 3 (x0 + 2) - (x1 + 2) + 100."""
    w = Constant(np.array([[3, -1]], np.int8), 1.0, 0)
    bias = Constant(np.array([100], np.int32), 1.0, 0)
    x, out = Input((1, 2), "int8", 1.0, -2), Input((1, 1), "int8", 1.0, 7)
    model = load(pack_model(op_model("FULLY_CONNECTED", [x, w, bias], [out])))
    (step,) = model.subgraphs[0].steps
    assert isinstance(step, s.Conv)
    weights = bytes(model.weights)
    assert weights[~step.w : ~step.w + 8] == bytes([131, 127, 0, 0, 0, 0, 0, 0])
    # bias 100 - 126 * (131 + 127) + 128 * 126 * 2 = -152; a factor of 1 is 2^30 * 2^(1-31)
    table = weights[~step.channels : ~step.channels + 12]
    assert table == (-152).to_bytes(4, "little", signed=True) + bytes([0, 128, 0, 0, 1, 0, 0, 0])
    assert (step.zx, step.zo, step.lo, step.hi) == (-2, 7, -128, 127)
    interpreter = PackedInterpreter(pack_model(op_model("FULLY_CONNECTED", [x, w, bias], [out])))
    interpreter.set_input(np.array([[5, 50]], np.int8), 0)
    interpreter.invoke()
    assert interpreter.get_output(0).tolist() == [[3 * 7 - 52 + 100 + 7]]


def test_a_depthwise_layer_of_one_channel_is_a_convolution() -> None:
    w = Constant(np.ones((1, 2, 2, 3), np.int8), 0.5, 0)
    x, out = Input((1, 4, 4, 1), *INT8), Input((1, 3, 3, 3), *INT8)
    options = {**WINDOW, "depth_multiplier": 3}
    (step,) = (
        load(pack_model(op_model("DEPTHWISE_CONV_2D", [x, w], [out], **options))).subgraphs[0].steps
    )
    assert isinstance(step, s.Conv)
    assert (step.oc, step.ic, step.taps) == (3, 1, 4)


def test_equal_constants_are_stored_once() -> None:
    interpreter = Interpreter.from_bytes(chain_model(length=5))
    _, report = pack_with_report(interpreter.prepared, interpreter.arena.plan)
    assert [op.weights > 0 for op in report.ops] == [True, False, False, False, False]


def test_what_no_invoke_reaches_is_left_out() -> None:
    """A subgraph that nobody calls may have ops that boards lack."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (4,), "int8", scale=0.5, zero_point=0)
    y = g.tensor("y", (4,), "int8", scale=0.5, zero_point=0)
    g.op("RELU", [x], [y])
    g.output(y)
    other = b.subgraph("other")
    a = other.input("a", (4,), "float32")
    c = other.tensor("c", (4,), "float32")
    other.op("RELU", [a], [c])
    other.output(c)
    model = load(pack_model(b.finish()))
    assert [len(subgraph.ops) for subgraph in model.subgraphs] == [1, 0]


@pytest.mark.parametrize("depth", [511, 512, 513, 600, 1024, 2047])
def test_long_rows_of_softmax(depth: int, tmp_path: Path) -> None:
    """From a sum of 512 on TFLM halts; the quotient, below 1/512, is 0."""
    x = Input((2, depth), "int8", 0.001, 3)
    data = op_model("SOFTMAX", [x], [Input((2, depth), "int8", 1 / 256, -128)], beta=1.0)
    rng = np.random.default_rng(1)
    samples = [[np.zeros((2, depth), np.int8)]]
    samples += [[rng.integers(low, 127, (2, depth)).astype(np.int8)] for low in (100, 0, -128)]
    model = compare(data, samples)
    assert not check_on_board([model], "viper", tmp_path)
    assert not check_on_board([model], "bytecode", tmp_path)


def test_variable_tensors(tmp_path: Path) -> None:
    """is_variable tensors keep what an op wrote; int8 ones start at their zero point."""
    b = ModelBuilder()
    g = b.subgraph("main")
    quantization = {"scale": 0.5, "zero_point": 5}
    x = g.input("x", (8,), "int8", **quantization)
    kept = g.tensor("kept", (8,), "int8", is_variable=True, **quantization)
    y = g.tensor("y", (8,), "int8", **quantization)
    g.op("ADD", [x, kept], [y])
    g.op("RESHAPE", [y], [kept])
    g.output(y)
    rng = np.random.default_rng(1)
    samples = [[rng.integers(-9, 20, 8).astype(np.int8)] for _ in range(5)]
    model = compare(b.finish(), [*samples, None, *samples])
    assert model.answers[0] == model.answers[5]
    assert len(set(model.answers)) == 5
    assert load(model.data).state[0].value == 5
    assert not check_on_board([model], "viper", tmp_path)


def test_sums_up_to_the_end_of_int32(tmp_path: Path) -> None:
    """With weight 0 and one input the greatest partial sum is the bias and 255 * 128."""
    most = (1 << 31) - 1 - 255 * 128
    samples = [[np.full((1, 1), value, np.int8)] for value in (-128, 0, 127)]
    for bias in (most, -(1 << 31) + 255 * 128):
        model = compare(fully_connected(depth=1, bias=bias, weight=0), samples)
        assert not check_on_board([model], "viper", tmp_path)
    with pytest.raises(UnsupportedError, match="leave int32"):
        pack_model(fully_connected(depth=1, bias=most + 1, weight=0))


@pytest.mark.parametrize("scale", [1e-3, 1e-5, 1e-7])
def test_shifts_that_wrap_around(scale: float, tmp_path: Path) -> None:
    """A factor far above 1 shifts sums out of int32: the same bits are left as in TFLM."""
    rng = np.random.default_rng(1)
    w = Constant(rng.integers(-127, 128, (3, 40)).astype(np.int8), 0.5, 0)
    x, out = Input((1, 40), *INT8), Input((1, 3), "int8", scale, 0)
    samples = [[rng.integers(-128, 128, (1, 40)).astype(np.int8)] for _ in range(50)]
    model = compare(op_model("FULLY_CONNECTED", [x, w], [out]), samples)
    assert not check_on_board([model], "viper", tmp_path)


def test_a_mean_over_no_axes() -> None:
    """Its kernel asks for scratch of no bytes, which lies where other scratch does."""
    x, out = Input((2, 3), "int8", 0.5, 1), Input((2, 3), "int8", 0.25, 2)
    data = op_model("MEAN", [x, numbers()], [out])
    compare(data, [[np.arange(6, dtype=np.int8).reshape(2, 3)]])


@pytest.mark.parametrize(("bias", "fits"), [(2**31 - 1000, True), (2**31 - 300, False)])
def test_outputs_stay_inside_int32_before_they_are_clamped(bias: int, fits: bool) -> None:
    """With a scale of 1 - 2^-24 the bias is the output, to which the zero point is added."""
    w = Constant(np.zeros((1, 1, 1, 2), np.int8), 0.99999994, 0)
    b = Constant(np.array([bias, -bias], np.int32), 0.99999994, 0)
    x, out = Input((1, 1, 1, 2), "int8", 1.0, 0), Input((1, 1, 1, 2), "int8", 1.0, 100)
    options = {**WINDOW, "depth_multiplier": 1}
    data = op_model("DEPTHWISE_CONV_2D", [x, w, b], [out], **options)
    if fits:
        pack_model(data)
        return
    with pytest.raises(UnsupportedError, match="may leave int32 before it is clamped"):
        pack_model(data)
