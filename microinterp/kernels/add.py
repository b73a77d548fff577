"""ADD and SUB: out = a + b and out = a - b, with broadcasting and a fused activation.

Integer kernels bring both operands to the scale 2 * max(a_scale, b_scale) / 2^left_shift:
    raw = requantise((a - a_zp) << left_shift) +- requantise((b - b_zp) << left_shift)
    out = clamp(requantise(raw) + out_zp)
with 20 bits of left shift for int8 and 15 for int16. int32 tensors are not quantised: they wrap.
Both fold their scales in double (docs/decisions/0005-scales-in-double.md).
Source: TFLM kernels/{add,sub}_common.cc, kernels/internal/reference/{add,sub}.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tflite

from microinterp.graph import Node, Tensor
from microinterp.kernels.broadcast import Broadcast, ScaledOperands, broadcast_of
from microinterp.kernels.common import (
    Evaluate,
    activation_range,
    clamp_float,
    is_float,
    multiplier_below_one,
    pick_by_type,
    require_quantized,
)
from microinterp.kernels.scaling import Scaling, requantised
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.params import (
    activation_range_float,
    activation_range_int32,
)
from microinterp.registry import Op


@dataclass(frozen=True)
class Params(Scaling):
    """Folded parameters of one integer ADD or SUB.

    Attributes:
        operands: how they broadcast.
        combine: np.add or np.subtract.
        left_shift: bits that the operands gain before they are rescaled.
        zero_points, scaling: of the two operands.
    """

    operands: ScaledOperands
    combine: np.ufunc


@dataclass(frozen=True)
class FloatParams:
    """Parameters of a float32 ADD or SUB."""

    operands: Broadcast
    combine: np.ufunc
    low: np.float32
    high: np.float32


@dataclass(frozen=True)
class Int32Params:
    """Parameters of an ADD or SUB of plain int32."""

    operands: Broadcast
    combine: np.ufunc
    low: int
    high: int


def evaluate_int(p: Params, arrays: Arrays) -> None:
    """int8 or int16 a and b -> out of the same type."""
    (out,) = arrays.outputs
    out[...] = requantised(p.combine(*p.operands(*arrays.inputs)), p, out.dtype)


def evaluate_float(p: FloatParams, arrays: Arrays) -> None:
    """float32 a and b -> out."""
    (out,) = arrays.outputs
    out[...] = clamp_float(p.combine(*p.operands(*arrays.inputs)), p.low, p.high)


def evaluate_int32(p: Int32Params, arrays: Arrays) -> None:
    """int32 a and b -> out; sums wrap."""
    (out,) = arrays.outputs
    out[...] = np.clip(p.combine(*p.operands(*arrays.inputs)), p.low, p.high)


def prepare_add(node: Node, context: Context) -> Kernel:
    """Check an ADD and fold its scales."""
    activation = node.options(tflite.AddOptions).FusedActivationFunction()
    return _prepare(node, context, activation, np.add)


def prepare_sub(node: Node, context: Context) -> Kernel:
    """Check a SUB and fold its scales."""
    activation = node.options(tflite.SubOptions).FusedActivationFunction()
    return _prepare(node, context, activation, np.subtract)


def _prepare(node: Node, context: Context, activation: int, combine: np.ufunc) -> Kernel:
    node.require_counts((2, 2))
    a, b, out = node.input(0), node.input(1), node.output()
    evaluate = pick_by_type(node, _EVALUATE, a, b, out)
    operands = broadcast_of(node, a, b, out)
    if is_float(out):
        limits = activation_range_float(activation)
        return Kernel(evaluate, FloatParams(operands, combine, *limits))
    if out.dtype == np.int32:
        # TFLM's ADD has no activation here, and does not look whether the output is quantised.
        checked = (a, b) if combine is np.add else (a, b, out)
        _require_plain(node, *checked)
        limits32 = activation_range_int32(0 if combine is np.add else activation)
        return Kernel(evaluate, Int32Params(operands, combine, *limits32))
    require_quantized(node, a, b, out)
    left_shift = 15 if out.dtype == np.int16 else 20
    reals = _reals(a, b, out, left_shift)
    scale_a, scale_b, scale_out = (
        multiplier_below_one(node, real, t) for real, t in zip(reals, (a, b, out), strict=True)
    )
    low, high = activation_range(node, activation, out)
    zero_points = [tensor.zero_point for tensor in (a, b, out)]
    if combine is np.add and _drops_zero_points(context, operands, out):
        zero_points = [0, 0, 0]
    requantise = context.profile.requantise(node.name)
    in_zero_points = zero_points[0], zero_points[1]
    params = Params(
        operands=ScaledOperands(
            operands, left_shift, in_zero_points, (scale_a, scale_b), requantise
        ),
        combine=combine,
        requantise=requantise,
        multiplier=scale_out.multiplier,
        shift=scale_out.shift,
        output_zero_point=zero_points[2],
        low=low,
        high=high,
    )
    return Kernel(evaluate, params)


def _drops_zero_points(context: Context, operands: Broadcast, out: Tensor) -> bool:
    """Whether the rule add-int16-zero-points applies."""
    is_met = out.dtype == np.int16 and operands.shapes[0] == operands.shapes[1]
    return is_met and context.profile.follows("add-int16-zero-points")


def _reals(a: Tensor, b: Tensor, out: Tensor, left_shift: int) -> tuple[float, float, float]:
    """Factors of a, b and their sum, in double."""
    twice = 2 * float(max(a.scale, b.scale))
    if twice == 0:
        return 0.0, 0.0, 0.0
    return (
        float(a.scale) / twice,
        float(b.scale) / twice,
        twice / ((1 << left_shift) * float(out.scale)),
    )


def _require_plain(node: Node, *tensors: Tensor) -> None:
    for tensor in tensors:
        node.require(
            tensor.quantization is None,
            "quantised int32 is not supported by TFLM",
            tensor,
            "leave scale and zero point of this tensor out, or convert the op to int8",
        )


_EVALUATE: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32", "float32"): evaluate_float,
    ("int8", "int8", "int8"): evaluate_int,
    ("int16", "int16", "int16"): evaluate_int,
    ("int32", "int32", "int32"): evaluate_int32,
}
_TYPES = ("float32", "int8", "int16", "int32")

OPS = (Op("ADD", prepare_add, _TYPES), Op("SUB", prepare_sub, _TYPES))
