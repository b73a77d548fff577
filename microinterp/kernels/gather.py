"""GATHER, GATHER_ND, EMBEDDING_LOOKUP: slices of a table, at indices known at run time.

GATHER: out[batch, outer, i, inner] = x[batch, outer, indices[batch, i], inner].
GATHER_ND: each row of indices is a place in the first axes of x. TFLM looks only at where in memory
it points, so that an index may leave its axis as long as the place lies in the table.
EMBEDDING_LOOKUP: out[i] = table[ids[i]], where an int8 table may give scale * value as float32.

An index outside the table is an InputError at invoke, where TFLM fails too (but GATHER_ND takes one
so far outside that its int32 overflows, which is undefined in C, and lands inside again).
Source: TFLM kernels/gather.cc, gather_nd.cc, embedding_lookup.cc.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from microinterp.errors import InputError, Where
from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Evaluate,
    normalised_axis,
    pick_by_type,
    require_rank,
    require_shape,
    require_zero_points,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op

MAX_DEPTH = 5
"""Numbers per index that GATHER_ND has room for."""


@dataclass(frozen=True, eq=False)
class Params:
    """How the table and the indices are cut.

    Attributes:
        where: the op, and its indices, for the error.
        table: the table's shape as batches, outer, size, inner.
        indices: the indices' shape as batches, count.
    """

    where: Where
    table: tuple[int, int, int, int]
    indices: tuple[int, int]


@dataclass(frozen=True, eq=False)
class NdParams:
    """GATHER_ND as rows of a table: `strides` int64 [depth] are those of an index, in rows."""

    rows: Params
    strides: npt.NDArray[np.int64] = field(repr=False)


@dataclass(frozen=True, eq=False)
class HybridParams:
    """EMBEDDING_LOOKUP of an int8 table as float32."""

    rows: Params
    scale: np.float32


def evaluate_gather(p: Params, arrays: Arrays) -> None:
    """x [...], indices int32 [...] -> out of x's type."""
    x, indices = arrays.inputs
    (out,) = arrays.outputs
    assert x is not None
    assert indices is not None
    out[...] = _picked(p, x, indices).reshape(out.shape)


def evaluate_gather_nd(p: NdParams, arrays: Arrays) -> None:
    """x [...], indices int32 [..., depth] -> out of x's type."""
    x, indices = arrays.inputs
    (out,) = arrays.outputs
    assert x is not None
    assert indices is not None
    out[...] = _picked(p.rows, x, indices @ p.strides).reshape(out.shape)


def evaluate_lookup(p: Params, arrays: Arrays) -> None:
    """ids int32 [..., n], table [..., rows, ...] -> out [..., n, ...] of the table's type."""
    ids, table = arrays.inputs
    (out,) = arrays.outputs
    assert ids is not None
    assert table is not None
    out[...] = _picked(p, table, ids).reshape(out.shape)


def evaluate_lookup_hybrid(p: HybridParams, arrays: Arrays) -> None:
    """ids int32 [..., n], table int8 [..., rows, ...] -> out float32 [..., n, ...]."""
    ids, table = arrays.inputs
    (out,) = arrays.outputs
    assert ids is not None
    assert table is not None
    values = _picked(p.rows, table, ids).reshape(out.shape)
    out[...] = values.astype(np.float32) * p.scale


