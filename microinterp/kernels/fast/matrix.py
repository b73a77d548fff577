"""Layers as products of matrices: FULLY_CONNECTED, and CONV_2D over rows of gathered pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import log2
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from microinterp.fast_path import Call, Workspace, assign
from microinterp.graph import Node
from microinterp.kernels.fast.proof import products_are_exact, sums_of
from microinterp.kernels.fast.rescale import prove
from microinterp.kernels.fast.windows import TILE_FLOATS
from microinterp.kernels.filters import Quant, unpack_int4
from microinterp.quant.fixedpoint import Int64Array


class Tail(Protocol):
    """What follows the sums of a layer."""

    def bind(
        self, sums: npt.NDArray[Any], out: npt.NDArray[Any], workspace: Workspace
    ) -> list[Call]:
        """The calls from sums [rows, channels] to out [rows, channels]."""


@dataclass(frozen=True)
class Product:
    """rows [rows, taps] x weights, then the tail.

    Attributes:
        weights: [taps, channels], float32 or float64.
        tail: takes the sums.
        how: for `inspect`.
    """

    weights: npt.NDArray[Any]
    tail: Tail
    how: str

    @property
    def floats_per_row(self) -> int:
        """Of the widest array; the tail works in double precision."""
        taps, channels = self.weights.shape
        return int(max(taps * (self.weights.itemsize // 4), 2 * channels))

    def columns(self, workspace: Workspace, rows: int) -> npt.NDArray[Any]:
        """Where rows are gathered [rows, taps]."""
        return workspace.array("columns", (rows, len(self.weights)), self.weights.dtype)

    def bind(
        self, columns: npt.NDArray[Any], out: npt.NDArray[Any], workspace: Workspace
    ) -> list[Call]:
        """The calls from gathered rows [rows, taps] to out [rows, channels]."""
        sums = workspace.array("sums", (len(columns), self.weights.shape[1]), self.weights.dtype)
        product = partial(np.dot, columns, self.weights, sums)
        return [product, *self.tail.bind(sums, out, workspace)]

    def bind_rows(
        self, x: npt.NDArray[Any], out: npt.NDArray[Any], workspace: Workspace
    ) -> list[Call]:
        """The calls from x [rows, taps] to out [rows, channels], tile by tile."""
        at_once = max(1, TILE_FLOATS // self.floats_per_row)
        calls: list[Call] = []
        for start in range(0, len(x), at_once):
            part = slice(start, min(len(x), start + at_once))
            columns = self.columns(workspace, part.stop - part.start)
            calls.append(assign(columns, x[part]))
            calls += self.bind(columns, out[part], workspace)
        return calls


def integer_product(
    weights: npt.NDArray[np.integer[Any]], bias: Int64Array, quant: Quant
) -> Product | str:
    """The product of a layer with int8 inputs and outputs, or why it has none.

    Args:
        weights: [taps, channels], zero point taken off.
        bias: [channels].
        quant: of the plain kernel.
    """
    sums = sums_of(weights, -128, 127)
    if sums.dtype is None:
        return f"sums may reach {sums.bound}, which no float holds exactly"
    if not products_are_exact():
        return "matrix products of this machine lose bits"
    tail = prove(quant, sums, bias - quant.input_zero_point * sums.weights)
    if isinstance(tail, str):
        return tail
    taps, channels = weights.shape
    how = (
        f"{taps} x {channels} {np.dtype(sums.dtype).name} product, "
        f"sums below 2^{log2(sums.bound + 1):.1f}, {tail.how}"
    )
    return Product(np.ascontiguousarray(weights, sums.dtype), tail, how)


def filter_of(node: Node) -> npt.NDArray[np.int8]:
    """The constant filter, int4 unpacked."""
    w = node.input(1)
    assert w.data is not None
    return unpack_int4(w.data, w.shape) if w.type_name == "int4" else w.data


def bias_of(node: Node, channels: int) -> Int64Array:
    """The constant bias [channels], 0 where it is left out."""
    bias = node.optional_input(2)
    if bias is None or bias.data is None:
        return np.zeros(channels, np.int64)
    return bias.data.reshape(-1).astype(np.int64)
