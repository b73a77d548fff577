"""SOFTMAX of int8: few elements in plain Python ints, many with every array made beforehand.

Both forms compute in integers what the plain kernel does. An exponential is 0 to 2^31 - 1, a row's
greatest element has 2^31 - 1 and adds 2^19 to the sum, and TFLM sums at most 8191: so sums are 2^19
to 2^32 - 2^19. Newton's method starts within 1/17 of 2 / (1 + a), so its corrections are below
2^26 and nothing in it saturates but the last doubling.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from microinterp.fast_path import Call, Fast, Workspace, assign
from microinterp.graph import Node
from microinterp.kernels.common import bytes_of
from microinterp.kernels.fast.blocks import BLOCK
from microinterp.prepare import Arrays, Kernel
from microinterp.quant.fixedpoint import Int64Array, rounding_divide_by_pot
from microinterp.quant.fixedpoint_ref import NEWTON_SLOPE, NEWTON_START, ONE_Q0, ONE_Q2

if TYPE_CHECKING:
    from microinterp.kernels import softmax

FEW = 64
"""Elements up to which plain ints take less time than the some fifty calls on arrays."""
SUM_BITS = 12
"""Integer bits of the sum: Q12.19."""
_HALF = 1 << 30
_START = (NEWTON_START << 31) + _HALF


@dataclass(frozen=True, eq=False)
class Softmax:
    """An int8 SOFTMAX.

    Attributes:
        exp: exp of each difference from the greatest [256], Q0.31.
        shares: what each adds to the sum, Q12.19.
        bits: of an output.
    """

    exp: Int64Array
    shares: Int64Array
    bits: int

    def bind(self, arrays: Arrays, workspace: Workspace) -> list[Call]:
        """The calls from int8 x [..., c] to int8 or int16 out [..., c]."""
        x, out = arrays.inputs[0], arrays.outputs[0]
        assert x is not None
        depth = x.shape[-1]
        if x.size <= FEW:
            few = _few(self.exp.tolist(), self.shares.tolist(), self.bits)
            return [partial(few, x.reshape(-1).data, bytes_of(out).data, depth)]
        x, out = x.reshape(-1, depth), out.reshape(-1, depth)
        rows = max(1, BLOCK // depth)
        calls: list[Call] = []
        for start in range(0, len(x), rows):
            part = slice(start, start + rows)
            calls += self._many(x[part], out[part], workspace)
        return calls

    def _many(self, x: npt.NDArray[Any], out: npt.NDArray[Any], workspace: Workspace) -> list[Call]:
        """The calls for rows [n, c]."""
        diff = workspace.array("differences", x.shape, np.uint8)
        exp = workspace.array("exponentials", x.shape, np.int64)
        wide = workspace.array("shares", x.shape, np.int64)
        peak = workspace.array("peaks", (len(x), 1), np.int8)
        total, factor, spare, shift = workspace.array("rows", (4, len(x), 1), np.int64)
        return [
            partial(np.maximum.reduce, x, 1, None, peak, True),
            partial(np.subtract, peak.view(np.uint8), x.view(np.uint8), diff),  # never below 0
            partial(self.exp.take, diff, 0, exp, "wrap"),
            partial(self.shares.take, diff, 0, wide, "wrap"),
            partial(np.add.reduce, wide, 1, None, total, True),
            *_reciprocal(total, factor, spare, shift),
            partial(np.multiply, exp, factor, exp),
            *_halved(exp),
            partial(np.add, shift, _int64(SUM_BITS - 1 - self.bits), shift),
            partial(np.left_shift, _int64(1), shift, spare),
            partial(np.right_shift, spare, _int64(1), spare),
            partial(np.add, exp, spare, exp),
            partial(np.right_shift, exp, shift, exp),
            partial(np.minimum, exp, _int64((1 << self.bits) - 1), out=exp),
            partial(np.add, exp, _int64(np.iinfo(out.dtype).min), exp),
            assign(out, exp),
        ]


def _halved(product: Int64Array) -> list[Call]:
    """product = round(product / 2^31), halves up: the end of a fixed-point product."""
    return [
        partial(np.add, product, _int64(_HALF), product),
        partial(np.right_shift, product, _int64(31), product),
    ]


def _int64(value: int) -> Int64Array:
    """A number as NumPy takes it soonest."""
    return np.array(value, np.int64)


def _reciprocal(
    total: Int64Array, factor: Int64Array, spare: Int64Array, bits: Int64Array
) -> list[Call]:
    """factor = the mantissa of 1 / total, bits = those of total; the total is lost.

    fixedpoint_ref.reciprocal, in which (1 + a) / 2 is the total with its first one at bit 30.
    """
    half_sum = total
    steps: list[Call] = [
        partial(np.frexp, total, spare.view(np.float64), bits, casting="unsafe"),
        partial(np.subtract, _int64(32), bits, spare),
        partial(np.left_shift, total, spare, total),
        partial(np.right_shift, total, _int64(1), half_sum),
        partial(np.multiply, half_sum, _int64(NEWTON_SLOPE), factor),
        partial(np.add, factor, _int64(_START), factor),
        partial(np.right_shift, factor, _int64(31), factor),
    ]
    for _ in range(3):
        steps += [
            partial(np.multiply, half_sum, factor, spare),
            *_halved(spare),
            partial(np.subtract, _int64(ONE_Q2), spare, spare),
            partial(np.multiply, factor, spare, spare),
            *_halved(spare),
            partial(np.left_shift, spare, _int64(2), spare),
            partial(np.add, factor, spare, factor),
        ]
    return [
        *steps,
        partial(np.left_shift, factor, _int64(1), factor),
        partial(np.minimum, factor, _int64(ONE_Q0), out=factor),
    ]


def reciprocal(total: int) -> int:
    """The mantissa of 1 / total: fixedpoint_ref.reciprocal without its calls and saturations.

    Args:
        total: 2^19 to 2^32 - 1.
    """
    half_sum = (total << 32 - total.bit_length()) >> 1
    x = (half_sum * NEWTON_SLOPE + _START) >> 31
    for _ in range(3):
        error = ONE_Q2 - ((half_sum * x + _HALF) >> 31)
        x += ((x * error + _HALF) >> 31) << 2
    return min(2 * x, ONE_Q0)


def _few(
    exp: list[int], shares: list[int], bits: int
) -> Callable[[memoryview, memoryview, int], None]:
    """A function of x, out (its bytes) and depth that works in plain ints."""
    greatest, sign = (1 << bits) - 1, 1 << (bits - 1)
    unsigned = {8: "B", 16: "H"}[bits]

    def run(x: memoryview, out: memoryview, depth: int) -> None:
        values = x.tolist()
        found: list[int] = []
        for start in range(0, len(values), depth):
            row = values[start : start + depth]
            peak = max(row)
            total = sum([shares[peak - value] for value in row])
            factor = reciprocal(total)
            shift = total.bit_length() + SUM_BITS - 1 - bits
            half = 1 << shift >> 1
            found += [
                ((((factor * exp[peak - value] + _HALF) >> 31) + half) >> shift) for value in row
            ]
        out[:] = array(unsigned, [min(value, greatest) ^ sign for value in found]).tobytes()

    return run


def choose(node: Node, kernel: Kernel) -> Fast | str:
    """The fast twin of softmax.evaluate_int8, or why there is none."""
    if node.input(0).data is not None:
        return "its input is constant"
    p: softmax.Params = kernel.params
    twin = Softmax(p.exp, rounding_divide_by_pot(p.exp, SUM_BITS), p.bits)
    return Fast("the same integers with fewer calls", twin.bind)
