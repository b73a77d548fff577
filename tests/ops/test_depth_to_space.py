"""DEPTH_TO_SPACE and SPACE_TO_DEPTH against spec loops, worked by hand, and what is refused.

tests/differential/cases/depth_to_space.py compares them with TFLM.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.depth_to_space import images
from tests.ops.expected import assert_both_refuse, check_bits
from tests.ops.movement import Case, Input, assert_refused, op_model, run_one
from tests.ops.strategies import seeds

DEEP, WIDE = Input((1, 1, 2, 4)), Input((1, 2, 4, 1))
SIDES = {"DEPTH_TO_SPACE": (DEEP, WIDE), "SPACE_TO_DEPTH": (WIDE, DEEP)}


@pytest.mark.parametrize("op", ["DEPTH_TO_SPACE", "SPACE_TO_DEPTH"])
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_equals_spec(op: str, dtype: str) -> None:
    @given(case=images(op, dtype), seed=seeds())
    def check(case: Case, seed: int) -> None:
        check_bits(case, seed)

    check()


def test_by_hand() -> None:
    deep = np.arange(1, 9, dtype=np.int8).reshape(DEEP.shape)
    wide = np.array([[1, 2, 5, 6], [3, 4, 7, 8]], np.int8).reshape(WIDE.shape)
    data = op_model("DEPTH_TO_SPACE", [DEEP], [WIDE], block_size=2)
    assert run_one(data, deep).tolist() == wide.tolist()
    data = op_model("SPACE_TO_DEPTH", [WIDE], [DEEP], block_size=2)
    assert run_one(data, wide).tolist() == deep.tolist()


@pytest.mark.parametrize("op", SIDES)
@pytest.mark.parametrize("block", [0, -1])
def test_block_sizes_refused(tflm: TflmRuntime, op: str, block: int) -> None:
    x, out = SIDES[op]
    data = op_model(op, [x], [out], block_size=block)
    assert_both_refuse(tflm, data, f"block size {block}, wanted 1 or more")


@pytest.mark.parametrize(
    ("op", "x", "out", "text", "tensor"),
    [
        ("DEPTH_TO_SPACE", (1, 1, 1, 6), (1, 2, 2, 1), "6 channels do not make up blocks", 0),
        ("SPACE_TO_DEPTH", (1, 3, 2, 1), (1, 1, 1, 4), "3 x 2 pixels do not make up blocks", 0),
        ("SPACE_TO_DEPTH", (1, 2, 3, 1), (1, 1, 1, 4), "2 x 3 pixels do not make up blocks", 0),
        ("DEPTH_TO_SPACE", (1, 1, 4), (2, 2, 1), "rank 3, wanted 4", 0),
        ("SPACE_TO_DEPTH", (2, 2, 1), (1, 1, 4), "rank 3, wanted 4", 0),
    ],
)
def test_refused_as_tflm_does(
    tflm: TflmRuntime, op: str, x: tuple[int, ...], out: tuple[int, ...], text: str, tensor: int
) -> None:
    data = op_model(op, [Input(x)], [Input(out)], block_size=2)
    assert_both_refuse(tflm, data, text, tensor)


@pytest.mark.parametrize("op", SIDES)
def test_refused(tflm: TflmRuntime, op: str) -> None:
    x, out = SIDES[op]
    assert_refused(op_model(op, [x, x], [out], block_size=2), "has 2 inputs, wanted 1")
    wrong = Input((1, 1, 1, 8))
    assert_refused(op_model(op, [x], [wrong], block_size=2), "shape [1, 1, 1, 8], wanted", 1)
    for dtype in ("int16", "uint8", "int32"):
        data = op_model(op, [Input(x.shape, dtype)], [Input(out.shape, dtype)], block_size=2)
        text = f"element types {dtype} x {dtype} are not supported"
        assert_both_refuse(tflm, data, text, kind=UnsupportedError)
