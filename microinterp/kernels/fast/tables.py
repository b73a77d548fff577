"""Functions of one element: a table of every output, or the clamp or offset that it comes down to.

prepare runs the plain kernel on every input that there is, so a twin is proved by exhaustion.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.fast_path import Call, Fast, Workspace, assign
from microinterp.graph import Node
from microinterp.kernels.fast.blocks import (
    BLOCK,
    bits_of,
    blocks,
    constants,
    every,
    tabulated,
    unary,
)
from microinterp.prepare import Arrays, Kernel

FEW_INT16 = 256
"""Elements of int16 from which 65,536 outputs are worth making: that takes as long as 20 invokes of
the plain kernel, and up to 256 kB."""


@dataclass(frozen=True)
class Table:
    """out = outputs[bits of x as an unsigned number]."""

    outputs: npt.NDArray[Any]

    def bind(self, arrays: Arrays, workspace: Workspace) -> list[Call]:
        """The calls from x [...] to out [...]."""
        x, out = unary(arrays)
        index = bits_of(x)
        take = self.outputs.take
        return [partial(take, index[b], 0, out[b], "wrap") for b in blocks(len(out))]


@dataclass(frozen=True)
class Clamp:
    """out = min(max(x, low), high); a limit that is the type's own is left out."""

    low: int
    high: int

    def bind(self, arrays: Arrays, workspace: Workspace) -> list[Call]:
        """The calls from x [...] to out [...] of the same type; they may be one array."""
        x, out = unary(arrays)
        info = np.iinfo(out.dtype)
        steps: list[tuple[np.ufunc, npt.NDArray[Any]]] = []
        if self.low > info.min:
            steps.append((np.maximum, constants(len(out), self.low, out.dtype)))
        if self.high < info.max:
            steps.append((np.minimum, constants(len(out), self.high, out.dtype)))
        if not steps:
            return [assign(out, x)]
        calls: list[Call] = []
        for b in blocks(len(out)):
            part = x[b]
            for limit, values in steps:
                calls.append(partial(limit, part, values[: len(part)], out=out[b]))
                part = out[b]
        return calls


@dataclass(frozen=True)
class Offset:
    """out = x + offset, modulo the number of elements that the type has."""

    offset: int

    def bind(self, arrays: Arrays, workspace: Workspace) -> list[Call]:
        """The calls from x [...] to out [...] of the same size."""
        x, out = (bits_of(array) for array in unary(arrays))
        offset = np.array(self.offset, out.dtype)
        return [partial(np.add, x[b], offset, out[b]) for b in blocks(len(out))]


def choose(node: Node, kernel: Kernel) -> Fast | str:
    """The fast twin of a kernel whose outputs depend on one element each, or why there is none."""
    x, out = node.input(0), node.output()
    if x.data is not None:
        return "its input is constant"
    if x.dtype.itemsize > 2:
        return f"a table of every {x.type_name} is too long"
    if x.dtype.itemsize == 2 and x.elements < FEW_INT16:
        return f"a table of every int16 for only {x.elements} elements"
    inputs = every(x.dtype)
    outputs = tabulated(kernel, (inputs,), out.dtype, BLOCK // 2)
    if outputs is None:
        return "some inputs end the invoke with an error"
    return simplest(inputs, outputs)


def simplest(inputs: npt.NDArray[Any], outputs: npt.NDArray[Any]) -> Fast:
    """The quickest twin of a kernel that makes `outputs` of `inputs`, which are every element."""
    if inputs.dtype == outputs.dtype:
        low, high = int(outputs.min()), int(outputs.max())
        if np.array_equal(outputs, np.clip(inputs, low, high)):
            twin = Clamp(low, high)
            return Fast(f"clamp to {low}..{high}, equal for every input", twin.bind)
    if inputs.dtype.itemsize == outputs.dtype.itemsize and outputs.dtype.kind in "iu":
        moved = bits_of(outputs) - bits_of(inputs)
        if (moved == moved[0]).all():
            return Fast("offset, equal for every input", Offset(int(moved[0])).bind)
    return Fast(f"table of all {len(outputs)} outputs", Table(outputs).bind)
