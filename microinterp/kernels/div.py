"""DIV: out = a / b, with broadcasting and a fused activation.

int8, all in fixed point, |b| being the divisor and the sign joined to a:
    1 / |b| as a mantissa in (1/2, 1] and an exponent, by Newton's method (256 divisors: a table)
    quotient = (a << headroom) * mantissa, headroom the bits that a leaves free
    out = clamp(requantise(quotient) + out_zp), factor a_scale / (b_scale * out_scale)
The last right shift is exponent + headroom - the factor's shift, and often more than the 31 bits
that C defines. This is the answer of TFLM on x86, whose shifts take the count modulo 32: 0 / 100
gives one step where 0 / 1 gives none. A divisor of 0 gives a number too, the same on every CPU.
int32 is not quantised and truncates. TFLM stops the invoke where a divisor is 0 (and crashes on
-2^31 / -1): so do we. float32 divides; a divisor of 0 gives an infinity, clamped like the rest.
Source: TFLM kernels/div.cc, kernels/internal/reference/div.h, RoundingDivideByPOT in gemmlowp.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from microinterp.graph import Node
from microinterp.kernels.broadcast import Broadcast, FloatParams, Int32Params, broadcast_of
from microinterp.kernels.common import (
    Evaluate,
    activation_range,
    clamp_float,
    is_float,
    multiplier_of,
    pick_by_type,
    require_positive_scales,
    require_quantized,
)
from microinterp.prepare import Arrays, Context, Kernel, Status
from microinterp.quant.fixedpoint import Int64Array, IntLike, Requantise, wrap32
from microinterp.quant.fixedpoint import saturating_rounding_doubling_high_mul as mul
from microinterp.quant.fixedpoint_math import count_leading_zeros, reciprocal
from microinterp.quant.params import activation_range_float, activation_range_int32
from microinterp.registry import Op

_MAX_SHIFT = 22
"""Of the factor: with more, the last shift of the kernel would go to the left."""
_INT32_MIN = -(1 << 31)


@dataclass(frozen=True)
class Params:
    """Folded parameters of an int8 DIV.

    Attributes:
        operands: how they broadcast.
        zero_points: of a and b.
        inverse: mantissa of 1 / d for d in 0..255.
        exponent: of the same.
        multiply, requantise: (x, multiplier, shift), for the quotient and for the output.
        multiplier, shift: from a quotient of raw numbers to the output's scale.
        low, high: clamp limits.
    """

    operands: Broadcast
    zero_points: tuple[int, int]
    inverse: Int64Array
    exponent: Int64Array
    multiply: Requantise
    requantise: Requantise
    multiplier: int
    shift: int
    output_zero_point: int
    low: int
    high: int


def evaluate_int8(p: Params, arrays: Arrays) -> None:
    """int8 a and b -> int8 out."""
    (out,) = arrays.outputs
    a, b = (
        x.astype(np.int64) - zero
        for x, zero in zip(p.operands(*arrays.inputs), p.zero_points, strict=True)
    )
    a, divisor = np.where(b < 0, -a, a), np.abs(b)
    headroom = count_leading_zeros(np.where(a < 0, ~a, a)) - 1
    quotient = p.multiply(a, p.inverse[divisor], headroom)
    scaled = p.requantise(quotient, p.multiplier, p.shift - p.exponent[divisor] - headroom)
    out[...] = np.clip(wrap32(scaled + p.output_zero_point), p.low, p.high)


def evaluate_float(p: FloatParams, arrays: Arrays) -> None:
    """float32 a and b -> out."""
    (out,) = arrays.outputs
    out[...] = clamp_float(np.divide(*p.operands(*arrays.inputs)), p.low, p.high)


def evaluate_int32(p: Int32Params, arrays: Arrays) -> Status:
    """int32 a and b -> out; an error if an element of b is 0, or a quotient is 2^31."""
    (out,) = arrays.outputs
    a, b = (x.astype(np.int64) for x in p.operands(*arrays.inputs))
    if ((b == 0) | ((a == _INT32_MIN) & (b == -1))).any():
        return Status.ERROR
    quotient = np.abs(a) // np.abs(b) * np.where((a < 0) != (b < 0), -1, 1)
    out[...] = np.clip(quotient, p.low, p.high)
    return Status.OK


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules and fold its scales."""
    node.require_counts((2, 2))
    a, b, out = node.input(0), node.input(1), node.output()
    evaluate = pick_by_type(node, _EVALUATE, a, b, out)
    operands = broadcast_of(node, a, b, out)
    activation = node.options(tflite.DivOptions).FusedActivationFunction()
    if is_float(out):
        return Kernel(evaluate, FloatParams(operands, *activation_range_float(activation)))
    if out.dtype == np.int32:
        for tensor in (a, b):
            plain = tensor.quantization is None
            hint = "leave scale and zero point of this tensor out, or convert the op to int8"
            node.require(plain, "quantised int32 is not supported by TFLM", tensor, hint)
        if b.data is not None:
            node.require(bool((b.data != 0).all()), "division by a constant 0", b)
        limits = activation_range_int32(activation)
        return Kernel(evaluate, Int32Params(operands, *limits))
    require_quantized(node, a, b, out)
    require_positive_scales(node, b)
    return Kernel(evaluate, _params(node, context, operands, activation))


