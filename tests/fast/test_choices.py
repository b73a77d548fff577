"""Which kernel runs: what has no fast twin keeps the plain kernel, and says why."""

from __future__ import annotations

from dataclasses import replace
from functools import partial, wraps
from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.arena.poison import Poison
from microinterp.fast_path import Fast
from microinterp.kernels import conv_2d, default_registry
from microinterp.kernels.fast import matrix, rescale
from microinterp.kernels.fast.rescale import Staircase
from microinterp.model_builder import ModelBuilder
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op
from microinterp.runtimes.tflm import TflmRuntime
from tests.fast.comparison import assert_same, node_of, run_each, tiles_of
from tests.fast.layers import Array, dense, inputs_for
from tests.fast.test_batch import BATCH, as_bytes, singles, small_net
from tests.ops.layers import Layer, options_of
from tests.ops.movement import Input
from tests.ops.test_conv_2d import BASE as CONV
from tests.ops.test_depthwise_conv_2d import BASE as DEPTHWISE
from tests.ops.test_fully_connected import BASE as DENSE
from tests.oracle import random_samples
from tests.spec_ops.conv import Axis

RNG = np.random.default_rng(11)
SHAPE = (1, 4, 4, 3)


def int8(*shape: int) -> Any:
    return RNG.integers(-128, 128, shape).astype(np.int8)


WINDOW = {"padding": "SAME", "stride_w": 1, "stride_h": 1}
POOL = {**WINDOW, "padding": "VALID", "filter_width": 1, "filter_height": 1}
OF_CONSTANTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "CONV_2D": (int8(3, 3, 3, 3), WINDOW),
    "DEPTHWISE_CONV_2D": (int8(1, 3, 3, 3), {**WINDOW, "depth_multiplier": 1}),
    "FULLY_CONNECTED": (int8(3, 3), {}),
    "AVERAGE_POOL_2D": (None, POOL),
    "MAX_POOL_2D": (None, POOL),
    "LOGISTIC": (None, {}),
    "RELU": (None, {}),
    "SOFTMAX": (None, {"beta": 1.0}),
    "ADD": (int8(*SHAPE), {}),
    "RESHAPE": (np.array(SHAPE, np.int32), {}),
}


@pytest.mark.parametrize("op", OF_CONSTANTS)
def test_an_op_of_constants_fills_a_whole_batch(op: str) -> None:
    """Its inputs have no axis of samples, its output has."""
    operand, options = OF_CONSTANTS[op]
    b = ModelBuilder()
    g = b.subgraph("main")
    a = g.input("a", SHAPE, "int8", 0.5, 0)
    scale, zero = (1 / 256, -128) if op in ("LOGISTIC", "SOFTMAX") else (0.5, 3)
    inputs: list[int | None] = [g.constant("x", int8(*SHAPE), None, 0.5, 3)]
    if operand is not None:
        quantization = (0.5, 0) if operand.dtype == np.int8 else ()
        inputs.append(g.constant("w", operand, None, *quantization))
    y = g.tensor("y", SHAPE, "int8", scale, zero)
    z = g.tensor("z", SHAPE, "int8", 60.0, 2)
    g.op(op, inputs, [y], **options)
    g.op("ADD", [a, y], [z])
    g.output(z)
    g.output(y)
    data, batch = b.finish(), int8(5, *SHAPE)
    fast, plain = Interpreter.from_bytes(data), Interpreter.from_bytes(data, kernels="plain")
    found = fast.run_batch(batch)  # before the plain one: memory that is free may hold its answer
    for have, want in zip(found, plain.run_batch(batch), strict=True):
        assert have.tobytes() == want.tobytes()


def halves(activation: str = "NONE") -> Layer:
    """Halved sums up to 2^24, a dense layer: ties of both signs, for which floats lack the bits."""
    layer = dense((1, 1040), 1, 2)
    w = np.full((2, 1040), 127, np.int8)
    w[1] = -127
    return replace(
        layer,
        w=w,
        w_scales=[1.0],
        y=replace(layer.y, scale=4.0),
        bias=np.array([7, -9], np.int32),
        options={"fused_activation_function": activation},
    )


