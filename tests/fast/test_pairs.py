"""Tables of pairs: all 65,536 of them against the plain kernel, in every shape of operands."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from microinterp.kernels.fast import pairs
from microinterp.kernels.fast.blocks import BLOCK
from microinterp.kernels.fast.pairs import FEW
from microinterp.prepare import PreparedNode
from tests.differential.case import Case
from tests.fast.twins import (
    cases_of,
    check_case,
    check_twin,
    fast_twin,
    only_node,
    random_run,
    twin_of,
)
from tests.ops.movement import Constant, Input, op_model

COMPARISONS = ("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL")
OPS = ("ADD", "DIV", "MUL", "PRELU", "SQUARED_DIFFERENCE", "SUB", *COMPARISONS)
TABULATED = [case for case in cases_of(*OPS) if case.types == "int8"]
STRAIGHT = [case for case in cases_of(*COMPARISONS) if case.types != "int8"]
OPTIONS: dict[str, dict[str, Any]] = {
    op: {"fused_activation_function": "NONE"} for op in ("ADD", "SUB", "MUL", "DIV")
}
A, B = np.meshgrid(*[np.arange(-128, 128).astype(np.int8)] * 2, indexing="ij")
ALL = [A.reshape(-1), B.reshape(-1)]


def pair_node(
    op: str,
    a: tuple[int, ...] | npt.NDArray[Any],
    b: tuple[int, ...] | npt.NDArray[Any],
    rng: np.random.Generator | None = None,
    dtype: str = "int8",
    profile: str = "tflm",
    **options: Any,
) -> PreparedNode:
    """`op` on operands of these shapes, or on these constants, with random quantisation."""
    rng = rng or np.random.default_rng(5)
    scales = (0.01 * 2 ** rng.uniform(-2, 2, 3)).tolist()
    zeros = rng.integers(-128, 128, 3).tolist() if dtype == "int8" else [0] * 3
    operands: list[Input | Constant] = []
    shapes = []
    for side, scale, zero in zip((a, b), scales, zeros, strict=False):
        is_constant = isinstance(side, np.ndarray)
        shapes.append(np.shape(side) if is_constant else side)
        made = Constant(side, scale, zero) if is_constant else Input(side, dtype, scale, zero)
        operands.append(made)
    shape = np.broadcast_shapes(*shapes)
    spread = {"MUL": scales[0] * scales[1] * 60, "DIV": scales[0] / scales[1] / 9}
    spread |= {"PRELU": scales[0], "SQUARED_DIFFERENCE": max(scales[:2]) ** 2 * 200}
    out = Input(shape, dtype, spread.get(op, max(scales[:2]) * 1.7), zeros[2])
    if op in COMPARISONS:
        out = Input(shape, "bool")
    options = {**OPTIONS.get(op, {}), **options}
    return only_node(op_model(op, operands, [out], **options), profile)


@pytest.mark.parametrize("case", [*TABULATED, *STRAIGHT], ids=lambda case: case.name)
def test_random_models(case: Case) -> None:
    seen = check_case(case)
    assert seen["twins"] == 20, seen


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("profile", ["tflm", "single", "litert-ref"])
def test_every_pair(op: str, profile: str) -> None:
    for seed in range(4):
        node = pair_node(op, (65536,), (65536,), np.random.default_rng(seed), profile=profile)
        twin = fast_twin(node)
        assert twin.how == "table of all 65536 pairs"
        (out,) = check_twin(node, twin, ALL, ALL[::-1])
        assert len(np.unique(out)) > 1


@pytest.mark.parametrize("activation", ["RELU", "RELU6", "RELU_N1_TO_1"])
@pytest.mark.parametrize("op", list(OPTIONS))
def test_every_pair_under_an_activation(op: str, activation: str) -> None:
    node = pair_node(op, (65536,), (65536,), fused_activation_function=activation)
    check_twin(node, fast_twin(node), ALL)


@pytest.mark.parametrize("elements", [1, 2, 255, FEW - 1, FEW, FEW + 1, BLOCK, BLOCK + 1, 40001])
@pytest.mark.parametrize("shift", [0, 1])
def test_sizes_around_the_break_even_and_the_edges_of_blocks(elements: int, shift: int) -> None:
    rng = np.random.default_rng(elements)
    node = pair_node("ADD", (elements,), (elements,))
    twin = fast_twin(node)
    check_twin(node, twin, random_run(node, rng), random_run(node, rng), shift=shift)
    check_twin(node, twin, random_run(node, rng, (3,)), random_run(node, rng, (3,)), shift=shift)


SPREAD = [
    ((1, 5, 7, 16), (16,)),
    ((16,), (1, 5, 7, 16)),
    ((1, 5, 7, 16), (5, 1, 1)),
    ((4, 1, 6), (1, 3, 1)),
    ((), (2, 3)),
    ((1, 40, 40, 16), (1, 1, 1, 16)),
    ((3, 3), (1, 1)),
]


@pytest.mark.parametrize(("a", "b"), SPREAD)
@pytest.mark.parametrize("samples", [(), (1,), (5,)])
def test_computed_operands_that_broadcast(
    a: tuple[int, ...], b: tuple[int, ...], samples: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(1)
    node = pair_node("MUL", a, b)
    check_twin(
        node, fast_twin(node), random_run(node, rng, samples), random_run(node, rng, samples)
    )


@pytest.mark.parametrize(("a", "b"), SPREAD)
@pytest.mark.parametrize("constant", [0, 1])
@pytest.mark.parametrize("values", [1, 2, 256])
def test_constant_operands(
    a: tuple[int, ...], b: tuple[int, ...], constant: int, values: int
) -> None:
    """One value makes it a function of one element, where that has the output's shape."""
    rng = np.random.default_rng(2)
    sides: list[Any] = [a, b]
    sides[constant] = rng.choice(rng.integers(-128, 128, values), sides[constant]).astype(np.int8)
    for op in ("SUB", "PRELU", "LESS"):
        node = pair_node(op, sides[0], sides[1])
        twin = fast_twin(node)
        for samples in ((), (1,), (40,)):
            runs = random_run(node, rng, samples), random_run(node, rng, samples)
            check_twin(node, twin, *runs, shift=1)


