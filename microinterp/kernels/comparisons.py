"""EQUAL, NOT_EQUAL, GREATER, GREATER_EQUAL, LESS, LESS_EQUAL, with broadcasting; bool out.

int8 operands are brought to a common scale first: requantise((x - zp) * 2^8), the factor being the
operand's own scale, which must be below 1. So neighbours may become equal: a step of 2^-9 and less
is lost. All other types are compared as they are.
Source: TFLM kernels/comparisons.cc, kernels/internal/reference/comparisons.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from microinterp.errors import UnsupportedError
from microinterp.graph import Node, Tensor
from microinterp.kernels.broadcast import Broadcast, ScaledOperands, broadcast_of
from microinterp.kernels.common import pick_by_type, require_quantized
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.params import Multiplier, quantize_multiplier
from microinterp.registry import Op

_LEFT_SHIFT = 8


@dataclass(frozen=True)
class Params:
    """What is compared: numbers as they are, or int8 in a common scale."""

    operands: Broadcast | ScaledOperands
    compare: np.ufunc


def evaluate(p: Params, arrays: Arrays) -> None:
    """a and b of one type -> bool out."""
    (out,) = arrays.outputs
    out[...] = p.compare(*p.operands(*arrays.inputs))


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
    pick_by_type(node, {(name, name, "bool"): evaluate for name in types}, a, b, out)
    operands = broadcast_of(node, a, b, out)
    if a.dtype != np.int8:
        return Kernel(evaluate, Params(operands, compare))
    require_quantized(node, a, b)
    scaled = ScaledOperands(
        operands,
        _LEFT_SHIFT,
        (a.zero_point, b.zero_point),
        (_scale_below_one(node, a), _scale_below_one(node, b)),
        context.profile.requantise(node.name),
    )
    return Kernel(evaluate, Params(scaled, compare))


def _scale_below_one(node: Node, tensor: Tensor) -> Multiplier:
    scale = float(tensor.scale)
    node.require(
        0 < scale < 1,
        f"scale is {scale:g}, wanted one between 0 and 1",
        tensor,
        "TFLM halts on any other",
    )
    return quantize_multiplier(scale)


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
