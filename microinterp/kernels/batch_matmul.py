"""BATCH_MATMUL: out[..., i, j] = sum over k of x[..., i, k] * y[..., k, j].

adj_x and adj_y say that x, or y, lies transposed in its last two dimensions. The dimensions before
those broadcast. Integers: the sum of (x - x_zero_point) * (y - y_zero_point), in int32 for int8 and
int64 for int16 (whose zero points are 0), requantised with one factor, x_scale * y_scale /
out_scale in double; output zero point; clamp to the type. Float: the sum runs in float32 in the
order of k. Source: TFLM kernels/batch_matmul.cc, batch_matmul_common.cc, reference/batch_matmul.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    MAX_LEFT_SHIFT,
    Evaluate,
    is_float,
    multipliers_of,
    pick_by_type,
    refuse_by,
    require_quantized,
    require_rank,
    require_shape,
    require_zero_points,
)
from microinterp.kernels.filters import FLOAT_SUMS, MAX_LEFT_SHIFT_INT64
from microinterp.kernels.scaling import requantised
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.fixedpoint import Requantise
from microinterp.registry import Op

MAX_RANK = 5
"""Of either operand, as in TFLM."""


@dataclass(frozen=True)
class Operand:
    """One matrix, or a stack of them.

    Attributes:
        rank: in the file.
        adjoint: it lies transposed.
        full_rank: the greater one of both operands.
    """

    rank: int
    adjoint: bool
    full_rank: int

    def matrices(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """x [..., rows, columns], with a batch's axis ahead of all that broadcast."""
        samples = x.shape[: x.ndim - self.rank]
        missing = (1,) * (self.full_rank - self.rank)
        x = x.reshape(samples + missing + x.shape[x.ndim - self.rank :])
        return np.swapaxes(x, -1, -2) if self.adjoint else x


@dataclass(frozen=True)
class Operands:
    """Both operands; `depth` is the number of products in a sum."""

    x: Operand
    y: Operand
    depth: int

    def __call__(self, arrays: Arrays) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """x [..., i, k] and y [..., k, j]."""
        x, y = arrays.inputs
        assert x is not None
        assert y is not None
        return self.x.matrices(x), self.y.matrices(y)


@dataclass(frozen=True)
class Params:
    """Parameters of an integer product; the factor has one channel."""

    operands: Operands
    zero_points: tuple[int, int]
    accumulator: type[np.signedinteger[Any]]
    requantise: Requantise
    multiplier: npt.NDArray[np.int64]
    shift: npt.NDArray[np.int64]
    output_zero_point: int
    low: int
    high: int


def evaluate_int(p: Params, arrays: Arrays) -> None:
    """int8 or int16 x and y -> out of the same type."""
    (out,) = arrays.outputs
    dtype = p.accumulator
    x, y = (
        array.astype(dtype) - dtype(zero)
        for array, zero in zip(p.operands(arrays), p.zero_points, strict=True)
    )
    out[...] = requantised(np.matmul(x, y), p, out.dtype)


def evaluate_float(p: Operands, arrays: Arrays) -> None:
    """float32 x and y -> out; every product is added by itself, as C does without FMA."""
    (out,) = arrays.outputs
    x, y = p(arrays)
    sums = np.zeros(out.shape, np.float32)
    for k in range(p.depth):
        sums += x[..., :, k, None] * y[..., None, k, :]
    out[...] = sums


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules and fold its scales."""
    node.require_counts((2, 2))
    x, y, out = node.input(0), node.input(1), node.output()
    evaluate = pick_by_type(node, _EVALUATE, x, y, out)
    operands = _operands(node, node.options(tflite.BatchMatMulOptions), x, y, out)
    rank = max(x.rank, y.rank)
    refuse_by("batch-matmul-rank", node, context, rank > 4, f"{rank} dimensions", out)
    if is_float(x):
        return Kernel(evaluate, operands)
    require_quantized(node, x, y, out)
    is_int16 = x.dtype == np.int16
    if is_int16:
        require_zero_points(node, 0, x, y, out)
    profile, info = context.profile, np.iinfo(out.dtype)
    factor = float(x.scale) * float(y.scale) / float(out.scale)
    limit = MAX_LEFT_SHIFT_INT64 if is_int16 else MAX_LEFT_SHIFT
    multipliers = multipliers_of(node, [factor], limit, profile.split(node.name))
    requantise = profile.requantise_int64 if is_int16 else profile.requantise
    params = Params(
        operands=operands,
        zero_points=(x.zero_point, y.zero_point),
        accumulator=np.int64 if is_int16 else np.int32,
        requantise=requantise(node.name),
        multiplier=multipliers.multiplier,
        shift=multipliers.shift,
        output_zero_point=out.zero_point,
        low=int(info.min),
        high=int(info.max),
    )
    return Kernel(evaluate, params)


def _operands(
    node: Node, options: tflite.BatchMatMulOptions, x: Tensor, y: Tensor, out: Tensor
) -> Operands:
    for tensor in (x, y):
        require_rank(node, tensor, 2, MAX_RANK)
    rank = max(x.rank, y.rank)
    left, right = (
        Operand(tensor.rank, bool(adjoint), rank)
        for tensor, adjoint in ((x, options.AdjX()), (y, options.AdjY()))
    )
    rows, depth = x.shape[:-3:-1] if left.adjoint else x.shape[-2:]
    y_depth, columns = y.shape[:-3:-1] if right.adjoint else y.shape[-2:]
    node.require(
        depth == y_depth > 0,
        f"shape {list(y.shape)}, wanted {depth} {'columns' if right.adjoint else 'rows'}",
        y,
    )
    try:
        stack = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    except ValueError:
        raise node.error(f"shape {list(y.shape)} does not broadcast with {x}", y) from None
    require_shape(node, out, (*stack, rows, columns))
    return Operands(left, right, depth)


_EVALUATE: dict[tuple[str, ...], Evaluate] = {
    ("float32", "float32", "float32"): evaluate_float,
    ("int8", "int8", "int8"): evaluate_int,
    ("int16", "int16", "int16"): evaluate_int,
}

OPS = (
    Op(
        "BATCH_MATMUL",
        prepare,
        ("float32", "int8", "int16"),
        float_exactness=FLOAT_SUMS,
        limits=("rank 2 to 5", "no fused activation"),
    ),
)
