"""CIRCULAR_BUFFER: keeps the last rows of a stream, and lets the model go on every so often.

The output moves up by one row and takes the input as its last one; it keeps its contents between
invokes, so it is a variable of the file. Until `cycles_max` invokes have passed the op aborts:
no op behind it runs, the model's outputs stay as they were, and invoke returns Status.ABORT.
Source: TFLM kernels/circular_buffer.cc and circular_buffer_common.cc.
"""

from __future__ import annotations

import numpy as np

from microinterp.custom_options import Options
from microinterp.errors import UnsupportedError
from microinterp.graph import Node
from microinterp.kernels.common import require_rank, require_shape, require_type
from microinterp.prepare import Arrays, Context, Kernel, State, Status
from microinterp.registry import Op

_EVERY_INVOKE = (5, 13, 25)
"""Rows of the buffers that run at each invoke in the two models that say no cycles_max."""


def evaluate(cycles: int, arrays: Arrays) -> Status:
    """x int8 [b, 1, h, c] -> out int8 [b, rows, h, c]. State: invokes since it last ran, int32."""
    (x,) = arrays.inputs
    (out,) = arrays.outputs
    assert x is not None
    rows = out.reshape(-1)
    depth = out.shape[-1] * out.shape[-2]
    used = rows[: out.shape[-3] * depth]  # TFLM moves the first batch only
    used[:-depth] = used[depth:].copy()
    used[len(used) - depth :] = x.reshape(-1)[:depth]
    (passed,) = (state.view(np.int32) for state in arrays.state)
    passed[0] += 1
    if passed[0] < cycles:
        return Status.ABORT
    passed[0] = 0
    return Status.OK


def prepare(node: Node, context: Context) -> Kernel:
    """One row comes in; the output has rows of the same size."""
    node.require_counts((1, 1))
    x, out = node.input(0), node.output()
    require_type(node, "int8", x, out)
    require_rank(node, out, 4)
    batch, rows, height, depth = out.shape
    require_shape(node, x, (batch, 1, height, depth))
    cycles = Options(node).integer("cycles_max", 0) if node.custom_options else 0
    if cycles <= 0:
        cycles = _guessed_cycles(node, rows, height, depth)
    return Kernel(evaluate, cycles, state=(State(4),), keeps_outputs=True)


def _guessed_cycles(node: Node, rows: int, height: int, depth: int) -> int:
    """TFLM's guess where the file gives no number.

    With 2 x 96 it counts the buffers prepared so far in the whole program: nothing a file decides.
    """
    if rows in _EVERY_INVOKE:
        return 1
    if (height, depth) == (2, 96):
        raise UnsupportedError(
            "the number of cycles is not in the file, and TFLM's guess depends on what ran before",
            node.where(),
            "write the option cycles_max",
        )
    return 2


OPS = (
    Op(
        "CIRCULAR_BUFFER",
        prepare,
        ("int8",),
        is_custom=True,
        limits=("rank 4", "2 x 96 outputs need cycles_max"),
    ),
)
