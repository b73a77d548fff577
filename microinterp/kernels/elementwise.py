"""float32 functions of each element: SIN COS LOG EXP SQRT SQUARE NEG FLOOR CEIL ROUND.

SIN, COS, LOG and EXP are the C library's (quant/libm.py); the others are exact everywhere. ROUND
takes halves to the even neighbour: with d = x - floor(x), floor(x) if d < 1/2, or if d = 1/2 and
floor(x) is even; else floor(x) + 1, which gives 0.0 and never -0.0.
Source: TFLM kernels/{elementwise,exp,neg,floor,ceil,round}.cc, kernels/internal/reference/round.h.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.graph import Node
from microinterp.kernels.common import Evaluate, pick_by_type, unary_operands
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.libm import cosf, expf, logf, sinf
from microinterp.registry import Op

Function = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


def round_half_even(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """float32 values to the nearest whole number, halves to the even one."""
    whole = np.floor(x)
    part = x - whole
    stays = (part < np.float32(0.5)) | ((part == np.float32(0.5)) & (whole % 2 == 0))
    rounded: npt.NDArray[Any] = np.where(stays, whole, whole + np.float32(1))
    return rounded


def evaluate(function: Function, arrays: Arrays) -> None:
    """float32 x -> out."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    out[...] = function(x)


def prepare(function: Function, node: Node, context: Context) -> Kernel:
    """Check the node: float32, output like input."""
    x, out = unary_operands(node)
    return Kernel(pick_by_type(node, _EVALUATE, x, out), function)


_EVALUATE: Mapping[tuple[str, ...], Evaluate] = {("float32", "float32"): evaluate}
_EXACT: Mapping[str, Function] = {
    "SQRT": np.sqrt,
    "SQUARE": np.square,
    "NEG": np.negative,
    "FLOOR": np.floor,
    "CEIL": np.ceil,
    "ROUND": round_half_even,
}
_LIBM: Mapping[str, tuple[Function, str]] = {
    "SIN": (sinf, "within 1 ulp, C's sinf is not correctly rounded"),
    "COS": (cosf, "within 1 ulp, C's cosf is not correctly rounded"),
    "LOG": (logf, "within 1 ulp, C's logf is not correctly rounded"),
    "EXP": (expf, "exact with glibc's expf, but for 2 of 2^32 arguments"),
}

OPS = (
    *(Op(name, partial(prepare, function), ("float32",)) for name, function in _EXACT.items()),
    *(
        Op(name, partial(prepare, function), ("float32",), float_exactness=bound)
        for name, (function, bound) in _LIBM.items()
    ),
)
