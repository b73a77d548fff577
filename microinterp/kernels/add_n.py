"""ADD_N: out = sum of two or more tensors of one shape.

int8: all inputs share scale and zero point; each is requantise((x - zp) << 20) at half scale:
    out = clamp(requantise(start + sum) + out_zp), start = requantise(-zp << 20)
(a zero of the raw numbers, not of the reals: TFLM's sum is off by one zero point). float32: in
order, from 0. TFLM asks for one pointer of scratch per input; they have 8 bytes, as on its PC.
Source: TFLM kernels/add_n.cc, kernels/internal/reference/add_n.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    MAX_SHAPE_RANK,
    Evaluate,
    multiplier_below_one,
    pick_by_type,
    require_positive_scales,
    require_quantized,
    require_rank,
    require_same_type,
    require_shape,
)
from microinterp.kernels.scaling import Scaling, requantised
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.fixedpoint import Int64Array, wrap32
from microinterp.quant.params import Multiplier, quantize_multiplier
from microinterp.registry import Op

_LEFT_SHIFT = 20
_POINTER_BYTES = 8
_HALF = quantize_multiplier(0.5)
"""An input's scale in twice that scale."""


@dataclass(frozen=True)
class Params(Scaling):
    """Folded parameters of an int8 ADD_N."""

    input_zero_point: int

    def halved(self, x: Int64Array) -> Int64Array:
        """Raw numbers in the scale of the sum."""
        shifted = (x - self.input_zero_point) << _LEFT_SHIFT
        scaled: Int64Array = self.requantise(shifted, _HALF.multiplier, _HALF.shift)
        return scaled


def evaluate_int8(p: Params, arrays: Arrays) -> None:
    """int8 inputs -> int8 out."""
    (out,) = arrays.outputs
    total = p.halved(np.zeros((), np.int64))
    for x in arrays.inputs:
        assert x is not None
        total = total + p.halved(x.astype(np.int64))
    out[...] = requantised(wrap32(total), p, out.dtype)


def evaluate_float(_: None, arrays: Arrays) -> None:
    """float32 inputs -> out."""
    (out,) = arrays.outputs
    total = np.zeros_like(out)
    for x in arrays.inputs:
        total = total + x
    out[...] = total


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules and fold its scales."""
    node.require_counts((2, max(2, len(node.inputs))))
    inputs = [node.input(i) for i in range(len(node.inputs))]
    first, out = inputs[0], node.output()
    evaluate = pick_by_type(node, _EVALUATE, first, out)
    require_rank(node, first, 0, MAX_SHAPE_RANK)
    require_same_type(node, *inputs)
    for tensor in (*inputs, out):
        require_shape(node, tensor, first.shape)
    scratch = (_POINTER_BYTES * len(inputs),)
    if evaluate is evaluate_float:
        return Kernel(evaluate, scratch=scratch)
    require_quantized(node, *inputs, out)
    for tensor in inputs[1:]:
        node.require(
            tensor.scale == first.scale and tensor.zero_point == first.zero_point,
            f"scale {tensor.scale:g} and zero point {tensor.zero_point}, wanted "
            f"{first.scale:g} and {first.zero_point}: those of the first input",
            tensor,
        )
    factor = _output_factor(node, first, out)
    params = Params(
        input_zero_point=first.zero_point,
        requantise=context.profile.requantise(node.name),
        multiplier=factor.multiplier,
        shift=factor.shift,
        output_zero_point=out.zero_point,
        low=-128,
        high=127,
    )
    return Kernel(evaluate, params, scratch)


def _output_factor(node: Node, first: Tensor, out: Tensor) -> Multiplier:
    """From twice the inputs' scale to the output's, less the left shift."""
    require_positive_scales(node, first)
    divisor = (1 << _LEFT_SHIFT) * float(out.scale)
    real = 2 * float(first.scale) / divisor if divisor else 0.0
    return multiplier_below_one(node, real, out)


_EVALUATE: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32"): evaluate_float,
    ("int8", "int8"): evaluate_int8,
}

OPS = (
    Op(
        "ADD_N",
        prepare,
        ("float32", "int8"),
        limits=("inputs of one shape", "int8 inputs of one scale and zero point"),
    ),
)
