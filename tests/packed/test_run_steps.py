"""Steps without filters on the host, against plain loops and numbers worked by hand."""

from __future__ import annotations

import itertools
import random
import struct
from typing import Any

import numpy as np
import pytest

from microinterp.packed import steps as s
from microinterp.packed.run import Buffers, run_step
from microinterp.packed.steps import CODES, Step, split
from tests.boards import step_reference


def run(step: Step, arena: list[int] | bytes, weights: bytes = b"") -> list[int]:
    """The arena behind a step, as uint8."""
    memory = bytearray(value % 256 for value in arena)
    block = np.frombuffer(weights, np.uint8)
    run_step(step, Buffers(np.frombuffer(memory, np.uint8), block))
    return list(memory)


def check(step: Step, arena: list[int]) -> None:
    """The arena behind a step is that of schemas/steps.md in plain loops, to every byte."""
    found, memory = run(step, arena), bytearray(value % 256 for value in arena)
    name = step_reference.NAMES[CODES[type(step)] - 1]
    step_reference.run([[(name, step)]], memory, b"")
    assert found == list(memory)


def int8s(count: int, seed: int = 0) -> list[int]:
    """Any int8, the ends among them."""
    rng = random.Random(seed)
    ends = [-128, 127][:count]
    return [*ends, *(rng.randint(-128, 127) for _ in range(count - len(ends)))]


def unsigned(values: list[int]) -> list[int]:
    return [value % 256 for value in values]


def test_refs() -> None:
    """0 is the arena's first byte, -1 that of the weights."""
    assert run(s.Copy(x=0, dst=3, nbytes=2), [1, 2, 3, 4, 5, 6]) == [1, 2, 3, 1, 2, 6]
    assert run(s.Copy(x=~0, dst=0, nbytes=2), [1, 2, 3], b"\x09\x08\x07") == [9, 8, 3]
    assert run(s.Copy(x=~1, dst=1, nbytes=2), [1, 2, 3], b"\x09\x08\x07") == [1, 8, 7]


@pytest.mark.parametrize("esize", [1, 3])
@pytest.mark.parametrize("is_constant", [False, True])
def test_move(esize: int, is_constant: bool) -> None:
    """Forward, backward and repeated, each element at its own place."""
    counts, start = (2, 3, 1, 2, 2), 40
    sources = (-5, 9, 100, 0, 2)
    targets = (60, -20, 100, 10, 3)
    block = unsigned(int8s(120))
    first = ~start if is_constant else start
    step = s.Move(first, 160, esize, *counts, *sources, *targets)
    arena = [0] * 120 if is_constant else block
    wanted = [*arena, *[7] * 180]
    for at in itertools.product(*map(range, counts)):
        source = start + sum(i * stride for i, stride in zip(at, sources, strict=True))
        target = 160 + sum(i * stride for i, stride in zip(at, targets, strict=True))
        wanted[target : target + esize] = block[source : source + esize]
    assert run(step, [*arena, *[7] * 180], bytes(block)) == wanted


@pytest.mark.parametrize(
    ("esize", "value", "element"),
    [
        (1, -3, [253]),
        (1, 0x1234, [0x34]),
        (2, 0x1234, [0x34, 0x12]),
        (4, -2, [254, 255, 255, 255]),
        (4, 0x01020304, [4, 3, 2, 1]),
    ],
)
def test_fill(esize: int, value: int, element: list[int]) -> None:
    wanted = [9, *element * 3, 9]
    assert run(s.Fill(1, 3, esize, value), [9] * len(wanted)) == wanted


def test_lut() -> None:
    """The table is addressed by unsigned bytes."""
    table = bytes((7 * i + 1) % 256 for i in range(256))
    x = [0, 1, 127, 128, 255]
    wanted = [x[0], *((7 * i + 1) % 256 for i in x[1:]), *x[:1]]
    assert run(s.Lut(1, 1, 4, ~4), [*x, 0], bytes(4) + table) == wanted


WINDOWS: list[dict[str, int]] = [
    {},
    {"batches": 2, "c": 3},
    {"ih": 6, "iw": 3, "oh": 3, "ow": 3, "sh": 2, "kh": 3, "kw": 2, "pt": 1, "pl": 1},
    {"ih": 3, "iw": 6, "oh": 2, "ow": 3, "sw": 2, "kh": 2, "kw": 3, "pt": 0, "pl": 1},
    {"ih": 2, "iw": 2, "oh": 1, "ow": 1, "kh": 5, "kw": 4, "pt": 2, "pl": 1},
    {"batches": 3, "c": 2, "ih": 4, "iw": 5, "kh": 3, "kw": 3, "pt": 1, "pl": 1, "oh": 4, "ow": 5},
    {"lo": -20, "hi": 33},
]
POOL = s.MaxPool(0, 0, 1, 5, 4, 1, 4, 3, 2, 2, 1, 1, 0, 0, -128, 127)
"""5 x 4 pixels to 4 x 3, windows of 2 x 2."""


