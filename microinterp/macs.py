"""Multiply-accumulates of an op, from the shapes in the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import tflite

from microinterp.model import FileTensor, Model, Operator
from microinterp.rules.common import op_code

Shape = tuple[int, ...]


def elements_of(shape: Shape | None) -> int:
    """Product of the dimensions; negative ones count as 0, no shape as 1."""
    count = 1
    for size in shape or ():
        count *= max(size, 0)
    return count


def _matmul_macs(out: Shape, x: Shape) -> int:
    """x is [..., rows, depth], or transposed; out is [..., rows, columns]."""
    return elements_of(out) * (elements_of(x[-2:]) // max(1, elements_of(out[-2:-1])))


# What counts an op's multiply-accumulates: the inputs whose shapes it takes behind the output's.
# Filters are [filters, height, width, depth] (DEPTHWISE_CONV_2D: [1, height, width, channels],
# FULLY_CONNECTED: [outputs, depth]). Each pixel of TRANSPOSE_CONV meets all filters. SVDF's are
# [filters, inputs] and [filters, memory], the LSTM's [states, inputs] and [states, states].
_MACS: Mapping[int, tuple[Sequence[int], Callable[..., int]]] = {
    tflite.BuiltinOperator.CONV_2D: ((1,), lambda out, w: elements_of(out) * elements_of(w[1:])),
    tflite.BuiltinOperator.DEPTHWISE_CONV_2D: (
        (1,),
        lambda out, w: elements_of(out) * elements_of(w[1:3]),
    ),
    tflite.BuiltinOperator.FULLY_CONNECTED: (
        (1,),
        lambda out, w: elements_of(out) * elements_of(w[1:]),
    ),
    tflite.BuiltinOperator.TRANSPOSE_CONV: (
        (1, 2),
        lambda out, w, x: elements_of(x) * elements_of(w[:3]),
    ),
    tflite.BuiltinOperator.BATCH_MATMUL: ((0,), _matmul_macs),
    tflite.BuiltinOperator.SVDF: (
        (0, 1, 2),
        lambda out, x, *filters: elements_of(x[:1]) * sum(map(elements_of, filters)),
    ),
    tflite.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM: (
        range(9),
        lambda out, x, *filters: elements_of(x[:-1]) * sum(map(elements_of, filters)),
    ),
}


def macs_of(
    model: Model,
    op: Operator,
    inputs: Sequence[FileTensor | None],
    outputs: Sequence[FileTensor | None],
) -> int:
    """Multiply-accumulates, padding counted; 0 for ops without a filter, and for odd shapes."""
    numbers, count = _MACS.get(op_code(model, op), ((), None))
    if count is None or len(inputs) <= max(numbers):
        return 0
    shapes = [t.shape if t else None for t in (*outputs[:1], *(inputs[i] for i in numbers))]
    return count(*shapes) if len(shapes) == len(numbers) + 1 and all(shapes) else 0
