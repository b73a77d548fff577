"""LOG_SOFTMAX: out[c] = x[c] - max - log(sum over c of exp(x[c] - max)), along the last axis.

int8: differences in Q5.26, exp in Q0.31 (gemmlowp), summed in Q12.19, its logarithm in Q5.26;
outputs in steps of 1/16 from 127 down. float32: C's expf, a sum in order, C's logf.
Source: TFLM kernels/log_softmax.cc, kernels/internal/reference/log_softmax.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Evaluate,
    is_float,
    pick_by_type,
    require_quantized,
    require_zero_points,
    unary_operands,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.fixedpoint import Int64Array, Requantise, rounding_divide_by_pot, wrap32
from microinterp.quant.fixedpoint_math import exp_on_negative_values, log_from_one
from microinterp.quant.libm import expf, logf
from microinterp.quant.params import Multiplier, quantize_multiplier
from microinterp.registry import Op

_DIFF_BITS = 5
"""Integer bits of differences and logarithms: Q5.26."""
_SUM_BITS = 12
"""Integer bits of the sum: Q12.19."""
_OUT_BITS = 4
"""Integer bits of an output: steps of 1/16."""
_MAX_DEPTH = 8191
"""So many exponentials of 1 fit the sum."""
_INT32_MIN = -(1 << 31)


@dataclass(frozen=True)
class Params:
    """Folded parameters of an int8 LOG_SOFTMAX.

    Attributes:
        diff: each difference x - max from 0 down to -255, in Q5.26 [256].
        exp: its exponential in Q12.19 [256]; 0 for those that TFLM leaves out.
        least: least difference that TFLM takes into the sum, less one.
        requantise: rounding function.
        inverse: from Q5.26 back to differences.
    """

    diff: Int64Array
    exp: Int64Array
    least: int
    requantise: Requantise
    inverse: Multiplier


def evaluate_int8(p: Params, arrays: Arrays) -> None:
    """int8 x [..., c] -> int8 out [..., c]."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    wide = x.astype(np.int64)
    diff = wide - wide.max(axis=-1, keepdims=True)
    log_sum = log_from_one(p.exp[-diff].sum(axis=-1, keepdims=True), _SUM_BITS)
    reach = p.requantise(log_sum + _INT32_MIN, p.inverse.multiplier, p.inverse.shift)
    steps = rounding_divide_by_pot(wrap32(p.diff[-diff] - log_sum), 31 - _DIFF_BITS - _OUT_BITS)
    result = np.clip(steps + 127, -128, 127)
    out[...] = np.where(diff > np.maximum(p.least, reach), result, -128)


def evaluate_float(_: None, arrays: Arrays) -> None:
    """float32 x [..., c] -> out [..., c]."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    lowest = np.finfo(np.float32).min
    peak = np.fmax.reduce(x, axis=-1, keepdims=True, initial=lowest)  # leaves NaN out, as C does
    # accumulate adds one by one, where sum would add in pairs
    total = np.add.accumulate(expf(x - peak), axis=-1)[..., -1:]
    out[...] = x - peak - logf(total)


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules and fold its scales."""
    x, out = unary_operands(node)
    evaluate = pick_by_type(node, _EVALUATE, x, out)
    node.require(x.rank >= 1 and x.elements > 0, f"{x} has no elements along its last axis", x)
    if is_float(x):
        return Kernel(evaluate)
    require_quantized(node, x, out)
    require_zero_points(node, 127, out)
    node.require(bool(out.scale == np.float32(1 / 16)), f"scale {out.scale:g}, wanted 1/16", out)
    depth = x.shape[-1]
    node.require(
        depth <= _MAX_DEPTH,
        f"the last axis has {depth} elements, TFLM sums {_MAX_DEPTH} at most",
        x,
    )
    return Kernel(evaluate, _params(node, context, x))


def _params(node: Node, context: Context, x: Tensor) -> Params:
    requantise = context.profile.requantise(node.name)
    # With more than this, one step of difference already makes exp vanish.
    cap_bits = 30 if context.profile.rounding(node.name) == "single" else 31
    real = min(float(x.scale) * (1 << 31 - _DIFF_BITS), (1 << cap_bits) - 1.0)
    forward = quantize_multiplier(real)
    backward = (1 << max(31 - forward.shift, 0)) / max(forward.multiplier, 1)
    node.require(
        real > 1 and backward < 1, f"scale {x.scale:g} is too small: TFLM wants more than 2^-26", x
    )
    radius = ((1 << _DIFF_BITS) - 1) * (1 << 31 - _DIFF_BITS) >> forward.shift
    differences = -np.arange(256)
    diff = requantise(differences, forward.multiplier, forward.shift)
    taken = differences >= -radius
    exp = exp_on_negative_values(np.where(taken, diff, 0), _DIFF_BITS)
    return Params(
        diff=diff,
        exp=np.where(taken, rounding_divide_by_pot(exp, _SUM_BITS), 0),
        least=-radius - 1,
        requantise=requantise,
        inverse=quantize_multiplier(backward),
    )


_EVALUATE: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32"): evaluate_float,
    ("int8", "int8"): evaluate_int8,
}

OPS = (
    Op(
        "LOG_SOFTMAX",
        prepare,
        ("float32", "int8"),
        float_exactness="within 2 ulp, C's logf is not correctly rounded",
        limits=("int8 outputs in steps of 1/16, zero point 127",),
    ),
)
