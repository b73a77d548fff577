"""PAD, PADV2: out is the pad value everywhere, but in[i] at i + left padding.

The pad value is the third input, where there is one; else 0 for floats, int16 and int32, and the
output's zero point for int8. Source: TFLM kernels/pad_common.cc, pad.cc, reference/pad.h.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tflite

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Index,
    constant_ints,
    pick_by_type,
    require_rank,
    require_same_type,
    require_shape,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op

MAX_RANK = 5
"""PadParams of the reference kernel has room for five dimensions."""


@dataclass(frozen=True)
class Params:
    """Where the input lies in the output, and what surrounds it.

    Attributes:
        inside: index of the input's place, counted from the last axis.
        value: pad value, unless it is an input.
        value_rank: rank of the pad value as an input.
    """

    inside: Index
    value: int
    value_rank: int = 0


def evaluate_pad(p: Params, arrays: Arrays) -> None:
    """in [...] -> out [...] of the same rank, padded with the folded value."""
    (out,) = arrays.outputs
    out[...] = p.value
    out[p.inside] = arrays.inputs[0]


def evaluate_pad_value(p: Params, arrays: Arrays) -> None:
    """in [...], paddings, value (one element) -> out [...] of the same rank."""
    value = arrays.inputs[2]
    (out,) = arrays.outputs
    assert value is not None
    samples = value.shape[: value.ndim - p.value_rank]
    out[...] = value.reshape(samples + (1,) * (out.ndim - len(samples)))
    out[p.inside] = arrays.inputs[0]


def prepare(node: Node, context: Context) -> Kernel:
    """Check shapes against the paddings and fold them into one index."""
    node.require_counts((2, 3))
    x, paddings, out = node.input(0), node.input(1), node.output()
    pick_by_type(node, {(name, name): evaluate_pad for name in TYPES}, x, out)
    require_rank(node, x, 1, MAX_RANK)  # without axes, TFLM finds no constant paddings
    amounts = np.reshape(constant_ints(node, paddings, 2 * x.rank), (x.rank, 2)).tolist()
    node.require(
        all(before >= 0 and after >= 0 for before, after in amounts),
        f"paddings {amounts}, wanted none below 0",
        paddings,
        "TFLM's kernel cannot cut: use SLICE",
    )
    sizes = zip(x.shape, amounts, strict=True)
    require_shape(node, out, tuple(before + size + after for size, (before, after) in sizes))
    places = (
        slice(before, before + size) for size, (before, _) in zip(x.shape, amounts, strict=True)
    )
    inside: Index = (..., *places)
    if len(node.inputs) == 2:
        is_int8 = out.type_code == tflite.TensorType.INT8
        return Kernel(evaluate_pad, Params(inside, out.zero_point if is_int8 else 0))
    value = node.input(2)
    _check_value(node, value, out)
    return Kernel(evaluate_pad_value, Params(inside, 0, value.rank))


def _check_value(node: Node, value: Tensor, out: Tensor) -> None:
    require_same_type(node, out, value)
    node.require(value.elements == 1, f"has {value.elements} elements, wanted 1", value)
    if out.type_code == tflite.TensorType.INT8:
        node.require(
            (value.scale, value.zero_point) == (out.scale, out.zero_point),
            f"scale {value.scale:g} and zero point {value.zero_point}, wanted the output's "
            f"{out.scale:g} and {out.zero_point}",
            value,
        )


TYPES = ("float32", "int8", "int16", "int32")
LIMITS = ("rank 1 to 5", "paddings constant, int32, none below 0")
OPS = (
    Op("PAD", prepare, TYPES, limits=LIMITS),
    Op("PADV2", prepare, TYPES, limits=LIMITS),
)
