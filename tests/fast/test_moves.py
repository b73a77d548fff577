"""Kernels that only move bytes: random models, pixels of every size, constants in a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.differential.case import Case
from tests.fast.twins import cases_of, check_case, check_twin, fast_twin, only_node, random_run
from tests.ops.movement import Constant, Input, numbers, op_model, random_constant

OPS = (
    "BROADCAST_TO",
    "CONCATENATION",
    "DEPTH_TO_SPACE",
    "EXPAND_DIMS",
    "MIRROR_PAD",
    "PACK",
    "PAD",
    "PADV2",
    "RESHAPE",
    "RESIZE_NEAREST_NEIGHBOR",
    "SLICE",
    "SPACE_TO_DEPTH",
    "SPLIT",
    "SPLIT_V",
    "SQUEEZE",
    "STRIDED_SLICE",
    "TRANSPOSE",
    "UNPACK",
)
DTYPES = ("int8", "int16", "float32")


@pytest.mark.parametrize("case", cases_of(*OPS), ids=lambda case: case.name)
def test_random_models(case: Case) -> None:
    """Some SLICEs compute where they begin; all others have a twin."""
    seen = check_case(case)
    assert seen["twins"] + (seen["no chooser"] if case.op == "SLICE" else 0) == 20, seen
    assert seen["twins"] >= 5


def concatenation(c: int, dtype: str) -> bytes:
    rng = np.random.default_rng(1)
    constant = Constant(random_constant(rng, (1, 5, 6, 2), dtype))
    x = Input((1, 5, 6, c), dtype)
    out = Input((1, 5, 6, 2 * c + 2), dtype)
    options = {"axis": 3, "fused_activation_function": "NONE"}
    return op_model("CONCATENATION", [x, constant, x], [out], **options)


def pad(c: int, dtype: str) -> bytes:
    amounts = numbers([0, 0], [1, 2], [3, 0], [0, 0])
    return op_model("PAD", [Input((1, 5, 6, c), dtype), amounts], [Input((1, 8, 9, c), dtype)])


def pad_channels(c: int, dtype: str) -> bytes:
    amounts = numbers([0, 0], [0, 0], [0, 0], [0, 3])
    return op_model("PAD", [Input((1, 5, 6, c), dtype), amounts], [Input((1, 5, 6, c + 3), dtype)])


def transpose(c: int, dtype: str) -> bytes:
    x, out = Input((1, 5, 6, c), dtype), Input((1, 6, 5, c), dtype)
    return op_model("TRANSPOSE", [x, numbers(0, 2, 1, 3)], [out])


def transpose_channels(c: int, dtype: str) -> bytes:
    x, out = Input((1, 5, 6, c), dtype), Input((1, c, 5, 6), dtype)
    return op_model("TRANSPOSE", [x, numbers(0, 3, 1, 2)], [out])


def every_other_pixel(c: int, dtype: str) -> bytes:
    x, out = Input((1, 5, 6, c), dtype), Input((1, 3, 3, c), dtype)
    bounds = [numbers(0, 4, 5, 0), numbers(1, -9, -9, c), numbers(1, -2, -2, 1)]
    return op_model("STRIDED_SLICE", [x, *bounds], [out], end_mask=6)


def split(c: int, dtype: str) -> bytes:
    x, part = Input((1, 5, 6, 2 * c), dtype), Input((1, 5, 6, c), dtype)
    return op_model("SPLIT", [numbers(3), x], [part, part], num_splits=2)


def mirror_pad(c: int, dtype: str) -> bytes:
    amounts = numbers([0, 0], [1, 2], [2, 1], [0, 0])
    x, out = Input((1, 5, 6, c), dtype), Input((1, 8, 9, c), dtype)
    return op_model("MIRROR_PAD", [x, amounts], [out], mode="REFLECT")


def depth_to_space(c: int, dtype: str) -> bytes:
    x, out = Input((1, 5, 6, 4 * c), dtype), Input((1, 10, 12, c), dtype)
    return op_model("DEPTH_TO_SPACE", [x], [out], block_size=2)


def resize(c: int, dtype: str) -> bytes:
    x, out = Input((2, 5, 6, c), dtype), Input((2, 9, 12, c), dtype)
    options = {"align_corners": False, "half_pixel_centers": True}
    return op_model("RESIZE_NEAREST_NEIGHBOR", [x, numbers(9, 12)], [out], **options)


MODELS = (
    resize,
    concatenation,
    pad,
    pad_channels,
    transpose,
    transpose_channels,
    every_other_pixel,
    split,
    mirror_pad,
    depth_to_space,
)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_pixels_of_every_size(model: Any, dtype: str) -> None:
    """Odd sizes and large ones; floats hold every pattern of bits."""
    if dtype == "int16" and model in (mirror_pad, depth_to_space):
        return
    rng = np.random.default_rng(2)
    for channels in (1, 2, 3, 4, 7, 8, 16, 17, 33):
        node = only_node(model(channels, dtype))
        twin = fast_twin(node)
        for samples in ((), (1,), (3,)):
            runs = [[_bits(x, rng) for x in random_run(node, rng, samples)] for _ in range(2)]
            check_twin(node, twin, *runs, shift=channels % 2)


def _bits(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, x.nbytes, np.uint8).view(x.dtype).reshape(x.shape)


@pytest.mark.parametrize("samples", [(), (1,), (4,)])
def test_constants_are_spread_over_a_batch(samples: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    a = Constant(random_constant(rng, (2, 3), "int8"), 0.1, 0)
    x, out = Input((2, 3), "int8", 0.1, 0), Input((2, 2, 3), "int8", 0.1, 0)
    node = only_node(
        op_model(
            "PACK",
            [
                a,
                x,
            ],
            [out],
            axis=1,
            values_count=2,
        )
    )
    check_twin(node, fast_twin(node), random_run(node, rng, samples))
