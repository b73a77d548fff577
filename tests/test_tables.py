"""Lookup tables and the C library's float functions, by definition; for TFLM see tests/ops."""

from __future__ import annotations

import ctypes
import ctypes.util
import math
import platform
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from microinterp.quant.libm import checked_log2, expf, roundf, tanhf
from microinterp.quant.tables import (
    interpolation_table,
    sigmoid_table,
    softmax_exp_table,
    softmax_reciprocal_table,
)
from tests.ops.values import EXTREME_FLOATS, SPECIAL_FLOATS, tanh_ulps


def test_sigmoid_table() -> None:
    table = sigmoid_table()
    assert table.dtype == np.uint16
    assert table.shape == (256,)
    assert table[[0, 255]].tolist() == [32768, 65535]
    # sigmoid(1) * 2^16 = 47910.8 and sigmoid(2) * 2^16 = 57723.9: raised a little
    assert table[[24, 48]].tolist() == [47911, 57724]
    assert (np.diff(table.astype(int)) >= 0).all()
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 1


@pytest.mark.parametrize(
    "table", [sigmoid_table, softmax_exp_table, softmax_reciprocal_table], ids=lambda f: f.__name__
)
def test_tables_are_made_once(table: Callable[[], npt.NDArray[Any]]) -> None:
    """Each model that is prepared asks for them."""
    assert table() is table()


def test_raised_entries_halve_the_error_of_interpolation() -> None:
    """Plain samples would be off by up to 1.5 of 65536 between entries, these by hardly 1."""
    x = np.arange(0, 254 * 64) / 64
    exact = 65536 / (1 + np.exp(-x / 24))
    raised = np.interp(x, np.arange(256), sigmoid_table())
    plain = np.interp(x, np.arange(256), np.round(65536 / (1 + np.exp(-np.arange(256) / 24))))
    assert np.abs(raised - exact).max() < 1.3 < np.abs(plain - exact).max()


def test_softmax_tables() -> None:
    """Entry i belongs to i / 512 of the range."""
    place = np.arange(513) / 512
    exp, reciprocal = softmax_exp_table(), softmax_reciprocal_table()
    assert exp.dtype == reciprocal.dtype == np.int16
    # the bias against interpolation lowers exp, most of all near 0
    np.testing.assert_allclose(exp, np.exp(-10 * (1 - place)) * 32768, atol=1.6)
    np.testing.assert_allclose(reciprocal, 32768 / (1 + place), atol=1.1)
    assert exp[[0, -1]].tolist() == [2, 32767]
    assert reciprocal[[0, -1]].tolist() == [32767, 16384]


def table_by_loops(
    transform: Callable[[Any], Any], scale: float, zero_point: int, output_scale: float
) -> list[int]:
    """interpolation_table one entry at a time, in single float32 numbers."""
    f32 = np.float32

    def whole(x: Any) -> int:  # halves away from zero
        return math.floor(x + 0.5) if x >= 0 else math.ceil(x - 0.5)

    def at(x: Any) -> Any:
        return f32(transform(f32(x)) * per_unit)

    first, last = (f32(scale) * f32(end - zero_point) for end in (-32768, 32767))
    ends = [f32(output_scale) * f32(end) for end in (-32768, 32767)]
    per_unit = f32(65536) / f32(ends[1] - ends[0])
    step = f32(last - first) / f32(512)
    entries = []
    for i in range(512):
        x = f32(first + f32(i) * step)
        sample = whole(at(x))
        between = whole(f32(at(first + f32(i + 1) * step) + f32(sample)) / f32(2))
        missed = f32(between - whole(at(x + step / f32(2))))
        entries.append(sample - whole(missed / f32(2)))
    entries.append(whole(at(last)))
    return [min(max(entry, -32768), 32767) for entry in entries]


@pytest.mark.parametrize(
    ("scale", "zero_point", "output_scale"),
    [(1e-4, 0, 1e-4), (3e-5, -1234, 7e-5), (2e-4, 32767, 1e-3), (5e-4, -32768, 2e-4)],
)
def test_interpolation_table_by_loops(scale: float, zero_point: int, output_scale: float) -> None:
    for transform in (tanhf, lambda x: x * x * x - x, lambda x: np.float32(1) / (x * x + x + 1)):
        table = interpolation_table(
            transform, np.float32(scale), zero_point, np.float32(output_scale)
        )
        loops = table_by_loops(transform, scale, zero_point, output_scale)
        assert table.tolist() == loops
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 1


def test_softmax_tables_by_loops() -> None:
    """exp over [-10, 0] and 1 / (1 + x) over [0, 1], both up to 1."""
    unit = 1 / np.float32(65535)
    exp = table_by_loops(expf, np.float32(10) / np.float32(65535), 32767, 2 * unit)
    assert softmax_exp_table().tolist() == exp
    reciprocal = table_by_loops(lambda x: 1 / (1 + x), unit, -32768, 2 * unit)
    assert softmax_reciprocal_table().tolist() == reciprocal


