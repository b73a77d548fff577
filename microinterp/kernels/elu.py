"""ELU: out = x for x >= 0, else exp(x) - 1.

int8: a table of 256 outputs, all in float32: round(f(x_scale * (x - x_zp)) * (1 / out_scale)) +
out_zp, f with C's expf. float32: C's expm1f.
Source: TFLM kernels/elu.cc, kernels/internal/reference/elu.h.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Evaluate,
    is_float,
    pick_by_type,
    require_quantized,
    unary_operands,
)
from microinterp.kernels.tabulated import Table, evaluate_table, table_of
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.libm import expf, expm1f, roundf
from microinterp.registry import Op


def evaluate_float(_: None, arrays: Arrays) -> None:
    """float32 x -> out."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    out[...] = np.where(x < 0, expm1f(np.minimum(x, np.float32(0))), x)


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules and fill the table."""
    x, out = unary_operands(node)
    evaluate = pick_by_type(node, _EVALUATE, x, out)
    if is_float(x):
        return Kernel(evaluate)
    require_quantized(node, x, out)
    return Kernel(evaluate, _tabulate(node, x, out))


def _tabulate(node: Node, x: Tensor, out: Tensor) -> Table:
    steps = np.arange(-128, 128, dtype=np.float32) - np.float32(x.zero_point)
    with np.errstate(all="ignore"):
        real = x.scale * steps
        value = np.where(real < 0, expf(real) - np.float32(1), real)
        result = roundf(value * (np.float32(1) / out.scale)) + np.float32(out.zero_point)
    node.require(
        bool((np.abs(result) < np.float32(2.0**31)).all()),
        f"outputs leave int32 at scale {out.scale:g}, wanted a greater one",
        out,
    )
    return table_of(result)


_EVALUATE: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32"): evaluate_float,
    ("int8", "int8"): evaluate_table,
}

OPS = (
    Op(
        "ELU",
        prepare,
        ("float32", "int8"),
        exactness="exact with glibc; a device libm may differ",
        float_exactness="exact with glibc's expm1f up to 2.40 and newlib's",
    ),
)