ONE_TAP = options_of((Axis(1, 1, 1, "VALID"), Axis(1, 1, 1, "VALID")))
GROUPED = Layer(
    "CONV_2D",
    Input((1, 4, 4, 6), "int8", 0.5, 1),
    int8(4, 1, 1, 3),
    Input((1, 4, 4, 4), "int8", 60.0, 0),
    bias=np.arange(4, dtype=np.int32),
    w_scales=[0.5],
    options=ONE_TAP,
)
REFUSED: dict[str, tuple[Layer, str, str]] = {
    "groups": (GROUPED, "tflm", "2 groups of channels"),
    "computed filter": (replace(CONV, computed=True), "tflm", "its filter or bias is computed"),
    "computed dense filter": (
        replace(DENSE, computed=True),
        "tflm",
        "its filter or bias is computed",
    ),
    "real rounding": (DENSE, "litert-ref", "its rounding (multiply_real) has no fast form"),
    "overflow": (
        replace(DENSE, bias=np.array([2**31 - 1, 0], np.int32)),
        "tflm",
        "sums with their bias, shifted to the left, may overflow int32",
    ),
    "overflow by a left shift": (
        replace(DENSE, y=replace(DENSE.y, scale=2.0**-25), w_scales=[0.5, 0.5]),
        "tflm",
        "sums with their bias, shifted to the left, may overflow int32",
    ),
    "ties": (halves(), "tflm", "floats would round some output differently"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_layer_that_fails_the_proof_runs_its_plain_kernel(name: str) -> None:
    layer, profile, why = REFUSED[name]
    data = layer.data()
    interpreter = Interpreter.from_bytes(data, profile=profile)
    plain = Interpreter.from_bytes(data, profile=profile, kernels="plain")
    assert node_of(interpreter).fast is None
    assert node_of(interpreter).why == why
    samples = random_samples(np.random.default_rng(1), interpreter.graph, 5)
    batch = [np.stack(arrays) for arrays in zip(*samples, strict=True)]  # type: ignore[arg-type]
    (have,), (want,) = (it.run_batch(*batch) for it in (interpreter, plain))
    assert have.tobytes() == want.tobytes()


@pytest.mark.parametrize("layer", [CONV, DEPTHWISE, DENSE], ids=lambda layer: layer.op)
def test_int16_has_no_fast_form(layer: Layer) -> None:
    x, y = replace(layer.x, dtype="int16", zero_point=0), replace(layer.y, dtype="int16")
    layer = replace(layer, x=x, y=replace(y, zero_point=0), bias=None)
    node = node_of(Interpreter.from_bytes(layer.data()))
    assert (node.fast, node.why) == (None, "activations of int16")


def test_the_layer_that_floats_round_differently_equals_tflm(tflm: TflmRuntime) -> None:
    """And with RELU its outputs have one sign, so that it has a twin."""
    for activation, is_fast in (("NONE", False), ("RELU", True)):
        layer, rng = halves(activation), np.random.default_rng(2)
        batch = np.concatenate([inputs_for(rng, layer, 0) for _ in range(4)])
        node, outputs = assert_same(layer.data(), batch, rng)
        assert (node.fast is not None) == is_fast
        theirs = tflm.run(layer.data(), [[sample] for sample in batch]).outputs
        assert np.stack([found[0] for found in theirs]).tobytes() == outputs.tobytes()


def test_without_its_proof_that_layer_would_be_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best form that there is for it gives other bytes: the refusal is no mere caution."""
    layer, rng = halves(), np.random.default_rng(2)
    # sums near 0, where outputs are halves of them: ones and minus ones, odd and even numbers
    batch = np.zeros((200, 1, 1040), np.int8)
    batch[:, 0, :20] = rng.integers(-1, 2, (200, 20))
    layer = replace(layer, w=np.where(np.arange(1040) < 20, 1, layer.w).astype(np.int8))
    assert_same(layer.data(), batch, rng)
    channels = np.zeros(2, bool)
    monkeypatch.setattr(Staircase, "wrong", lambda self, form: channels)
    monkeypatch.setattr(rescale, "_proved", rescale._proved.__wrapped__)  # keeps no answer
    assert node_of(Interpreter.from_bytes(layer.data())).fast is not None
    with pytest.raises(AssertionError, match="rounding"):
        assert_same(layer.data(), batch, rng)


def test_a_blas_that_loses_bits_gets_no_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "products_are_exact", lambda: False)
    node = node_of(Interpreter.from_bytes(CONV.data()))
    assert (node.fast, node.why) == (None, "matrix products of this machine lose bits")


def test_plain_takes_no_twin() -> None:
    interpreter = Interpreter.from_bytes(small_net(), kernels="plain")
    for node in interpreter.prepared.nodes():
        assert (node.fast, node.why) == (None, "plain kernels are asked for")


def test_auto_says_the_form_of_every_twin() -> None:
    nodes = list(Interpreter.from_bytes(small_net()).prepared.nodes())
    assert all(isinstance(node.fast, Fast) and node.why == node.fast.how for node in nodes)
    conv, depthwise, pool, fully = (node.why for node in nodes)
    assert conv.startswith("27 x 5 float32 product, sums below 2^1")
    assert depthwise.startswith("float32 sums of 9 taps below 2^1")
    assert pool == "float32 sums of 4 pixels, one rounding"
    assert fully.startswith("20 x 6 float32 product, sums below 2^1")
    for why in (conv, depthwise, fully):
        assert why.endswith((", one rounding", ", two roundings"))


@wraps(conv_2d.evaluate_int)
def inverted(params: Any, arrays: Arrays) -> None:
    """A user's own convolution, which bears the name of ours."""
    conv_2d.evaluate_int(params, arrays)
    arrays.outputs[0][...] = ~arrays.outputs[0]


class Inverted:
    """The same as an object."""

    def __call__(self, params: Any, arrays: Arrays) -> None:
        inverted(params, arrays)


def of_ours(params: Any, arrays: Arrays) -> None:
    """The same without its name."""
    inverted(params, arrays)


def of_no_module(params: Any, arrays: Arrays) -> None:
    """The same as exec makes it, in a notebook for one."""
    inverted(params, arrays)


of_no_module.__module__ = None  # type: ignore[assignment]
OWN = [inverted, Inverted(), of_ours, partial(of_ours), of_no_module]


@pytest.mark.parametrize("evaluate", OWN)
def test_a_users_own_convolution_stays_his(evaluate: Any) -> None:
    def prepare(node: Any, context: Context) -> Kernel:
        return replace(conv_2d.prepare(node, context), evaluate=evaluate)

    registry = default_registry().with_op(Op("CONV_2D", prepare))
    own = Interpreter.from_bytes(small_net(), registry=registry)
    assert node_of(own).fast is None
    assert node_of(own).why == "no fast form"
    usual = Interpreter.from_bytes(small_net())
    (_, have), (_, want) = (it.run_batch(BATCH, threads=2) for it in (own, usual))
    assert (have == ~want).all()


def test_every_tensor_is_kept_and_equal() -> None:
    plain, fast = (
        Interpreter.from_bytes(small_net(), kernels=kernels, preserve_all_tensors=True)
        for kernels in ("plain", "auto")
    )
    for sample in BATCH:
        for interpreter in (plain, fast):
            interpreter.set_input(sample, 0)
            interpreter.invoke()
        for tensor in plain.graph.main.tensors:
            want, have = plain.get_tensor(tensor.index), fast.get_tensor(tensor.index)
            assert have.tobytes() == want.tobytes(), tensor.name


def test_poisoned_dead_bytes_change_nothing() -> None:
    want = singles(Interpreter.from_bytes(small_net(), kernels="plain"), BATCH)
    interpreter, poison = Interpreter.from_bytes(small_net()), Poison()
    found: list[list[Array]] = [[], []]
    for sample in BATCH:
        interpreter.set_input(sample, 0)
        interpreter.invoke(poison)
        for i, outputs in enumerate(found):
            outputs.append(interpreter.get_output(i))
    assert as_bytes([np.stack(outputs) for outputs in found]) == want
    assert poison.poisoned > 0


def in_place() -> bytes:
    """A convolution whose output, larger than its input, a plan by hand puts over it."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 6, 5, 1), "int8", 0.5, 3)
    y = g.tensor("y", (1, 4, 3, 4), "int8", 40.0, 3)
    w = g.constant("w", int8(4, 3, 3, 1), None, 0.5, 0)
    g.op("CONV_2D", [x, w], [y], padding="VALID", stride_h=1, stride_w=1)
    g.output(y)
    b.metadata("OfflineMemoryAllocation", np.array([1, 1, 3, 0, 0, -1], "<i4").tobytes())
    return b.finish()


def test_an_op_in_place_keeps_its_plain_kernel() -> None:
    """Its twin, tile by tile, would read what it has written."""
    batch, data = int8(6, 1, 6, 5, 1), in_place()
    plain = Interpreter.from_bytes(data, kernels="plain")
    assert plain.arena.offsets == {0: 0, 1: 0}
    with tiles_of(1):
        fast = Interpreter.from_bytes(data)
        assert node_of(fast).fast is not None
        assert run_each(fast, batch).tobytes() == run_each(plain, batch).tobytes()
        (have,), (want,) = (it.run_batch(batch, threads=2) for it in (fast, plain))
        assert have.tobytes() == want.tobytes()
