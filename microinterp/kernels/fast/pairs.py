"""Functions of two int8 elements: a table of every pair's output.

prepare makes the table by the plain kernel from every pair that can meet (a constant operand has
few values), so a twin is proved by exhaustion. A pair's place in it is a 16-bit number: the low
byte is one operand's bits, the high byte stands for the other one's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from microinterp.fast_path import Call, Fast, Workspace, assign
from microinterp.graph import Node, Tensor
from microinterp.kernels.broadcast import Broadcast, ScaledOperands
from microinterp.kernels.fast import ufuncs
from microinterp.kernels.fast.blocks import BLOCK, bits_of, blocks, every, tabulated
from microinterp.kernels.fast.tables import simplest
from microinterp.prepare import Arrays, Kernel

if TYPE_CHECKING:
    from microinterp.kernels import comparisons

FEW = 4096
"""Up to so many pairs, writing every second byte takes less time than one more call."""
_INDEX = np.dtype("<u2")


@dataclass(frozen=True)
class PairTable:
    """out = outputs[256 * row + bits of the other operand].

    Attributes:
        outputs: flat.
        operands: how they broadcast.
        row_operand: 0 or 1, whose elements choose the row.
        rows: 256 * row of each element of the output in the file, flat; None where the operand is
            computed: then the rows are its bits.
    """

    outputs: npt.NDArray[Any]
    operands: Broadcast
    row_operand: int
    rows: npt.NDArray[np.uint16] | None

    def bind(self, arrays: Arrays, workspace: Workspace) -> list[Call]:
        """The calls from a and b to out [...]."""
        out, sides = arrays.outputs[0], self.operands(*arrays.inputs)
        calls: list[Call] = []
        column = _spread(sides[1 - self.row_operand], out, "columns", workspace, calls)
        if self.rows is None:
            row = _spread(sides[self.row_operand], out, "rows", workspace, calls)
        flat = out.reshape(-1)
        for part, in_row in self._parts(len(flat)):
            index = workspace.array("pairs", (part.stop - part.start,), _INDEX)
            if self.rows is None:
                calls += _joined(index, row[part], column[part], workspace)
            else:
                calls.append(assign(index, column[part]))
                calls.append(partial(np.bitwise_or, index, self.rows[in_row], index))
            calls.append(partial(self.outputs.take, index, 0, flat[part], "wrap"))
        return calls

    def _parts(self, elements: int) -> Iterator[tuple[slice, slice]]:
        """Pieces of the output, and of `rows`, which holds one or more samples."""
        period = elements if self.rows is None else len(self.rows)
        for start in range(0, elements, period):
            for part in blocks(min(period, elements - start)):
                yield slice(start + part.start, start + part.stop), part


def _spread(
    x: npt.NDArray[Any], out: npt.NDArray[Any], slot: str, workspace: Workspace, calls: list[Call]
) -> npt.NDArray[np.uint8]:
    """The bits of an operand, flat and as many as there are outputs."""
    if x.size == out.size:
        return bits_of(x)
    whole = workspace.array(slot, out.shape, np.uint8)
    calls.append(assign(whole, x.view(np.uint8)))
    return whole.reshape(-1)


def _joined(
    index: npt.NDArray[Any],
    row: npt.NDArray[np.uint8],
    column: npt.NDArray[np.uint8],
    workspace: Workspace,
) -> list[Call]:
    """index = 256 * row + column."""
    if len(index) <= FEW:
        upper = index.view(np.uint8)[1::2]
        return [assign(index, column), assign(upper, row)]
    low = workspace.array("low bytes", index.shape, _INDEX)
    return [
        assign(index, row),
        partial(np.multiply, index, np.array(256, _INDEX), index),
        assign(low, column),
        partial(np.bitwise_or, index, low, index),
    ]


def choose(node: Node, kernel: Kernel) -> Fast | str:
    """The fast twin of a kernel on two int8 operands, or why there is none."""
    a, b, out = node.input(0), node.input(1), node.output()
    if a.dtype != np.int8 or b.dtype != np.int8:
        return f"a table of every pair of {a.type_name} is too long"
    if a.data is not None and b.data is not None:
        return "both inputs are constant"
    row_operand = int(b.data is not None)
    operands = _broadcast_of(kernel.params)
    values, rows = _rows((a, b)[row_operand], operands.shapes[row_operand], out)
    outputs = _table(kernel, values, out.dtype, row_operand)
    if rows is not None and len(values) == 1 and (a, b)[1 - row_operand].elements == out.elements:
        return _of_one(simplest(every(np.dtype(np.int8)), outputs), 1 - row_operand)
    twin = PairTable(outputs, operands, row_operand, rows)
    return Fast(f"table of all {len(outputs)} pairs", twin.bind)


def choose_comparison(node: Node, kernel: Kernel) -> Fast | str:
    """The fast twin of comparisons.evaluate, or why there is none."""
    p: comparisons.Params = kernel.params
    if isinstance(p.operands, ScaledOperands):
        return choose(node, kernel)
    return ufuncs.straight(node, p.operands, p.compare)


def _of_one(twin: Fast, operand: int) -> Fast:
    """The twin of a function of this operand alone, the other one being a single constant."""

    def bind(arrays: Arrays, workspace: Workspace) -> Sequence[Call]:
        return twin.bind(Arrays((arrays.inputs[operand],), arrays.outputs), workspace)

    return Fast(twin.how, bind)


def _rows(
    tensor: Tensor, shape: tuple[int, ...], out: Tensor
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.uint16] | None]:
    """The values that have a row of the table, and the rows of a constant operand's elements."""
    if tensor.data is None:
        return every(np.dtype(np.int8)), None
    values, row = np.unique(tensor.data, return_inverse=True)
    rows = np.broadcast_to(row.reshape(shape), out.shape).astype(_INDEX).reshape(-1)
    return values, np.tile(rows * np.array(256, _INDEX), max(1, BLOCK // len(rows)))


def _table(
    kernel: Kernel, values: npt.NDArray[np.int8], dtype: np.dtype[Any], row_operand: int
) -> npt.NDArray[Any]:
    """The plain kernel's outputs for each of `values` with every int8, flat."""
    shapes = (len(values), 1), (1, 256)
    broadcast = Broadcast((2, 2), (shapes[row_operand], shapes[1 - row_operand]))
    params = kernel.params
    if isinstance(params.operands, ScaledOperands):
        params = replace(params, operands=replace(params.operands, operands=broadcast))
    else:
        params = replace(params, operands=broadcast)
    make = _kept_outputs if _is_hashable(params) else _outputs
    return make(Kernel(kernel.evaluate, params), values.tobytes(), dtype, row_operand)


def _outputs(
    kernel: Kernel, values: bytes, dtype: np.dtype[Any], row_operand: int
) -> npt.NDArray[Any]:
    row = np.frombuffer(values, np.int8)[:, None]
    column = every(np.dtype(np.int8))[None]
    operands = (column, row) if row_operand else (row, column)
    outputs = tabulated(kernel, operands, dtype, BLOCK)
    assert outputs is not None
    return outputs


_kept_outputs = lru_cache(maxsize=32)(_outputs)
"""Equal layers share a table, and so do interpreters of one model."""


def _is_hashable(params: Any) -> bool:
    try:
        hash(params)
    except TypeError:  # it holds arrays
        return False
    return True


def _broadcast_of(params: Any) -> Broadcast:
    operands: Broadcast | ScaledOperands = params.operands
    return operands.operands if isinstance(operands, ScaledOperands) else operands