def test_expf_is_nearly_rounded_correctly() -> None:
    """Within 0.503 ulp of exp as Decimal computes it."""
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.uniform(-87, 88, 1500), rng.standard_normal(1500)]).astype(np.float32)
    results = expf(x)
    with localcontext() as context:
        context.prec = 40
        for argument, result in zip(x.tolist(), results, strict=True):
            ulp = Decimal(float(np.spacing(result)))
            assert abs(Decimal(argument).exp() - Decimal(float(result))) / ulp < Decimal("0.503")


def test_expf_at_the_ends() -> None:
    x = np.float32([-0.0, 0.0, np.inf, -np.inf, 88.72283, 88.72284, -103.97208, -103.97209, -1e30])
    inf, tiny, largest = np.inf, 1.4e-45, 3.4027985e38
    assert expf(x).tolist() == np.float32([1, 1, inf, 0, largest, inf, tiny, 0, 0]).tolist()
    assert np.isnan(expf(np.float32([np.nan]))).all()
    assert expf(np.zeros((2, 0), np.float32)).shape == (2, 0)
    assert expf(np.array(1, np.float32)) == np.float32(math.e)


def test_expf_equals_glibc() -> None:
    """No bit differs from this machine's C library, if that is glibc."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("the C library is not glibc")
    c_expf = ctypes.CDLL(ctypes.util.find_library("m")).expf
    c_expf.argtypes, c_expf.restype = [ctypes.c_float], ctypes.c_float
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.uniform(-104, 89, 60_000), rng.standard_normal(40_000) * 3])
    x = np.concatenate([x.astype(np.float32), np.float32(SPECIAL_FLOATS + EXTREME_FLOATS[:4])])
    np.testing.assert_array_equal(expf(x), np.float32([c_expf(v) for v in x.tolist()]))


def test_tanhf() -> None:
    x = np.float32([0.0, -0.0, 1.0, -20.0, np.inf])
    assert tanhf(x).tolist() == [0.0, -0.0, float(np.float32(math.tanh(1))), -1.0, 1.0]
    assert np.signbit(tanhf(x)).tolist() == [False, True, False, True, False]


def test_tanhf_adds_the_last_bits_of_the_exponential() -> None:
    """The one float32 number whose tanh shows whether exp(2x) - 1 has lost its - 1."""
    x = np.float32([8.037958145141602])
    assert tanhf(x).tolist() == [1 - 4 * 2.0**-24]


def test_tanhf_equals_fdlibm() -> None:
    """No bit differs from this machine's C library, if that still has fdlibm's tanhf."""
    if tanh_ulps():
        pytest.skip("the C library is not glibc, or rounds tanhf correctly")
    c_tanhf = ctypes.CDLL(ctypes.util.find_library("m")).tanhf
    c_tanhf.argtypes, c_tanhf.restype = [ctypes.c_float], ctypes.c_float
    rng = np.random.default_rng(3)
    spreads = [rng.standard_normal(30_000) * spread for spread in (0.1, 0.4, 2, 9)]
    x = np.concatenate([*spreads, 10.0 ** rng.uniform(-45, 2, 30_000)]).astype(np.float32)
    x = np.concatenate([x, np.float32(SPECIAL_FLOATS + EXTREME_FLOATS[:4])])
    np.testing.assert_array_equal(tanhf(x), np.float32([c_tanhf(v) for v in x.tolist()]))
    assert np.isnan(tanhf(np.float32([np.nan]))).all()


def test_roundf() -> None:
    x = np.float32([0.5, -0.5, 2.5, -2.5, 0.49999997, -0.3, 8388609.0, -0.0, np.inf])
    assert roundf(x).tolist() == [1, -1, 3, -3, 0, 0, 8388609, 0, np.inf]
    negative = [False, True, False, True, False, True, False, True, False]
    assert np.signbit(roundf(x)).tolist() == negative
    assert np.isnan(roundf(np.float32([np.nan]))).all()


@pytest.mark.parametrize(
    ("scale", "want"),
    [
        (2.0**-12, (-12, True)),
        (1.0, (0, True)),
        (2.0**100, (100, True)),
        (1.0006, (0, True)),  # 2^0.001 is 1.00069
        (1.0008, (0, False)),
        (0.9992, (0, False)),
        (0.75, (0, False)),
        (0.7, (-1, False)),
        (3.0, (2, False)),
    ],
)
def test_checked_log2(scale: float, want: tuple[int, bool]) -> None:
    assert checked_log2(np.float32(scale)) == want
