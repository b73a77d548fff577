"""QUANTIZE of floats, DEQUANTIZE and CAST with fewer and shorter passes over the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from microinterp.fast_path import Call, Fast, Workspace, assign
from microinterp.graph import Node
from microinterp.kernels.fast.blocks import blocks, constants, every, unary
from microinterp.prepare import Arrays, Kernel

if TYPE_CHECKING:
    from microinterp.kernels import quantize

_ALMOST_HALF = np.array(np.nextafter(np.float32(0.5), np.float32(0)))
_SIGN = np.array(1 << 31, np.uint32)
_EXACT_FLOATS = 1 << 24


@dataclass(frozen=True)
class Quantize:
    """out = clamp(round(x / scale) + zero_point), halves away from zero, NaN as 0.

    round(q) is trunc(q +- (1/2 - 2^-25)) for every float32 q: below 2^23 the sum of k + 1/2 is
    nearest to k + 1 (at 1/2 a tie, to the even 1), and that of a smaller q stays below k + 1;
    from there on q is whole and the sum is nearest to q. The clamp comes before the zero point is
    added, within whole numbers below 2^24. NaN passes it; as an int32 it is 0 or -2^31, whose low
    bits are 0.

    Attributes:
        low, high: limits before the zero point is added.
    """

    scale: np.float32
    low: int
    high: int
    zero_point: int

    def bind(self, arrays: Arrays, workspace: Workspace) -> list[Call]:
        """The calls from float32 x [...] to int8 or int16 out [...]."""
        x, out = unary(arrays)
        lows, highs = (constants(len(x), v, np.float32) for v in (self.low, self.high))
        scale = np.asarray(self.scale)
        zero = np.asarray(self.zero_point, out.dtype)
        calls: list[Call] = []
        for b in blocks(len(x)):
            n = b.stop - b.start
            q = workspace.array("quotients", (n,), np.float32)
            halves = workspace.array("halves", (n,), np.float32)
            bits, whole = halves.view(np.uint32), halves.view(np.int32)
            calls += [
                partial(np.divide, x[b], scale, q),
                partial(np.bitwise_and, q.view(np.uint32), _SIGN, bits),
                partial(np.bitwise_or, bits, _ALMOST_HALF.view(np.uint32), bits),
                partial(np.add, q, halves, q),
                partial(np.trunc, q, q),
                partial(np.maximum, q, lows[:n], out=q),
                partial(np.minimum, q, highs[:n], out=q),
                assign(whole, q),
                assign(out[b], whole),
                partial(np.add, out[b], zero, out[b]),
            ]
        return calls


@dataclass(frozen=True)
class Dequantize:
    """out = (x - zero_point) * scale in float32."""

    scale: np.float32
    zero_point: int

    def bind(self, arrays: Arrays, workspace: Workspace) -> list[Call]:
        """The calls from x [...] to float32 out [...]."""
        x, out = unary(arrays)
        zero, scale = np.array(self.zero_point, np.float32), np.asarray(self.scale)
        calls: list[Call] = []
        for b in blocks(len(x)):
            part = out[b]
            calls.append(assign(part, x[b]))
            if self.zero_point:
                calls.append(partial(np.subtract, part, zero, part))
            calls.append(partial(np.multiply, part, scale, part))
        return calls


def choose_quantize(node: Node, kernel: Kernel) -> Fast | str:
    """The fast twin of quantize.evaluate_float, or why there is none."""
    if node.input(0).data is not None:
        return "its input is constant"
    p: quantize.FloatParams = kernel.params
    low, high = p.low - p.zero_point, p.high - p.zero_point
    if not p.low <= p.zero_point <= p.high:
        return f"zero point {p.zero_point} is outside the type"
    assert -_EXACT_FLOATS < low <= high < _EXACT_FLOATS
    twin = Quantize(p.scale, low, high, p.zero_point)
    return Fast("float32 throughout, halves rounded away from zero exactly", twin.bind)


def choose_dequantize(node: Node, kernel: Kernel) -> Fast | str:
    """The fast twin of quantize.evaluate_dequantize, or why there is none."""
    x = node.input(0)
    if x.data is not None:
        return "its input is constant"
    p: quantize.DequantizeParams = kernel.params
    twin = Dequantize(np.float32(p.scale), p.zero_point)
    inputs = every(x.dtype)
    plain, fast = (np.empty(inputs.shape, np.float32) for _ in range(2))
    with np.errstate(all="ignore"):
        kernel.evaluate(p, Arrays((inputs,), (plain,)))
        for call in twin.bind(Arrays((inputs,), (fast,)), Workspace()):
            call()
    if plain.tobytes() != fast.tobytes():
        return "float32 alone does not give these products"
    return Fast("float32 throughout, equal for every input", twin.bind)


def choose_cast(node: Node, kernel: Kernel) -> Fast | str:
    """The fast twin of cast.evaluate: NumPy's own conversion, straight into the output."""
    if node.input(0).data is not None:
        return "its input is constant"
    return Fast("the same conversion, in one pass", _bind_cast)


def _bind_cast(arrays: Arrays, workspace: Workspace) -> list[Call]:
    x, out = unary(arrays)
    return [assign(out, x)]
