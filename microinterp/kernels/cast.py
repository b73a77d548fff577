"""CAST: the same number in another element type.

Integers wrap, as C's do. Floats lose their fraction and saturate; NaN becomes 0. To bool,
everything but 0 is true (NaN too). The options' types are not looked at.
Source: TFLM kernels/cast.cc; that floats saturate is what the pinned wheel does: TFLM up to August
2026 casts as C does, where a float outside the type's range is undefined.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from microinterp.graph import Node
from microinterp.kernels.common import Evaluate, pick_by_type, unary_operands
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op

_INPUTS = ("float32", "int8", "int16", "int32", "uint32", "bool")
_INTEGERS = ("int8", "int16", "int32", "uint32")


def evaluate(_: None, arrays: Arrays) -> None:
    """x of any type -> out, by C's conversion."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    out[...] = x.astype(out.dtype)


def evaluate_saturating(_: None, arrays: Arrays) -> None:
    """float32 x -> integers."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    limits = np.iinfo(out.dtype)
    whole = np.nan_to_num(np.trunc(x.astype(np.float64)), nan=0.0)
    out[...] = np.clip(whole, limits.min, limits.max).astype(np.int64)


def prepare(node: Node, context: Context) -> Kernel:
    """Check types and shape."""
    x, out = unary_operands(node)
    return Kernel(pick_by_type(node, _EVALUATE, x, out))


_EVALUATE: Mapping[tuple[str, ...], Evaluate] = {
    **{(source, target): evaluate for source in _INPUTS for target in _INPUTS},
    **{("float32", target): evaluate_saturating for target in _INTEGERS},
}

OPS = (Op("CAST", prepare, tuple(" -> ".join(pair) for pair in _EVALUATE)),)
