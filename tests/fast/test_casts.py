"""QUANTIZE of floats at every edge of its rounding, DEQUANTIZE of every input, CAST."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from microinterp.fast_path import Fast
from microinterp.kernels.fast.casts import choose_dequantize
from microinterp.prepare import Arrays
from tests.differential.case import Case
from tests.fast.twins import cases_of, check_case, check_twin, fast_twin, only_node, twin_of
from tests.ops.movement import Constant, Input, op_model

Floats = npt.NDArray[np.float32]
SAMPLE = 1 << 18
TABULATED = ("int8", "int16", "uint8", "int32")
CASES = [
    case
    for case in cases_of("CAST", "DEQUANTIZE", "QUANTIZE")
    if case.op != "QUANTIZE" or case.types.startswith("float32")
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_random_models(case: Case) -> None:
    seen = check_case(case)
    saturates = case.op == "CAST" and case.types.startswith("float32 -> ")
    if saturates and case.types not in ("float32 -> float32", "float32 -> bool"):
        assert seen == {"no chooser": 20}
    else:
        assert seen["twins"] == 20, seen


def neighbours(x: Floats) -> Floats:
    """Each number with the three before and after it."""
    found = [x]
    for direction in (-np.inf, np.inf):
        near = x
        for _ in range(3):
            near = np.nextafter(near, np.float32(direction))
            found.append(near)
    return np.concatenate(found)


def hard_floats(rng: np.random.Generator, scale: np.float32) -> Floats:
    """Products that divide to a half, to a whole number or a power of two, and all that is near."""
    halves = np.arange(0, 40000, 0.5)
    powers = 2.0 ** np.arange(-30, 40)
    quotients = np.concatenate([halves, halves[:999] + 2.0**22, halves[:999] + 2.0**23, powers])
    with np.errstate(over="ignore"):
        products = (np.concatenate([quotients, -quotients]) * float(scale)).astype(np.float32)
    near = neighbours(products)
    anything = rng.integers(0, 1 << 32, SAMPLE, np.uint64).astype(np.uint32).view(np.float32)
    special = np.float32([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 1e-45, -1e-45])
    return np.concatenate([near, anything, special])


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("scale", [1.0, 0.5, 1 / 256, 0.0235294122248888, 1e-38, 3e38, 1e-44, 1.7])
def test_quantize_of_hard_floats(dtype: str, scale: float) -> None:
    x = hard_floats(np.random.default_rng(6), np.float32(scale))
    info = np.iinfo(dtype)
    for zero in (0, int(info.min), int(info.max), 5):
        out = Input(x.shape, dtype, scale, zero)
        node = only_node(op_model("QUANTIZE", [Input(x.shape, "float32")], [out]))
        (have,) = check_twin(node, fast_twin(node), [x], shift=zero % 2)
        assert have[np.isnan(x)].tolist() == [zero] * int(np.isnan(x).sum())


def test_quantize_rounds_every_quotient_near_a_half_as_the_plain_kernel() -> None:
    """All floats whose upper 16 bits are those of a number in [1/8, 64), and random lower ones."""
    upper = np.arange(0x3E00, 0x4280, dtype=np.uint32).repeat(512) << 16
    lower = np.random.default_rng(7).integers(0, 1 << 16, len(upper)).astype(np.uint32)
    x = (upper | lower).view(np.float32)
    x = np.concatenate([x, -x])
    out = Input(x.shape, "int8", 1.0, 0)
    node = only_node(op_model("QUANTIZE", [Input(x.shape, "float32")], [out]))
    (have,) = check_twin(node, fast_twin(node), [x])
    want = np.trunc(np.abs(x).astype(np.float64) + 0.5) * np.sign(x)
    np.testing.assert_array_equal(have, want.astype(np.int8))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
@pytest.mark.parametrize("scale", [1e-45, 3e-39, 0.1, 2.0, 3e38])
def test_dequantize_of_every_input(dtype: str, scale: float) -> None:
    info = np.iinfo(dtype)
    x = np.arange(info.min, info.max + 1).astype(dtype)
    for zero in (int(info.min), 0, 1, int(info.max)):
        source = Input(x.shape, dtype, scale, zero)
        node = only_node(op_model("DEQUANTIZE", [source], [Input(x.shape, "float32")]))
        check_twin(node, fast_twin(node), [x], shift=1)
        check_twin(node, fast_twin(node), [np.stack([x, x[::-1]])])


def test_dequantize_that_float32_cannot_do_is_left_to_the_plain_kernel() -> None:
    """A kernel that rounds otherwise, in one product of 256, fails the proof."""
    x = Input((8,), "int8", 0.1, 3)
    node = only_node(op_model("DEQUANTIZE", [x], [Input((8,), "float32")]))

    def evaluate(params: object, arrays: Arrays) -> None:
        node.kernel.evaluate(params, arrays)
        arrays.outputs[0][77] = np.nextafter(arrays.outputs[0][77], np.float32(9))

    changed = replace(node.kernel, evaluate=evaluate)
    assert choose_dequantize(node.node, changed) == "float32 alone does not give these products"
    assert isinstance(choose_dequantize(node.node, node.kernel), Fast)


@pytest.mark.parametrize("op", ["CAST", "DEQUANTIZE", "QUANTIZE"])
def test_a_constant_input_is_left_to_the_plain_kernel(op: str) -> None:
    dtype, result = ("float32", "int8") if op == "QUANTIZE" else ("int8", "float32")
    x = Constant(np.arange(8).astype(dtype), *((0.1, 3) if dtype == "int8" else ()))
    out = Input((8,), result, *((0.1, 3) if result == "int8" else ()))
    assert twin_of(only_node(op_model(op, [x], [out]))) == "its input is constant"
