"""The board's float32 numbers in integers, run by CPython against NumPy's float32 and fractions."""

from __future__ import annotations

import importlib.util
import struct
from fractions import Fraction
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp.graph import build
from microinterp.inputs import quantise
from microinterp.model import load
from tests.boards.mlperf_models import two_scales
from tests.boards.unix_port import ROOT

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
SCALES = st.floats(2**-20, 2**10, width=32)
BYTES = st.integers(0, 255)


@pytest.fixture(scope="module")
def floats() -> ModuleType:
    path = ROOT / "firmware" / "microinterp" / "_mlperf_float.py"
    spec = importlib.util.spec_from_file_location("mlperf_float", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def number(m: int, e: int) -> Fraction:
    return Fraction(m) * Fraction(2) ** e


@given(value=FLOATS)
def test_a_number_and_its_digits(floats: ModuleType, value: float) -> None:
    m, e = floats.parts(struct.pack("<f", value), 0)
    assert number(m, e) == Fraction(value)
    text = floats.text(m, e)
    assert Fraction(text) == Fraction(value)
    assert float(text) == value


@given(value=st.sampled_from([float("inf"), float("-inf"), float("nan")]))
def test_no_numbers(floats: ModuleType, value: float) -> None:
    with pytest.raises(ValueError, match="number 2 is not finite"):
        floats.parts(struct.pack("<3f", 0, 0, value), 8)


@given(byte=BYTES, scale=SCALES, zero=st.integers(-128, 127))
def test_what_a_byte_stands_for(floats: ModuleType, byte: int, scale: float, zero: int) -> None:
    found = number(*floats.real(byte, floats.parts(struct.pack("<f", scale), 0), zero))
    steps = np.float32(np.array(byte, np.uint8).view(np.int8)) - np.float32(zero)
    assert found == Fraction(float(steps * np.float32(scale)))


@given(values=st.lists(FLOATS, min_size=1, max_size=9), scale=SCALES, zero=st.integers(-128, 127))
def test_quantised_as_in_c(
    floats: ModuleType, values: list[float], scale: float, zero: int
) -> None:
    data = np.array(values, "<f4")
    into = bytearray(len(values))
    floats.quantise(data.tobytes(), into, floats.parts(struct.pack("<f", scale), 0), zero)
    with np.errstate(over="ignore"):
        steps = (data / np.float32(scale)).astype(np.float64)
    wanted = np.copysign(np.floor(np.abs(steps) + 0.5), steps) + zero
    assert np.frombuffer(into, np.int8).tolist() == np.clip(wanted, -128, 127).tolist()


@given(half=st.integers(-130, 130), ulps=st.integers(-3, 3), scale=SCALES)
def test_around_a_half(floats: ModuleType, half: int, ulps: int, scale: float) -> None:
    near = np.float32((half + 0.5) * scale).view(np.int32) + np.int32(ulps)
    value = float(np.int32(near).view(np.float32))
    test_quantised_as_in_c.hypothesis.inner_test(floats, [value], scale, 0)  # type: ignore[attr-defined]


def test_quantised_as_the_host_does_it(floats: ModuleType) -> None:
    tensor = build(load(two_scales())).main.inputs[0]
    values = np.random.default_rng(1).normal(0, 30, 4000).astype("<f4")
    into = bytearray(len(values))
    scale = floats.parts(np.float32(tensor.scale).tobytes(), 0)
    floats.quantise(values.tobytes(), into, scale, int(tensor.zero_point))
    assert np.frombuffer(into, np.int8).tolist() == quantise(values, tensor)[0].tolist()


@given(
    pairs=st.lists(st.tuples(FLOATS, BYTES), min_size=1, max_size=9),
    scale=SCALES,
    zero=st.integers(-128, 127),
)
def test_the_mean_of_the_squares(
    floats: ModuleType, pairs: list[tuple[float, int]], scale: float, zero: int
) -> None:
    """Within half of the last of 24 bits of the exact mean."""
    data = np.array([value for value, _ in pairs], "<f4").tobytes()
    parts = floats.parts(struct.pack("<f", scale), 0)
    m, e = floats.mean_square(data, bytes(byte for _, byte in pairs), parts, zero)
    reals = [number(*floats.real(byte, parts, zero)) for _, byte in pairs]
    differences = [Fraction(v) - y for (v, _), y in zip(pairs, reals, strict=True)]
    exact = sum(d * d for d in differences) / len(pairs)
    assert m <= 1 << 24
    assert abs(number(m, e) - exact) <= Fraction(2) ** e / 2 if m >= 1 << 23 else m == exact == 0
