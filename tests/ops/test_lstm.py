"""UNIDIRECTIONAL_SEQUENCE_LSTM against TFLM, spec loops, worked by hand, and what is refused."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from microinterp import Interpreter
from microinterp.errors import PrepareError, RuntimeUnavailableError, UnsupportedError
from microinterp.kernels.lstm import OPS
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.lstm_layers import (
    ABSENT,
    BIAS,
    CELL,
    HIDDEN,
    KINDS,
    OUT,
    WH,
    WX,
    Layer,
    X,
    layers,
)
from tests.ops.movement import Input, assert_refused, op_model
from tests.ops.strategies import seeds
from tests.ops.test_svdf import with_resets
from tests.ops.values import assert_same_floats, outputs_of_both, tanh_ulps
from tests.oracle import compare_with_tflm

FLOAT, INT8, INT16 = OPS[0].types


def test_kinds_are_those_of_the_kernel() -> None:
    assert tuple(KINDS) == OPS[0].types


def expected(layer: Layer, specs: list[Any], x: np.ndarray) -> np.ndarray:
    """One invoke of the specification; its states move on."""
    out = np.zeros(layer.sequence(layer.shape[3]))
    for b, spec in enumerate(specs):
        for t in range(layer.shape[1]):
            place = (t, b) if layer.time_major else (b, t)
            out[place] = spec.step(x[place].tolist())
    return out


@pytest.mark.parametrize("types", OPS[0].types)
def test_equals_tflm_and_spec(tflm: TflmRuntime, types: str) -> None:
    """Output and states of each of four invokes; a reset comes between."""
    seen: Counter[str] = Counter()
    if types == FLOAT and tanh_ulps():
        pytest.skip("the C library rounds tanhf in another way than fdlibm")

    @settings(max_examples=settings().max_examples // 2)
    @given(layer=layers(types), seed=seeds())
    def check(layer: Layer, seed: int) -> None:
        data, rng = layer.data(), np.random.default_rng(seed)
        interpreter = Interpreter.from_bytes(data)
        samples = with_resets(rng, interpreter.graph, 4)
        result = compare_with_tflm(tflm, data, samples, ("float32", "int8", "int16"))
        assert result.differing_bytes == 0, result.first
        seen.update(models=3, varied=len(result.varied))
        specs = layer.specs()
        for sample in samples:
            if sample is None:
                specs = layer.specs()
                interpreter.reset()
                continue
            interpreter.set_input(sample[0], 0)
            interpreter.invoke()
            have, want = interpreter.get_output(0), expected(layer, specs, sample[0])
            if types == FLOAT:  # the equations in double
                np.testing.assert_allclose(have, want, rtol=1e-3, atol=1e-4)
            else:
                np.testing.assert_array_equal(have, want.astype(have.dtype))

    check()
    assert seen["varied"] >= 0.9 * seen["models"]


def small(types: str, **changes: Any) -> Layer:
    """One input, one state, two steps; every filter is 1, every bias 0."""
    _, w, bias, _ = KINDS[types]
    one = {number: np.ones((1, 1), w) for number in (*WX, *WH)}
    zero = {number: np.zeros(1, bias) for number in BIAS}
    scales = dict.fromkeys((*WX, *WH), (2.0 ** (-12), 0))
    scales |= {X: (1.0, 1), HIDDEN: (2.0**-7, -3), CELL: (2.0**-12, 0)}
    quantization = {} if types == FLOAT else scales
    return replace(Layer(types, (1, 2, 1, 1), {**one, **zero}, quantization), **changes)


def run(data: bytes, *values: Any) -> list[float]:
    interpreter = Interpreter.from_bytes(data)
    shape, dtype = interpreter.graph.main.inputs[0].shape, interpreter.graph.main.inputs[0].dtype
    interpreter.set_input(np.array(values, dtype).reshape(shape), 0)
    interpreter.invoke()
    return interpreter.get_output(0).reshape(-1).tolist()


def test_float_worked_by_hand() -> None:
    # All sums are x + h. Nothing comes in: each gate is 1/2, the cell's 0: all stays 0. Then 1:
    # the gates are sigmoid(1), the cell sigmoid(1) * tanh(1), shown as its tanh * sigmoid(1).
    gate = 1 / (1 + math.exp(-1))
    want = math.tanh(gate * math.tanh(1)) * gate
    assert run(small(FLOAT).data(), 0, 1) == pytest.approx([0, want], rel=1e-6)
    # without tanh in the cell's gate
    plain = small(FLOAT, activation="NONE")
    assert run(plain.data(), 0, 1)[1] == pytest.approx(math.tanh(gate) * gate, rel=1e-6)
    # the cell stops at 0.25
    clipped = small(FLOAT, clip=0.25)
    assert run(clipped.data(), 0, 1)[1] == pytest.approx(math.tanh(0.25) * gate, rel=1e-6)


def test_int8_worked_by_hand() -> None:
    # h starts at its zero point, so it adds nothing. x = 1 is nothing either: sigmoid(0) is 16384,
    # tanh(0) is 0. The cell stays 0, h at -3.
    assert run(small(INT8).data(), 1, 1) == [-3, -3]
    # With a factor of 128 for the input, 33 - 1 are 4096 steps of 2^-12, which is 1:
    # sigmoid 23955 = 0.731059 * 2^15, tanh 24956 = 0.761594 * 2^15, the cell's share
    # 23955 * 24956 / 2^18 = 2280.5 -> 2281 (steps of 2^-12), tanh of it 16585 (0.506 * 2^15),
    # times 23955 / 2^23 = 47.4 -> 47, minus 3.
    scales = {**small(INT8).quantization, **dict.fromkeys(WX, (2.0**-5, 0))}
    layer = small(INT8, quantization=scales, shape=(1, 1, 1, 1))
    assert run(layer.data(), 33) == [44]


def test_states_outlive_an_invoke_and_reset_brings_them_back() -> None:
    scales = {**small(INT8).quantization, **dict.fromkeys(WX, (2.0**-5, 0))}
    layer = small(INT8, quantization=scales, shape=(1, 1, 1, 1))
    interpreter = Interpreter.from_bytes(layer.data())
    seen = []
    for _ in range(3):
        interpreter.set_input(np.full((1, 1, 1), 33, np.int8), 0)
        interpreter.invoke()
        seen.append(interpreter.get_output(0).item())
    assert seen[0] < seen[1] < seen[2]
    interpreter.reset()
    interpreter.invoke()
    assert interpreter.get_output(0).item() == seen[0] == 44


def test_batch_is_run_in_order(tflm: TflmRuntime) -> None:
    """run_batch carries the state from sample to sample, as single runs do."""
    layer = small(FLOAT)
    x = np.random.default_rng(1).standard_normal((5, 1, 2, 1)).astype(np.float32)
    (batch,) = Interpreter.from_bytes(layer.data()).run_batch(x)
    singles = [output[0] for output in tflm.run(layer.data(), [[sample] for sample in x]).outputs]
    assert batch.tobytes() == np.stack(singles).tobytes()


def test_float_edges_equal_tflm(tflm: TflmRuntime) -> None:
    """Products beyond float32 are clamped; a NaN stays, but for the cell that is clipped."""
    for clip in (0.0, 2.0):
        layer = small(FLOAT, clip=clip, activation="NONE", shape=(1, 1, 1, 1))
        samples = [[np.full((1, 1, 1), v, "f4")] for v in (3e38, 3e38, -np.inf, 1, np.nan, 1)]
        ours, theirs = outputs_of_both(tflm, layer.data(), samples)
        assert_same_floats(ours, theirs)
        assert np.isnan(theirs).any()


def changed(changes: Mapping[int, Mapping[str, Any] | None], **fields: Any) -> Layer:
    return small(INT8, changes=changes, **fields)


def wide(dtype: str) -> dict[int, dict[str, Any]]:
    return {number: {"values": np.zeros(1, dtype)} for number in BIAS}


REFUSED: dict[str, Layer] = {
    "peephole is not supported": changed({9: {}}),
    "projection is not supported": changed({16: {}}),
    "layer normalisation is not supported": changed({23: {}}),
    "input 1 is missing": changed({1: None}),
    "input 12 is missing": changed({12: None}),
    "type int16, wanted int8": changed({WH[1]: {"values": np.ones((1, 1), np.int16)}}),
    "type int64, wanted int32": changed({BIAS[2]: {"values": np.zeros(1, np.int64)}}),
    "rank 2, wanted 3": changed({X: {"shape": (2, 1)}}),
    "shape [1, 1], wanted [1, 2]": changed({X: {"shape": (1, 2, 2)}, OUT: {"shape": (1, 2, 1)}}),
    "shape [2, 1], wanted [1, 1]": changed({WX[3]: {"values": np.ones((2, 1), np.int8)}}),
    "shape [1, 2], wanted [1, 1]": changed({WH[3]: {"values": np.ones((1, 2), np.int8)}}),
    "shape [2], wanted [1]": changed({BIAS[0]: {"values": np.zeros(2, np.int32)}}),
    "shape [1, 1, 1], wanted [1, 2, 1]": changed({OUT: {"shape": (1, 1, 1)}}),
    "int16[2] has 2 elements, wanted 1 times 1": changed({CELL: {"shape": (2,)}}),
    "int8[2, 1] has 2 elements, wanted 1 times 1": changed({HIDDEN: {"shape": (2, 1)}}),
    "rank 1, wanted 2 or more": changed({HIDDEN: {"shape": (1,)}}),
    "has no quantisation": changed({WX[0]: {"scale": None, "zero_point": None}}),
    "has 2 scales, wanted one": replace(
        small(INT8),
        shape=(1, 2, 1, 2),
        contents={
            **{n: np.ones((2, 1), np.int8) for n in WX},
            **{n: np.ones((2, 2), np.int8) for n in WH},
            **{n: np.zeros(2, np.int32) for n in BIAS},
        },
        changes={WX[1]: {"scale": [0.5, 0.25], "zero_point": [0, 0], "axis": 0}},
    ),
    "out of the range of tanh": changed({CELL: {"scale": 8.0}}),
    "2^30 or more": changed({HIDDEN: {"scale": 2.0**-61}}),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refuses(text: str) -> None:
    with pytest.raises(PrepareError) as caught:
        Interpreter.from_bytes(REFUSED[text].data())
    assert caught.value.where.op_index == 0
    assert text in str(caught.value)


OURS_ALONE = ("quantisation", "has 2 scales", "range of tanh", "2^30", "rank 1", "rank 2")


@pytest.mark.parametrize("text", [t for t in REFUSED if not any(own in t for own in OURS_ALONE)])
def test_tflm_refuses_the_same(tflm: TflmRuntime, text: str) -> None:
    with pytest.raises(RuntimeUnavailableError):
        tflm.run(REFUSED[text].data(), [])


@pytest.mark.parametrize("number", ABSENT)
def test_refuses_every_tensor_of_a_variant(number: int) -> None:
    with pytest.raises(PrepareError, match="is not supported by TFLM"):
        Interpreter.from_bytes(changed({number: {}}).data())


@pytest.mark.parametrize(
    "layer",
    [
        changed({CELL: {"dtype": "int8"}}),
        changed({OUT: {"dtype": "int16"}}),
        changed(wide("int64")),
        changed({n: {"values": np.ones((1, 1), np.int16)} for n in (*WX, *WH)}),
    ],
)
def test_refuses_types(layer: Layer) -> None:
    assert_refused(layer.data(), "element types int8", kind=UnsupportedError)


@pytest.mark.parametrize(("number", "tensor"), [(HIDDEN, 13), (CELL, 14)])
def test_refuses_a_state_that_is_no_variable(tflm: TflmRuntime, number: int, tensor: int) -> None:
    data = changed({number: {"is_variable": False}}).data()
    assert_refused(data, "the state is no variable", tensor)
    with pytest.raises(RuntimeUnavailableError, match="failed to allocate"):
        tflm.run(data, [])


def test_refuses_no_options_and_numbers_of_tensors() -> None:
    name = "UNIDIRECTIONAL_SEQUENCE_LSTM"
    no_options = small(INT8).data(with_options=False)
    assert_refused(no_options, "the op has no UnidirectionalSequenceLSTMOptions")
    tensor = Input((1, 1, 1), "int8", 1.0, 0)
    assert_refused(op_model(name, [tensor], [tensor]), "has 1 inputs, wanted 24")
