"""EQUAL, NOT_EQUAL, GREATER, GREATER_EQUAL, LESS, LESS_EQUAL, with broadcasting; bool out.

int8 operands are brought to a common scale first: requantise((x - zp) * 2^8), the factor being the
operand's own scale, which must be below 1. So neighbours may become equal: a step of 2^-9 and less
is lost. All other types are compared as they are.
Source: TFLM kernels/comparisons.cc, kernels/internal/reference/comparisons.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from microinterp.errors import UnsupportedError
from microinterp.graph import Node, Tensor
from microinterp.kernels.broadcast import Broadcast, broadcast_of
from microinterp.kernels.common import Evaluate, pick_by_type, require_quantized
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.fixedpoint import Requantise
from microinterp.quant.params import Multiplier, quantize_multiplier
from microinterp.registry import Op

_LEFT_SHIFT = 8


@dataclass(frozen=True)
class PlainParams:
    """A comparison of numbers as they are."""

    operands: Broadcast
    compare: np.ufunc


@dataclass(frozen=True)
class Params:
    """Folded parameters of an int8 comparison."""

    operands: Broadcast
    compare: np.ufunc
    requantise: Requantise
    zero_points: tuple[int, int]
    scaling: tuple[Multiplier, Multiplier]


def evaluate_plain(p: PlainParams, arrays: Arrays) -> None:
    """a and b of one type -> bool out."""
    (out,) = arrays.outputs
    out[...] = p.compare(*p.operands(*arrays.inputs))


def evaluate_int8(p: Params, arrays: Arrays) -> None:
    """int8 a and b -> bool out."""
    (out,) = arrays.outputs
    a, b = (
        p.requantise((x.astype(np.int64) - zero_point) << _LEFT_SHIFT, s.multiplier, s.shift)
        for x, zero_point, s in zip(
            p.operands(*arrays.inputs), p.zero_points, p.scaling, strict=True
        )
    )
    out[...] = p.compare(a, b)


def prepare(compare: np.ufunc, types: tuple[str, ...], node: Node, context: Context) -> Kernel:
    """Check a comparison that takes `types`, and fold its scales."""
    node.require_counts((2, 2))
    a, b, out = node.input(0), node.input(1), node.output()
    if a.type_name == "int16" and node.name == "GREATER":
        raise UnsupportedError(
            "TFLM's GREATER of int16 compares with multipliers that it never sets",
            node.where(a),
            "its result is accidental: compare int8 or float32",
        )
    choices: dict[tuple[str, ...], Evaluate] = {
        (name, name, "bool"): _EVALUATE[name] for name in types
    }
    evaluate = pick_by_type(node, choices, a, b, out)
    operands = broadcast_of(node, a, b, out)
    if a.dtype != np.int8:
        return Kernel(evaluate, PlainParams(operands, compare))
    require_quantized(node, a, b)
    params = Params(
        operands=operands,
        compare=compare,
        requantise=context.profile.requantise(node.name),
        zero_points=(a.zero_point, b.zero_point),
        scaling=(_smaller_than_one(node, a), _smaller_than_one(node, b)),
    )
    return Kernel(evaluate, params)


def _smaller_than_one(node: Node, tensor: Tensor) -> Multiplier:
    scale = float(tensor.scale)
    node.require(
        0 < scale < 1,
        f"scale is {scale:g}, wanted one between 0 and 1",
        tensor,
        "TFLM halts on any other",
    )
    return quantize_multiplier(scale)


_EVALUATE: Mapping[str, Evaluate] = {
    "float32": evaluate_plain,
    "int8": evaluate_int8,
    "int32": evaluate_plain,
    "int64": evaluate_plain,
    "bool": evaluate_plain,
}
_ORDERED = ("float32", "int8", "int32", "int64")
_LIMITS = ("int8 scales below 1",)


def _op(name: str, compare: np.ufunc, types: tuple[str, ...]) -> Op:
    return Op(name, partial(prepare, compare, types), types, limits=_LIMITS)


OPS = (
    _op("EQUAL", np.equal, (*_ORDERED, "bool")),
    _op("NOT_EQUAL", np.not_equal, (*_ORDERED, "bool")),
    _op("GREATER", np.greater, _ORDERED),
    _op("GREATER_EQUAL", np.greater_equal, _ORDERED),
    _op("LESS", np.less, _ORDERED),
    _op("LESS_EQUAL", np.less_equal, _ORDERED),
)