@pytest.mark.parametrize("kind", [s.MaxPool, s.AveragePool])
@pytest.mark.parametrize("changes", WINDOWS)
@pytest.mark.parametrize("order", [0, 1])
def test_pools(kind: type[s.MaxPool] | type[s.AveragePool], changes: Any, order: int) -> None:
    step: Any = kind(*POOL._replace(**changes, order=order))
    size, out = step.batches * step.ih * step.iw * step.c, step.batches * step.oh * step.ow * step.c
    x = int8s(size)
    step = step._replace(x=1, dst=1 + size)
    check(step, [5, *x, *[0] * out, 5])


def test_means_of_pools_are_rounded_away_from_zero() -> None:
    step = s.AveragePool(0, 4, 1, 1, 4, 1, 1, 3, 1, 2, 1, 1, 0, 0, -128, 127)
    assert run(step, [1, 2, -3, -4, 0, 0, 0]) == unsigned([1, 2, -3, -4, 2, -1, -4])


@pytest.mark.parametrize("kind", [s.MaxPool, s.AveragePool])
@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("is_one_row", [False, True])
def test_pools_over_their_input(kind: Any, order: int, is_one_row: bool) -> None:
    """Rows (or pixels) come in the step's order: none lies over what is still to be read."""
    rows, pixels = (1, 6, 4, 2, 6, 4, 3, 3, 1, 1, 1, 1), (1, 1, 8, 2, 1, 8, 1, 3, 1, 1, 0, 1)
    geometry = pixels if is_one_row else rows
    unit = 2 if is_one_row else 8  # bytes of a pixel, or of a row
    x, margin = int8s(16 if is_one_row else 48), 2 * unit
    step = kind(margin, 0 if order == 0 else 2 * margin, *geometry, -128, 127, order)
    check(step, [*[0] * margin, *x, *[0] * margin])


M = (*split(0x5A5A5A5B),)


@pytest.mark.parametrize("shift", [-7, -3, 0, 1, 5])
@pytest.mark.parametrize(("outer", "reduce", "inner"), [(1, 1, 1), (2, 3, 5), (3, 7, 1), (1, 4, 6)])
def test_mean(outer: int, reduce: int, inner: int, shift: int) -> None:
    size = outer * reduce * inner
    x = int8s(size)
    step = s.Mean(1, 1 + size, outer, reduce, inner, -11, *M, shift, 9)
    check(step, [5, *x, *[0] * (outer * inner), 5])


def test_mean_by_hand() -> None:
    """2 x 3 x 1; a factor of a half: (1 + 2 + 3 - 1) / 2 + 7; clamped to int8."""
    step = s.Mean(0, 6, 2, 3, 1, 1, *split(1 << 30), 0, 7)
    assert run(step, [1, 2, 3, 100, 100, 100, 0, 0])[6:] == [10, 127]
    assert run(step, [-100, -100, -100, -1, -2, -3, 0, 0])[6:] == unsigned([-128, 4])


PAIRS = [(12, 12), (12, 1), (1, 12), (4, 12), (12, 3), (12, 5)]


@pytest.mark.parametrize(("na", "nb"), PAIRS)
@pytest.mark.parametrize("left_shift", [0, 7, 20])
def test_add(na: int, nb: int, left_shift: int) -> None:
    a, b, n = int8s(na), int8s(nb, seed=1)[::-1], 12
    scales = (*split(0x6000_1234), -1, *split(0x4567_89AB), -2, *split(0x7FFF_FFF1), -left_shift)
    step = s.Add(1, na, 1 + na, nb, 1 + na + nb, n, left_shift, 3, -5, *scales, 4, -90, 95)
    check(step, [5, *a, *b, *[0] * n, 5])


