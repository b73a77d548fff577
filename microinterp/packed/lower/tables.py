"""Ops on single bytes as tables of all 256 results, SOFTMAX with its table, DEQUANTIZE."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from microinterp.graph import Tensor
from microinterp.kernels import quantize, relu, softmax, tabulated
from microinterp.kernels.scaling import UnaryScaling
from microinterp.packed.lower.common import INT8_HINT, Lower, Lowering
from microinterp.packed.steps import MAX_SOFTMAX_DEPTH, Dequantize, Lut, Softmax, Step
from microinterp.prepare import Arrays

_LARGEST_EXP = (1 << 31) - 1
_LEAST_SCALE, _MOST_SCALE = 2.0**-126, 2.0**104
"""No result is subnormal or infinite then."""
_UNARY: Mapping[str, type] = {
    "LOGISTIC": tabulated.Table,
    "QUANTIZE": UnaryScaling,
    "RELU": UnaryScaling,
    "RELU6": relu.Limits,
    "TANH": tabulated.Table,
}


def lower_unary(op: Lowering) -> list[Step]:
    """Any op that maps each byte by itself: the kernel is run on all of them."""
    op.require_types("int8", "uint8")
    op.params(_UNARY[op.node.name])
    x, out = op.node.input(0), op.node.output()
    every = np.arange(256, dtype=np.uint8).view(x.dtype)
    table = np.zeros(256, out.dtype)
    with np.errstate(all="ignore"):
        op.kernel.evaluate(op.kernel.params, Arrays((every,), (table,)))
    return [Lut(op.source(x), op.destination(out), out.elements, op.constant(table))]


def lower_softmax(op: Lowering) -> list[Step]:
    """SOFTMAX of int8 to int8."""
    op.require_types("int8")
    p = op.params(softmax.Params)
    x, out = op.node.input(0), op.node.output()
    depth = x.shape[-1]
    op.require(
        depth <= MAX_SOFTMAX_DEPTH,
        f"the last axis has {depth} elements, boards sum up to {MAX_SOFTMAX_DEPTH}",
        x,
    )
    assert p.exp[0] == _LARGEST_EXP
    exp = op.constant(p.exp.astype("<u4"))
    return [Softmax(op.source(x), op.destination(out), out.elements // depth, depth, exp)]


def lower_dequantize(op: Lowering) -> list[Step]:
    """DEQUANTIZE of int8, uint8 or int16."""
    p = op.params(quantize.DequantizeParams)
    x, out = op.node.input(0), op.node.output()
    op.require(
        _LEAST_SCALE <= p.scale < _MOST_SCALE,
        f"scale {p.scale:g}, boards take {_LEAST_SCALE:g} to {_MOST_SCALE:g}",
        x,
    )
    step = Dequantize(
        x=op.source(x),
        dst=op.destination(out),
        n=out.elements,
        esize=x.dtype.itemsize,
        unsigned=int(x.dtype.kind == "u"),
        zero_point=p.zero_point,
        scale=int(np.float32(p.scale).view(np.int32)),
    )
    return [step]


def lower_quantize(op: Lowering) -> list[Step]:
    """QUANTIZE of bytes to bytes."""
    x: Tensor = op.node.input(0)
    op.require(
        x.type_name != "float32",
        "a board does not quantise floats",
        x,
        "convert with inference_input_type=int8 and quantise on the host; " + INT8_HINT,
    )
    return lower_unary(op)


LOWER: dict[str, Lower] = {
    "DEQUANTIZE": lower_dequantize,
    "LOGISTIC": lower_unary,
    "QUANTIZE": lower_quantize,
    "RELU": lower_unary,
    "RELU6": lower_unary,
    "SOFTMAX": lower_softmax,
    "TANH": lower_unary,
}
