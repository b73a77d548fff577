"""SOFTMAX: out[c] = exp(beta * (x[c] - max)) / sum over c of exp(beta * (x[c] - max)), last axis.

int8 input: exp in Q0.31 (gemmlowp), summed in Q12.19, times the reciprocal of the sum. The
exponential depends on max - x[c] alone, so prepare tabulates it.
int16: differences scaled to 65535 steps for [-10, 0]; exp and 1/(1+x) from interpolated tables.
float32: C's expf, a sum in order, a division.
Source: TFLM kernels/softmax_common.cc, kernels/internal/reference/softmax.h.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tflite

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Evaluate,
    is_float,
    multiplier_of,
    pick_by_type,
    require_quantized,
    require_zero_points,
    unary_operands,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.fixedpoint import Requantise, rounding_divide_by_pot
from microinterp.quant.fixedpoint import saturating_rounding_doubling_high_mul as mul
from microinterp.quant.fixedpoint_math import (
    count_leading_zeros,
    exp_on_negative_values,
    interpolate,
    reciprocal,
)
from microinterp.quant.libm import expf
from microinterp.quant.params import quantize_multiplier
from microinterp.quant.tables import softmax_exp_table, softmax_reciprocal_table
from microinterp.registry import Op

_DIFF_BITS = 5
"""Integer bits of a difference before exp: Q5.26."""
_SUM_BITS = 12
"""Integer bits of the sum: Q12.19."""
_MAX_DEPTH = {"int8": 8191, "int16": 65538}
"""By input type: so many exponentials of 1 fit the sum; with more, C computes nothing defined."""


@dataclass(frozen=True)
class Params:
    """Folded parameters of an int8 SOFTMAX.

    Attributes:
        exp: exp of each difference max - x [256], Q0.31; 0 for those that TFLM leaves out.
        bits: of an output.
    """

    exp: npt.NDArray[np.int64]
    bits: int


@dataclass(frozen=True)
class Int16Params:
    """Folded parameters of an int16 SOFTMAX: how differences are scaled to the table's steps."""

    requantise: Requantise
    multiplier: int
    shift: int
    exp: npt.NDArray[np.int16]
    reciprocal: npt.NDArray[np.int16]


def evaluate_int8(p: Params, arrays: Arrays) -> None:
    """int8 x [..., c] -> int8 or int16 out [..., c].

    Where the exponentials add up to 512 or more and the output is int8, a check in TFLM halts the
    chip; here the quotient, which is less than 1/512, becomes 0.
    """
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    wide = x.astype(np.int64)
    exp = p.exp[wide.max(axis=-1, keepdims=True) - wide]
    total = rounding_divide_by_pot(exp, _SUM_BITS).sum(axis=-1, keepdims=True)
    mantissa, exponent = reciprocal(total, _SUM_BITS)
    quotient = rounding_divide_by_pot(mul(mantissa, exp), exponent + (31 - p.bits))
    info = np.iinfo(out.dtype)
    out[...] = np.clip(quotient + info.min, info.min, info.max)