def _picked(p: Params, x: npt.NDArray[Any], indices: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The slices [samples, batches, outer, count, inner]; samples is 1 without a batch.

    Raises:
        InputError: an index is outside the table.
    """
    batches, _, size, _ = p.table
    if indices.size and not 0 <= indices.min() <= indices.max() < size:
        first = int(indices[(indices < 0) | (indices >= size)][0])
        raise InputError(
            f"index {first} is outside the table, wanted 0 to {size - 1}",
            p.where,
            "TFLM's invoke fails here too",
        )
    table = x.reshape(-1, *p.table)
    places = indices.reshape(-1 if indices.size else 1, *p.indices)
    sample = np.arange(len(table))[:, None, None]
    batch = np.arange(batches)[:, None]
    # NumPy puts the axes that are looked up first: samples, batches, count, outer, inner
    picked: npt.NDArray[Any] = table[sample, batch, :, places].swapaxes(2, 3)
    return picked


def prepare_gather(node: Node, context: Context) -> Kernel:
    """Check axis and batch_dims and the output's shape."""
    node.require_counts((2, 2))
    x, indices, out = node.input(0), node.input(1), node.output()
    pick_by_type(node, {(n, "int32", n): evaluate_gather for n in _TYPES}, x, indices, out)
    options = node.options(tflite.GatherOptions)
    axis = normalised_axis(node, options.Axis(), x.rank)
    batch = options.BatchDims()
    batch += indices.rank if batch < 0 else 0
    node.require(
        0 <= batch <= min(axis, indices.rank),
        f"batch_dims {options.BatchDims()}, wanted at most the axis {axis} and the indices' rank",
    )
    batches, outer = x.shape[:batch], x.shape[batch:axis]
    node.require(
        indices.shape[:batch] == batches,
        f"{indices} does not begin with the batch axes {list(batches)} of the table",
        indices,
    )
    counts, inner = indices.shape[batch:], x.shape[axis + 1 :]
    require_shape(node, out, batches + outer + counts + inner)
    table = (math.prod(batches), math.prod(outer), x.shape[axis], math.prod(inner))
    _require_table(node, x)
    params = Params(node.where(indices), table, (table[0], math.prod(counts)))
    return Kernel(evaluate_gather, params)


def prepare_gather_nd(node: Node, context: Context) -> Kernel:
    """Check the depth of the indices and the output's shape."""
    node.require_counts((2, 2))
    x, indices, out = node.input(0), node.input(1), node.output()
    pick_by_type(node, {(n, "int32", n): evaluate_gather_nd for n in _TYPES}, x, indices, out)
    for tensor in (x, indices):
        require_rank(node, tensor, 1, tensor.rank)
    depth = indices.shape[-1]
    node.require(
        depth <= min(x.rank, MAX_DEPTH),
        f"indices of {depth} numbers into rank {x.rank}, TFLM takes up to {MAX_DEPTH}",
        indices,
    )
    require_shape(node, out, indices.shape[:-1] + x.shape[depth:])
    _require_table(node, x)
    strides = [math.prod(x.shape[i + 1 : depth]) for i in range(depth)]
    rows = (1, 1, math.prod(x.shape[:depth]), math.prod(x.shape[depth:]))
    params = Params(node.where(indices), rows, (1, math.prod(indices.shape[:-1])))
    return Kernel(evaluate_gather_nd, NdParams(params, np.array(strides, np.int64)))


def prepare_embedding_lookup(node: Node, context: Context) -> Kernel:
    """Check types and shapes."""
    node.require_counts((2, 2))
    ids, table, out = node.input(0), node.input(1), node.output()
    evaluate = pick_by_type(node, _LOOKUP, ids, table, out)
    require_rank(node, ids, 1)
    require_rank(node, table, 2, table.rank)
    require_shape(node, out, ids.shape + table.shape[1:])
    _require_table(node, table)
    rows = (1, 1, table.shape[0], math.prod(table.shape[1:]))
    params = Params(node.where(ids), rows, (1, ids.shape[0]))
    if table.type_code == out.type_code:
        return Kernel(evaluate, params)
    require_zero_points(node, 0, table)
    return Kernel(evaluate, HybridParams(params, table.scale))


def _require_table(node: Node, table: Tensor) -> None:
    node.require(table.elements > 0, f"the table {table} is empty", table)


_TYPES = ("float32", "int8")
_LOOKUP: dict[tuple[str, ...], Evaluate] = {
    ("int32", "float32", "float32"): evaluate_lookup,
    ("int32", "int8", "int8"): evaluate_lookup,
    ("int32", "int8", "float32"): evaluate_lookup_hybrid,
}
OPS = (
    Op("GATHER", prepare_gather, _TYPES, limits=("indices int32",)),
    Op("GATHER_ND", prepare_gather_nd, _TYPES, limits=("indices int32, of up to 5 numbers",)),
    Op(
        "EMBEDDING_LOOKUP",
        prepare_embedding_lookup,
        ("float32", "int8", "int8 x float32"),
        limits=("indices int32, rank 1", "table of rank 2 or more", "dequantised: zero point 0"),
    ),
)
