"""HARD_SWISH: out = x * min(max(x + 3, 0), 6) / 6.

int8, in 16-bit fixed point, v = (x - x_zp) * 2^7 and every product a rounded high half:
    scaled = v * output_multiplier
    ramp = v * ramp_multiplier * 2^ramp_exponent, saturating: 3.0 is 2^15; then (ramp + 2^15) >> 1
    out = clamp(((ramp * scaled) >> 15, towards 0) * 2^output_exponent + out_zp)
Both factors are folded in double. There are only 256 inputs, so prepare tabulates them.
Source: TFLM kernels/hard_swish_common.cc, kernels/internal/reference/hard_swish.h.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Evaluate,
    is_float,
    multiplier_of,
    pick_by_type,
    require_quantized,
    unary_operands,
)
from microinterp.kernels.tabulated import Table, evaluate_table, table_of
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.fixedpoint import Int64Array
from microinterp.quant.params import Multiplier
from microinterp.registry import Op

_RAMP_SCALE = 3 / 32768


def evaluate_float(_: None, arrays: Arrays) -> None:
    """float32 x -> out."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    zero, three, six = np.float32(0), np.float32(3), np.float32(6)
    raised = np.where(x + three > zero, x + three, zero)
    out[...] = x * np.where(raised < six, raised, six) / six


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules and fill the table."""
    x, out = unary_operands(node)
    evaluate = pick_by_type(node, _EVALUATE, x, out)
    if is_float(x):
        return Kernel(evaluate)
    require_quantized(node, x, out)
    fine = float(x.scale) / 128
    output = multiplier_of(node, fine / float(out.scale))
    node.require(
        output.shift <= 0,
        f"scale {x.scale:g} is 128 times the output's or more",
        out,
        "TFLM refuses it too",
    )
    ramp = multiplier_of(node, fine / _RAMP_SCALE)
    return Kernel(evaluate, _tabulate(x, out, output, ramp))


def _tabulate(x: Tensor, out: Tensor, output: Multiplier, ramp: Multiplier) -> Table:
    value = (np.arange(-128, 128) - x.zero_point) << 7
    scaled = _rounded_product(value, _upper_half(output.multiplier))
    gate = value
    if ramp.shift > 0:
        gate = _saturate(gate << (ramp.shift - 1))
    gate = _rounded_product(gate, _upper_half(ramp.multiplier))
    if ramp.shift > 0:
        gate = _saturate(gate << 1)
    if ramp.shift < 0:
        gate = _divide_int16(gate, -ramp.shift)
    gate = (gate + (1 << 15)) >> 1
    product = gate * scaled
    whole = np.where(product < 0, -(-product >> 15), product >> 15)
    return table_of(_wrap16(_divide_int16(whole, -output.shift) + out.zero_point))


def _upper_half(multiplier: int) -> int:
    """A multiplier rounded to int16."""
    return min((multiplier + (1 << 15)) >> 16, (1 << 15) - 1)


def _rounded_product(a: Int64Array, b: int) -> Int64Array:
    """The high half of 2 * a * b for int16; b is not negative."""
    result: Int64Array = (a * b + (1 << 14)) >> 15
    return result


def _saturate(x: Int64Array) -> Int64Array:
    result: Int64Array = np.clip(x, -(1 << 15), (1 << 15) - 1)
    return result


def _wrap16(x: Int64Array) -> Int64Array:
    return x.astype(np.int16).astype(np.int64)


def _divide_int16(x: Int64Array, exponent: int) -> Int64Array:
    """gemmlowp's RoundingDivideByPOT of int16, whose mask is cut to 16 bits.

    So with 16 bits and more a number that is not negative gives 1.
    """
    mask = int(np.int64((1 << exponent) - 1).astype(np.int16))
    up = (x & mask) > (mask >> 1) + (x < 0)
    result: Int64Array = (x >> exponent) + up
    return result


_EVALUATE: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32"): evaluate_float,
    ("int8", "int8"): evaluate_table,
}

OPS = (Op("HARD_SWISH", prepare, ("float32", "int8"), limits=("x scale below 128 out scales",)),)
