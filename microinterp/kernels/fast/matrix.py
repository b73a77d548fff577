"""Layers as products of matrices: FULLY_CONNECTED, and CONV_2D over rows of gathered pixels."""

from __future__ import annotations

from collections.abc import Iterable
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

MOST_SUMS = 1 << 17
"""Sums that the tail takes at once, unless a single part has more."""

Part = tuple[list[Call], npt.NDArray[Any]]
"""The calls that gather some rows, and where they put them [rows, taps]."""


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

    def bind(
        self, parts: Iterable[Part], out: npt.NDArray[Any], workspace: Workspace
    ) -> list[Call]:
        """The calls to out [rows, channels] from the gathered rows, part after part.

        The tail takes the sums of several parts at once: longer passes, fewer calls.
        """
        channels = self.weights.shape[1]
        most = max(1, MOST_SUMS // channels)
        calls: list[Call] = []
        start = stop = 0
        for gather, columns in parts:
            if stop > start and stop + len(columns) - start > most:
                calls += self._tail(out[start:stop], workspace)
                start = stop
            rows = slice(stop - start, stop - start + len(columns))
            sums = workspace.array("sums", (max(most, rows.stop), channels), self.weights.dtype)
            calls += [*gather, partial(np.dot, columns, self.weights, sums[rows])]
            stop += len(columns)
        return [*calls, *self._tail(out[start:stop], workspace)]

    def _tail(self, out: npt.NDArray[Any], workspace: Workspace) -> list[Call]:
        return self.tail.bind(
            workspace.array("sums", out.shape, self.weights.dtype), out, workspace
        )

    def bind_rows(
        self, x: npt.NDArray[Any], out: npt.NDArray[Any], workspace: Workspace
    ) -> list[Call]:
        """The calls from x [rows, taps] to out [rows, channels]."""
        at_once = max(1, TILE_FLOATS // self.floats_per_row)
        return self.bind(
            (
                self.gathered(x[start : start + at_once], workspace)
                for start in range(0, len(x), at_once)
            ),
            out,
            workspace,
        )

    def gathered(self, x: npt.NDArray[Any], workspace: Workspace) -> Part:
        """A part of the rows, from x of their elements in any shape."""
        taps = len(self.weights)
        columns = workspace.array("columns", (x.size // taps, taps), self.weights.dtype)
        return [assign(columns.reshape(x.shape), x)], columns


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
