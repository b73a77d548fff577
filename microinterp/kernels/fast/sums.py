"""MEAN and SUM of int8 along adjacent axes: sums as products with ones, then a table by the sum.

In float32 every partial sum below 2^24 is exact, in any order. The table holds what the plain
kernel's requantisation makes of each sum that there can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from microinterp.fast_path import Call, Fast, Workspace, assign
from microinterp.graph import Node
from microinterp.kernels.fast.blocks import BLOCK
from microinterp.kernels.fast.proof import products_are_exact
from microinterp.kernels.scaling import requantised
from microinterp.prepare import Arrays, Kernel

if TYPE_CHECKING:
    from microinterp.kernels import reduce

MOST_SUMS = 1 << 18
"""Outputs of the longest table, of 1028 elements to a sum: well below 2^24."""


@dataclass(frozen=True)
class Sums:
    """out = outputs[sum], counted from the end where the sum is negative.

    Attributes:
        outputs: of the sums from 0 up, then of the negative ones.
        count: elements of a sum; `step` elements lie between one and the next.
    """

    outputs: npt.NDArray[np.int8]
    count: int
    step: int

    def bind(self, arrays: Arrays, workspace: Workspace) -> list[Call]:
        """The calls from x [..., count, step] to out [..., step], whatever their axes."""
        x, out = arrays.inputs[0], arrays.outputs[0]
        assert x is not None
        x, out = x.reshape(-1, self.count, self.step), out.reshape(-1, 1, self.step)
        ones = np.ones((1, self.count), np.float32)
        at_once = max(1, BLOCK // (self.count * self.step))
        calls: list[Call] = []
        for start in range(0, len(x), at_once):
            part = slice(start, start + at_once)
            wide = workspace.array("summands", x[part].shape, np.float32)
            sums = workspace.array("sums", out[part].shape, np.float32)
            index = workspace.array("places", out[part].shape, np.intp)
            calls += [
                assign(wide, x[part]),
                partial(np.matmul, ones, wide, sums),
                assign(index, sums),
                partial(self.outputs.take, index, None, out[part], "wrap"),
            ]
        return calls


def totals(count: int) -> npt.NDArray[np.int64]:
    """Every sum of `count` int8: those from 0 up, then the negative ones."""
    return np.concatenate([np.arange(127 * count + 1), np.arange(-128 * count, 0)])


def choose(node: Node, kernel: Kernel) -> Fast | str:
    """The fast twin of reduce.evaluate_int, or why there is none."""
    x = node.input(0)
    p: reduce.Params = kernel.params
    axes, count = p.reduction.axes, p.reduction.count
    if x.data is not None:
        return "its input is constant"
    if not axes or axes != tuple(range(axes[0], axes[-1] + 1)):
        return "sums along no axis, or along axes that are not adjacent"
    if x.dtype != np.int8:
        return f"sums of {x.type_name}"
    if not products_are_exact():
        return "matrix products of this machine lose bits"
    if 255 * count >= MOST_SUMS:
        return f"sums of {count} elements"
    centred = (totals(count) - p.offset).astype(np.int32)
    step = prod(x.shape[axes[-1] + 1 :]) if axes[-1] < -1 else 1
    outputs = requantised(centred, p, np.int8)
    how = f"float32 sums of {count} elements, table of all {len(outputs)}"
    return Fast(how, Sums(outputs, count, step).bind)