def evaluate_int16(p: Int16Params, arrays: Arrays) -> None:
    """int16 x [..., c] -> int16 out [..., c]."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    wide = x.astype(np.int64)
    diff = p.requantise(wide - wide.max(axis=-1, keepdims=True), p.multiplier, p.shift)
    exp = interpolate(np.clip(diff + 32767, -32768, 32767), p.exp)
    total = exp.sum(axis=-1, keepdims=True)
    headroom = count_leading_zeros(total)
    # The sum with its first one at bit 30, rounded to 16 bits after it, less one: [0, 65536].
    over_one = (((total << (headroom - 1)) + (1 << 13)) >> 14) - (1 << 16)
    factor = interpolate(np.minimum(over_one - (1 << 15), 32767), p.reciprocal)
    shift = 31 - headroom
    out[...] = np.clip((exp * factor + (1 << (shift - 1))) >> shift, 0, 32767)


def evaluate_float(beta: np.float32, arrays: Arrays) -> None:
    """float32 x [..., c] -> out [..., c]."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    lowest = np.finfo(np.float32).min
    peak = np.fmax.reduce(x, axis=-1, keepdims=True, initial=lowest)  # leaves NaN out, as C does
    exp = expf((x - peak) * beta)
    # accumulate adds one by one, where sum would add in pairs
    out[...] = exp / np.add.accumulate(exp, axis=-1)[..., -1:]


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules and fold its scales."""
    x, out = unary_operands(node)
    evaluate = pick_by_type(node, _EVALUATE, x, out)
    node.require(x.rank >= 1 and x.elements > 0, f"{x} has no elements along its last axis", x)
    beta = node.options(tflite.SoftmaxOptions).Beta()
    if is_float(x):
        return Kernel(evaluate, np.float32(beta))
    require_quantized(node, x, out)
    _require_output(node, x, out)
    depth, limit = x.shape[-1], _MAX_DEPTH[x.type_name]
    text = f"the last axis has {depth} elements, TFLM sums {limit} at most"
    node.require(depth <= limit, text, x)
    if x.dtype == np.int16:
        return Kernel(evaluate, _int16_params(node, context, x, beta))
    params = Params(
        exp=_exp_by_difference(node, context, x, beta),
        bits=8 * out.dtype.itemsize,
    )
    return Kernel(evaluate, params)


def _require_output(node: Node, x: Tensor, out: Tensor) -> None:
    """The output's quantisation is fixed: [0, 1) over the whole range of its type."""
    if x.dtype == np.int16:
        require_zero_points(node, 0, x, out)
        wanted = np.float32(1 / 32768)
    else:
        require_zero_points(node, int(np.iinfo(out.dtype).min), out)
        wanted = np.float32(1 / (1 << 8 * out.dtype.itemsize))
    tolerance = np.float32(0) if out.dtype == np.int8 else np.float32(0.001) * wanted
    node.require(
        bool(abs(out.scale - wanted) <= tolerance), f"scale {out.scale:g}, wanted {wanted:g}", out
    )


def _exp_by_difference(
    node: Node, context: Context, x: Tensor, beta: float
) -> npt.NDArray[np.int64]:
    """exp(-beta * scale * d) for d in 0..255, Q0.31; differences beyond 31 units count as 0."""
    # With more than this, one step of difference already makes exp vanish.
    cap_bits = 30 if context.profile.rounding(node.name) == "single" else 31
    real = min(beta * float(x.scale) * (1 << 31 - _DIFF_BITS), (1 << cap_bits) - 1.0)
    node.require(
        real > 1,
        f"beta {beta:g} times scale {x.scale:g} is too small: TFLM wants more than 2^-26",
        x,
    )
    multiplier = quantize_multiplier(real)
    radius = math.floor(((1 << _DIFF_BITS) - 1) * (1 << 31 - _DIFF_BITS) / (1 << multiplier.shift))
    diff = np.arange(min(radius, 255) + 1)
    scaled = context.profile.requantise(node.name)(-diff, multiplier.multiplier, multiplier.shift)
    table = np.zeros(256, np.int64)
    table[: len(diff)] = exp_on_negative_values(scaled, _DIFF_BITS)
    return table


def _int16_params(node: Node, context: Context, x: Tensor, beta: float) -> Int16Params:
    node.require(beta >= 0, f"beta is {beta:g}, wanted 0 or more")
    multiplier = multiplier_of(node, float(x.scale) * beta / (10.0 / 65535.0))
    return Int16Params(
        requantise=context.profile.requantise(node.name),
        multiplier=multiplier.multiplier,
        shift=multiplier.shift,
        exp=softmax_exp_table(),
        reciprocal=softmax_reciprocal_table(),
    )


_EVALUATE: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32"): evaluate_float,
    ("int8", "int8"): evaluate_int8,
    ("int8", "int16"): evaluate_int8,
    ("int16", "int16"): evaluate_int16,
}

OPS = (
    Op(
        "SOFTMAX",
        prepare,
        ("float32", "int8", "int8 -> int16", "int16"),
        int16_exactness="exact with glibc; a device libm may differ (its table of exp)",
        float_exactness="exact with glibc's expf, but for 2 of 2^32 arguments",
    ),
)