def _params(node: Node, context: Context, operands: Broadcast, activation: int) -> Params:
    a, b, out = node.input(0), node.input(1), node.output()
    real = float(a.scale) / (float(b.scale) * float(out.scale))
    factor = multiplier_of(node, real)
    node.require(
        factor.shift <= _MAX_SHIFT,
        f"requantisation factor {real:g} is 2^{_MAX_SHIFT} or more",
        hint="the output's scale is far too small for the scales of the inputs",
    )
    inverse, exponent = _reciprocals()
    multiply = context.profile.requantise(node.name)
    is_double = context.profile.rounding(node.name) == "double"
    low, high = activation_range(node, activation, out)
    return Params(
        operands=operands,
        zero_points=(a.zero_point, b.zero_point),
        inverse=inverse,
        exponent=exponent,
        multiply=multiply,
        requantise=multiply_with_far_shift if is_double else multiply,
        multiplier=factor.multiplier,
        shift=factor.shift,
        output_zero_point=out.zero_point,
        low=low,
        high=high,
    )


def multiply_with_far_shift(x: npt.NDArray[Any], multiplier: IntLike, shift: IntLike) -> Int64Array:
    """fixedpoint.multiply_double for shifts down to -95, beyond -31 as on x86.

    TFLM rounds by adding one where the bits that go, under a mask of as many ones, are more than
    half the mask. The mask is cut to 32 bits and the shift taken modulo 32.
    """
    product = mul(x, multiplier)
    right = -np.asarray(shift, np.int64)
    mask = wrap32((np.int64(1) << (right & 63)) - 1)
    up = (product & mask) > (mask >> 1) + (product < 0)
    result: Int64Array = (product >> (right & 31)) + up
    return result


def _reciprocals() -> tuple[Int64Array, Int64Array]:
    """1 / d for d in 0..255 as (mantissa, exponent)."""
    mantissa, exponent = reciprocal(np.arange(256), 31)
    mantissa[0] = _RECIPROCAL_OF_0
    return mantissa, exponent


_RECIPROCAL_OF_0 = -1515870788
"""What Newton's method makes of 0: its steps leave int32, which wraps."""
_EVALUATE: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32", "float32"): evaluate_float,
    ("int8", "int8", "int8"): evaluate_int8,
    ("int32", "int32", "int32"): evaluate_int32,
}

OPS = (
    Op(
        "DIV",
        prepare,
        ("float32", "int8", "int32"),
        limits=(
            "int32 is not quantised",
            "no int32 divisor is 0",
            "int8 shifts by 32 bits and more as x86 does",
        ),
    ),
)