def test_add_by_hand() -> None:
    """(a - 1) / 2 + (b - 2) / 4, of which two times a half, and 3."""
    half, quarter = (*split(1 << 30), 0), (*split(1 << 30), -1)
    step = s.Add(0, 2, 2, 1, 3, 2, 4, 1, 2, *half, *quarter, *half[:2], -3, 3, -128, 127)
    assert run(step, [9, 41, 18, 0, 0])[3:] == [(8 // 2 + 16 // 4) // 1 + 3, 20 + 4 + 3]


@pytest.mark.parametrize(("na", "nb"), PAIRS)
@pytest.mark.parametrize("shift", [-9, -7, 0, 13])
def test_mul(na: int, nb: int, shift: int) -> None:
    a, b, n = int8s(na), int8s(nb, seed=1)[::-1], 12
    step = s.Mul(1, na, 1 + na, nb, 1 + na + nb, n, 3, -5, *M, shift, 4, -90, 95)
    check(step, [5, *a, *b, *[0] * n, 5])


def test_mul_by_hand() -> None:
    step = s.Mul(0, 3, 3, 1, 4, 3, 1, -2, *split(1 << 30), -1, 5, -128, 100)
    assert run(step, [9, 5, 101, 6, 0, 0, 0])[4:] == [8 * 8 // 4 + 5, 4 * 8 // 4 + 5, 100]


def softmax(x: list[list[int]], table: list[int]) -> list[int]:
    rows, depth = len(x), len(x[0])
    step = s.Softmax(1, 1 + rows * depth, rows, depth, ~4)
    flat = [value for row in x for value in row]
    weights = bytes(4) + struct.pack("<256I", *table)
    arena = run(step, [5, *flat, *[0] * len(flat), 5], weights)
    assert arena[: 1 + len(flat)] == unsigned([5, *flat])
    assert arena[-1] == 5
    return [(value + 128) % 256 - 128 for value in arena[1 + len(flat) : -1]]


HALVES = [0x7FFFFFFF, *((1 << 31) >> i if i < 32 else 0 for i in range(1, 256))]
"""Each step down halves."""


def test_softmax_by_hand() -> None:
    """256 p - 128: two thirds are 42.67, one third is -42.67."""
    assert softmax([[7]], HALVES) == [127]  # 128 is none
    assert softmax([[7, 6], [-128, -127]], HALVES) == [43, -43, -43, 43]
    assert softmax([[3, 3, 3, 3], [3, 2, 3, -128]], HALVES) == [-64] * 4 + [-26, -77, -26, -128]
    for depth in (2, 16, 64, 128):
        assert softmax([[-5] * depth], HALVES) == [256 // depth - 128] * depth
    for depth, value in ((511, -127), (512, -128), (600, -128), (1023, -128)):
        assert softmax([[-5] * depth], HALVES) == [value] * depth


@pytest.mark.parametrize(("small", "second"), [(2047, -1), (2048, -2)])
def test_sums_of_softmax_have_19_bits_behind_the_point(small: int, second: int) -> None:
    """2045 entries of less than half of 2^-19 add nothing, those of a half 2045 times 2^-19.

    Beside 1 and 0.97761, the second one's 256 p is 126.55 without them and 126.30 with them.
    """
    table = [0x7FFFFFFF, round(0.97761 * 2**31), small, *[0] * 253]
    assert softmax([[5, 4, *[3] * 2045]], table) == [1, second, *[-128] * 2045]


def test_softmax_is_that_of_real_numbers() -> None:
    """Wherever these are not next to a half."""
    far = 0
    for depth in (1, 2, 3, 10, 100):
        table = [int((2**31 - 1) * np.exp(-i / 20)) for i in range(256)]
        x = [int8s(depth, seed) for seed in range(3)]
        found = iter(softmax(x, table))
        for row in x:
            exp = [float(table[max(row) - value]) for value in row]
            for each in exp:
                exact = 256 * each / sum(exp) - 128
                value = next(found)
                if abs(exact % 1 - 0.5) > 0.01:
                    assert value == min(round(exact), 127)
                    far += 1
    assert far > 300


SCALE = 0x3E99999A  # 0.3 as a float32


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("b", [-128, -1, 0, 5, 127]),
        ("B", [0, 1, 127, 128, 255]),
        ("h", [-32768, -1, 0, 300, 32767]),
        ("H", [0, 1, 32768, 65535]),
    ],
)
@pytest.mark.parametrize("zero_point", [-65535, -3, 0, 40000])
def test_dequantize(kind: str, values: list[int], zero_point: int) -> None:
    """The product of exact numbers, rounded once to float32."""
    (scale,) = struct.unpack("<f", struct.pack("<i", SCALE))
    x = struct.pack(f"<{len(values)}{kind}", *values)
    dst = 4 * len(x)
    esize, is_unsigned = struct.calcsize(kind), kind.isupper()
    step = s.Dequantize(4, dst, len(values), esize, is_unsigned, zero_point, SCALE)
    arena = run(step, bytes(4) + x + bytes(dst - 4 - len(x) + 4 * len(values)) + b"\x05")
    wanted = struct.pack(f"<{len(values)}f", *((value - zero_point) * scale for value in values))
    assert bytes(arena[dst:]) == wanted + b"\x05"
