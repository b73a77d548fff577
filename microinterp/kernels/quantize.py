"""QUANTIZE and DEQUANTIZE.

QUANTIZE of floats: out = clamp(round(x / scale) + zp), divided in float32, halves away from zero.
QUANTIZE of integers: out = clamp(requantise(x - x_zp) + out_zp), factor x_scale / out_scale.
DEQUANTIZE: out = (x - zp) * scale, multiplied in double and rounded to float32.
Source: TFLM kernels/{quantize,dequantize}_common.cc, kernels/internal/reference/quantize.h,
reference/{requantize,dequantize}.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from microinterp.graph import Node
from microinterp.kernels.common import (
    Evaluate,
    is_float,
    multiplier_of,
    pick_by_type,
    require_quantized,
    unary_operands,
)
from microinterp.kernels.scaling import UnaryScaling, requantised
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.fixedpoint import wrap32
from microinterp.quant.libm import roundf
from microinterp.registry import Op

_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True)
class FloatParams:
    """Quantisation of the output of a QUANTIZE of floats."""

    scale: np.float32
    zero_point: int
    low: int
    high: int


@dataclass(frozen=True)
class DequantizeParams:
    """Quantisation of the input of a DEQUANTIZE; `scale` is the float32 one as a double."""

    scale: float
    zero_point: int


def evaluate_float(p: FloatParams, arrays: Arrays) -> None:
    """float32 x -> int8 or int16 out.

    C leaves quotients outside int32 and NaN undefined. Here the first saturate and NaN gives the
    zero point: what Arm's FPU and its soft-float library make of them (x86 takes -2^31 for all).
    """
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    steps = np.nan_to_num(roundf(x / p.scale), nan=0.0, posinf=np.inf, neginf=-np.inf)
    whole = np.clip(steps.astype(np.float64), _INT32.min, _INT32.max).astype(np.int64)
    out[...] = np.clip(whole + p.zero_point, p.low, p.high)


def evaluate_int(p: UnaryScaling, arrays: Arrays) -> None:
    """int8, uint8, int16 or int32 x -> out of one of these types."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    centred = wrap32(x.astype(np.int64) - p.input_zero_point)
    out[...] = requantised(centred, p, out.dtype)


def evaluate_dequantize(p: DequantizeParams, arrays: Arrays) -> None:
    """int8, uint8 or int16 x -> float32 out."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    out[...] = (x.astype(np.int32) - p.zero_point) * p.scale


def prepare_quantize(node: Node, context: Context) -> Kernel:
    """Check a QUANTIZE and fold its scales."""
    x, out = unary_operands(node)
    evaluate = pick_by_type(node, _QUANTIZE, x, out)
    require_quantized(node, out)
    assert out.quantization is not None
    scales = len(out.quantization.scale)
    node.require(scales == 1, f"has {scales} scales, TFLM quantises with one", out)
    node.require(bool(out.scale > 0), f"scale is {out.scale:g}, wanted above 0", out)
    limits = np.iinfo(out.dtype)
    low, high = int(limits.min), int(limits.max)
    if is_float(x):
        return Kernel(evaluate, FloatParams(out.scale, out.zero_point, low, high))
    require_quantized(node, x)
    multiplier = multiplier_of(node, float(x.scale) / float(out.scale))
    params = UnaryScaling(
        input_zero_point=x.zero_point,
        requantise=context.profile.requantise(node.name),
        multiplier=multiplier.multiplier,
        shift=multiplier.shift,
        output_zero_point=out.zero_point,
        low=low,
        high=high,
    )
    return Kernel(evaluate, params)


def prepare_dequantize(node: Node, context: Context) -> Kernel:
    """Check a DEQUANTIZE."""
    x, out = unary_operands(node)
    evaluate = pick_by_type(node, _DEQUANTIZE, x, out)
    require_quantized(node, x)
    return Kernel(evaluate, DequantizeParams(float(x.scale), x.zero_point))


_PAIRS = (
    ("int32", "int8"),
    ("int32", "int16"),
    ("int16", "int8"),
    ("int16", "int16"),
    ("int16", "int32"),
    ("int8", "int8"),
    ("int8", "uint8"),
    ("int8", "int16"),
    ("int8", "int32"),
    ("uint8", "int8"),
)
_QUANTIZE: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "int8"): evaluate_float,
    ("float32", "int16"): evaluate_float,
    **dict.fromkeys(_PAIRS, evaluate_int),
}
_DEQUANTIZE: Mapping[tuple[str, ...], Evaluate] = {
    (name, "float32"): evaluate_dequantize for name in ("int8", "int16", "uint8")
}

OPS = (
    Op("QUANTIZE", prepare_quantize, tuple(" -> ".join(pair) for pair in _QUANTIZE)),
    Op("DEQUANTIZE", prepare_dequantize, tuple(" -> ".join(pair) for pair in _DEQUANTIZE)),
)
