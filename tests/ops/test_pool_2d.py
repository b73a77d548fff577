"""The pools against TFLM, against spec loops, worked by hand, and what is refused."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.errors import RuntimeUnavailableError, UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.layers import VARIED_SHARE, activations
from tests.ops.movement import EVERY_TYPE, Input, assert_refused, op_model, run_one
from tests.ops.strategies import ACTIVATIONS, seeds
from tests.oracle import check_model, random_samples
from tests.spec_ops import pool as spec
from tests.spec_ops import scales as limits
from tests.spec_ops.conv import Axis, Number, output_shape
from tests.spec_ops.scales import single

TYPES = ("float32", "int8", "int16")
AVERAGE, MAX, L2 = OPS = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D")
POOLS = [(op, dtype) for op in OPS for dtype in TYPES if op != L2 or dtype == "float32"]


@dataclass(frozen=True)
class Pool:
    """A pool over one input; the output has its quantisation unless said otherwise."""

    op: str
    x: Input
    axes: tuple[Axis, Axis]
    activation: str = "NONE"
    y: Input | None = None

    def data(self, **options: Any) -> bytes:
        rows, columns = self.axes
        shape = output_shape(self.x.shape, self.x.shape[3], self.axes)
        y = self.y or Input(shape, self.x.dtype, self.x.scale, self.x.zero_point)
        known = {
            "padding": rows.padding,
            "stride_h": rows.stride,
            "stride_w": columns.stride,
            "filter_height": rows.size,
            "filter_width": columns.size,
            "fused_activation_function": self.activation,
        }
        return op_model(self.op, [self.x], [y], **{**known, **options})

    def expected(self, x: Sequence[Number]) -> list[Number]:
        """The outputs by the specification."""
        windows = spec.windows(x, self.x.shape, self.axes)
        if self.x.dtype == "float32":
            low, high = limits.float_limits(self.activation)
            pooled = [FLOAT_POOLS[self.op](w) for w in windows]
        else:
            assert self.x.scale is not None
            zero = self.x.zero_point or 0
            low, high = limits.limits(self.activation, self.x.dtype, self.x.scale, zero)
            pooled = [max(w) if self.op == MAX else spec.rounded_mean(w) for w in windows]
        return [min(max(value, low), high) for value in pooled]


def float_mean(values: Sequence[float]) -> float:
    total = 0.0
    for value in values:
        total = single(total + value)
    return single(total / len(values))


def float_l2(values: Sequence[float]) -> float:
    return single(math.sqrt(float_mean([single(value * value) for value in values])))


FLOAT_POOLS: dict[str, Callable[[Sequence[Number]], Number]] = {
    AVERAGE: float_mean,
    MAX: max,
    L2: float_l2,
}


@st.composite
def pools(draw: st.DrawFn, op: str, dtype: str) -> Pool:
    """Windows larger and smaller than their strides, and than the image under SAME."""
    padding = draw(st.sampled_from(("SAME", "VALID")))
    rows, columns = (
        Axis(draw(st.integers(1, 5)), draw(st.integers(1, 4)), 1, padding) for _ in range(2)
    )
    height = draw(st.integers(rows.reach if padding == "VALID" else 1, 10))
    width = draw(st.integers(columns.reach if padding == "VALID" else 1, 10))
    shape = (draw(st.integers(1, 2)), height, width, draw(st.integers(1, 4)))
    x = Input(shape, dtype, *draw(activations(dtype)))
    return Pool(op, x, (rows, columns), draw(st.sampled_from(ACTIVATIONS)))


@pytest.mark.parametrize(("op", "dtype"), POOLS)
def test_equals_tflm_and_spec(tflm: TflmRuntime, op: str, dtype: str) -> None:
    seen: Counter[str] = Counter()

    @given(pool=pools(op, dtype), seed=seeds())
    def check(pool: Pool, seed: int) -> None:
        data, rng = pool.data(), np.random.default_rng(seed)
        result = check_model(tflm, data, rng, dtypes=EVERY_TYPE)
        assert result.tensors == 1
        seen["models"] += 1
        seen["varied"] += bool(result.varied)
        (sample,) = random_samples(rng, Interpreter.from_bytes(data).graph, 1)
        assert sample is not None
        have = run_one(data, *sample)
        want = np.array(pool.expected(sample[0].reshape(-1).tolist()), have.dtype)
        np.testing.assert_array_equal(have.reshape(-1), want)

    check()
    assert seen["varied"] >= VARIED_SHARE * seen["models"]


TWO_BY_TWO = (Axis(2, 1, 1, "SAME"), Axis(2, 1, 1, "SAME"))
ROW_OF_TWO = (Axis(1, 1, 1, "VALID"), Axis(2, 2, 1, "VALID"))


def test_average_worked_by_hand() -> None:
    # 1 2 / 3 4: means of 1 2 3 4, of 2 4, of 3 4 and of 4, that is 2.5 3 3.5 4. Halves go away
    # from zero, and the zero point plays no part.
    pool = Pool(AVERAGE, Input((1, 2, 2, 1), "int8", 1.0, 100), TWO_BY_TWO)
    x = np.array([1, 2, 3, 4], np.int8).reshape(1, 2, 2, 1)
    assert run_one(pool.data(), x).reshape(-1).tolist() == [3, 3, 4, 4]
    assert run_one(pool.data(), -x).reshape(-1).tolist() == [-3, -3, -4, -4]


def test_max_worked_by_hand() -> None:
    # The last column does not fit; the limits of RELU6 are 2 + 0 / 0.5 and 2 + 6 / 0.5.
    pool = Pool(MAX, Input((1, 1, 7, 1), "int8", 0.5, 2), ROW_OF_TWO, "RELU6")
    x = np.array([-9, -7, 5, 3, 20, 13, 127], np.int8).reshape(1, 1, 7, 1)
    assert run_one(pool.data(), x).reshape(-1).tolist() == [2, 5, 14]


def test_l2_worked_by_hand() -> None:
    # 3 4 / 0 -12: sqrt(169 / 4), then 4 -12, 0 -12 and -12 alone; RELU6 clamps at 6
    x = np.array([3, 4, 0, -12], np.float32).reshape(1, 2, 2, 1)
    pool = Pool(L2, Input((1, 2, 2, 1), "float32"), TWO_BY_TWO)
    want = [6.5, math.sqrt(80), math.sqrt(72), 12]
    assert run_one(pool.data(), x).reshape(-1).tolist() == np.float32(want).tolist()
    clamped = Pool(L2, pool.x, ROW_OF_TWO, "RELU6")
    assert run_one(clamped.data(), x).reshape(-1).tolist() == [np.float32(math.sqrt(12.5)), 6]


def test_floats_at_their_edges_equal_tflm(tflm: TflmRuntime) -> None:
    """NaN never is the greatest and -inf never the least; a clamp keeps NaN and -0.0."""
    least = np.finfo(np.float32).min
    pairs = [
        *[(np.nan, 1), (1, np.nan), (np.nan, np.nan), (-np.inf, -np.inf), (np.inf, 1)],
        *[(-0.0, 0.0), (0.0, -0.0), (-1e-45, 0.0), (least, least), (3e38, 3e38), (2**24, 1)],
    ]
    x = np.array(pairs, np.float32).reshape(1, 1, -1, 1)
    for op in OPS:
        for activation in ACTIVATIONS:
            data = Pool(op, Input(x.shape, "float32"), ROW_OF_TWO, activation).data()
            (want,) = tflm.run(data, [[x]]).outputs[0]
            assert run_one(data, x).tobytes() == want.tobytes(), (op, activation)
    greatest = run_one(Pool(MAX, Input(x.shape, "float32"), ROW_OF_TWO).data(), x).reshape(-1)
    assert greatest[:4].tolist() == [1, 1, least, least]


def test_sums_of_int16_wrap_as_in_tflm(tflm: TflmRuntime) -> None:
    """More than 65536 pixels of -32768 leave int32."""
    x = np.full((1, 257, 256, 1), -32768, np.int16)
    axes = (Axis(257, 1, 1, "VALID"), Axis(256, 1, 1, "VALID"))
    data = Pool(AVERAGE, Input(x.shape, "int16", 1.0, 0), axes).data()
    (want,) = tflm.run(data, [[x]]).outputs[0]
    assert run_one(data, x).item() == want.item()
    wrapped = 257 * 256 * -32768 + 2**32
    assert want.item() == round(wrapped / (257 * 256))


@pytest.mark.parametrize("op", [AVERAGE, MAX])
def test_a_window_far_larger_than_the_image_costs_nothing(tflm: TflmRuntime, op: str) -> None:
    huge = Axis(2**16 - 1, 1, 1, "SAME")
    pool = Pool(op, Input((1, 5, 4, 3), "int8", 1.0, 0), (huge, huge))
    data = pool.data()
    check_model(tflm, data, np.random.default_rng(1))
    x = np.arange(60, dtype=np.int8).reshape(1, 5, 4, 3)
    for c in range(3):
        values = x[..., c].reshape(-1).tolist()
        want = max(values) if op == MAX else spec.rounded_mean(values)
        assert np.unique(run_one(data, x)[..., c]).tolist() == [want]


def test_spec_rounds_halves_away_from_zero() -> None:
    assert [spec.rounded_mean(v) for v in ([1, 2], [-1, -2], [0, 1], [0, -1], [1, 1, 2])] == [
        *[2, -2, 1, -1],
        round(Fraction(4, 3)),
    ]


INT8 = Input((1, 2, 2, 1), "int8", 0.5, 3)
BASE = Pool(AVERAGE, INT8, TWO_BY_TWO)
SAME_SHAPE = (1, 2, 2, 1)
REFUSED: dict[str, tuple[bytes, int | None]] = {
    "has 2 inputs, wanted 1": (op_model(AVERAGE, [INT8, INT8], [INT8]), None),
    "the op has no Pool2DOptions": (
        op_model(AVERAGE, [INT8], [INT8], with_options=False),
        None,
    ),
    "rank 3, wanted 4": (op_model(AVERAGE, [Input((2, 2, 1), "int8", 1.0, 0)], [INT8]), 0),
    "shape [1, 1, 2, 1], wanted [1, 2, 2, 1]": (
        Pool(AVERAGE, INT8, TWO_BY_TWO, y=Input((1, 1, 2, 1), "int8", 0.5, 3)).data(),
        1,
    ),
    "quantised with scale 0.5, zero point 4": (
        Pool(AVERAGE, INT8, TWO_BY_TWO, y=Input(SAME_SHAPE, "int8", 0.5, 4)).data(),
        1,
    ),
    "quantised with scale 0.500002, zero point 3": (
        Pool(AVERAGE, INT8, TWO_BY_TWO, y=Input(SAME_SHAPE, "int8", 0.500002, 3)).data(),
        1,
    ),
    "padding of 32768 pixels overflows": (BASE.data(filter_height=2**16 + 1), None),
    "stride is 0": (BASE.data(stride_w=0), None),
    "filter size is 0": (BASE.data(filter_height=0), None),
    "filter size is -1": (BASE.data(filter_width=-1), None),
    "neither SAME (0) nor VALID (1)": (BASE.data(padding=3), None),
    "filter of 3 pixels does not fit the 2": (BASE.data(padding="VALID", filter_width=3), None),
    "activation limit 6.0 is out of range": (
        Pool(MAX, Input(SAME_SHAPE, "int8", 2.0**-30, 3), TWO_BY_TWO, "RELU6").data(),
        1,
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refuses(text: str) -> None:
    data, tensor = REFUSED[text]
    assert_refused(data, text, tensor)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(("x", "y"), [("uint8", "uint8"), ("int32", "int32"), ("int8", "int16")])
def test_refuses_types(op: str, x: str, y: str) -> None:
    types = Input(SAME_SHAPE, x, 1.0, 0), Input(SAME_SHAPE, y, 1.0, 0)
    data = Pool(op, types[0], TWO_BY_TWO, y=types[1]).data()
    assert_refused(data, f"{x} x {y}", kind=UnsupportedError)


def test_scales_may_differ_by_a_millionth(tflm: TflmRuntime) -> None:
    near = Pool(AVERAGE, INT8, TWO_BY_TWO, y=Input(SAME_SHAPE, "int8", 0.5000009, 3))
    check_model(tflm, near.data(), np.random.default_rng(1))
    far = Pool(AVERAGE, INT8, TWO_BY_TWO, y=Input(SAME_SHAPE, "int8", 0.5000012, 3))
    assert_refused(far.data(), "quantised with scale 0.500001", 1)
    with pytest.raises(RuntimeUnavailableError, match="failed to allocate"):
        tflm.run(far.data(), [])