@pytest.mark.parametrize("elements", [BLOCK // 3, BLOCK - 1, BLOCK, BLOCK + 5])
def test_a_constant_as_long_as_a_block(elements: int) -> None:
    rng = np.random.default_rng(3)
    node = pair_node("MUL", (elements,), rng.integers(-128, 128, elements).astype(np.int8))
    twin = fast_twin(node)
    for samples in ((), (2,), (7,)):
        check_twin(node, twin, random_run(node, rng, samples))


def test_a_table_has_rows_for_a_constants_values_only() -> None:
    per_channel = np.array([3, -7, 3, 90], np.int8)
    assert fast_twin(pair_node("MUL", (5, 4), per_channel)).how == "table of all 768 pairs"
    assert fast_twin(pair_node("MUL", (5, 4), np.int8([9]))).how == "table of all 256 outputs"


def test_equal_layers_share_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    tabulated = pairs.tabulated
    monkeypatch.setattr(pairs, "tabulated", lambda *args: made.append(1) or tabulated(*args))
    pairs._kept_outputs.cache_clear()
    for shape in ((8,), (2, 4), (8,)):
        fast_twin(pair_node("ADD", shape, shape))
    assert len(made) == 1
    fast_twin(pair_node("ADD", (8,), (8,), np.random.default_rng(6)))
    fast_twin(pair_node("SUB", (8,), (8,)))
    assert len(made) == 3


@pytest.mark.parametrize("op", ["ADD", "SUB", "MUL", "SQUARED_DIFFERENCE"])
def test_int16_is_left_to_the_plain_kernel(op: str) -> None:
    node = pair_node(op, (64,), (64,), dtype="int16")
    assert twin_of(node) == "a table of every pair of int16 is too long"


def test_two_constants_are_left_to_the_plain_kernel() -> None:
    a = np.arange(4, dtype=np.int8)
    assert twin_of(pair_node("ADD", a, a)) == "both inputs are constant"
