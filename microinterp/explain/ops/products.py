"""BATCH_MATMUL and RESIZE_BILINEAR: sums of products without a filter of their own.

The formulas are those of the kernels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tflite

from microinterp.explain.ops.common import ratio_text
from microinterp.explain.ops.pairs import broadcast_index
from microinterp.explain.recorder import Recorder, Tap, dequantised
from microinterp.explain.subject import Explainer, Outcome, Subject
from microinterp.kernels.batch_matmul import Operand
from microinterp.kernels.resize_bilinear import ONE, Axis, float_axis
from microinterp.kernels.resizing import resized_sides

_WEIGHT_BITS = 20


def _batch_matmul(subject: Subject, recorder: Recorder) -> Outcome:
    p = subject.params
    (x, y), arrays = (subject.node.input(i) for i in (0, 1)), (subject.array(0), subject.array(1))
    *stack, row, column = subject.index
    taps: list[Tap] = []
    for k in range(p.operands.depth):
        at = _place(p.operands.x, x.shape, stack, row, k)
        by = _place(p.operands.y, y.shape, stack, k, column)
        taps.append((at, (int(arrays[0][at]), int(arrays[1][by]))))
    label = "sum of the products"
    total = recorder.sum_of_products(label, ("x", "y"), p.zero_points, taps, source=x)
    total = recorder.wrap(total, 32 if p.accumulator is np.int32 else 64)
    scales = (float(x.scale), float(y.scale))
    note = ratio_text(scales, subject.scale)
    multiplier, shift = int(p.multiplier[0]), int(p.shift[0])
    scaled = recorder.requantise(total, p.requantise, multiplier, shift, note)
    value = recorder.output(scaled, p.output_zero_point, p.low, p.high, subject.scale)
    products = [(a - x.zero_point) * (b - y.zero_point) for _, (a, b) in taps]
    return Outcome(value, sum(products) * scales[0] * scales[1])


def _place(
    operand: Operand, shape: tuple[int, ...], stack: list[int], row: int, column: int
) -> tuple[int, ...]:
    """Where an operand in the file holds an element of its matrix."""
    lead = broadcast_index(tuple(stack), shape[:-2])
    return (*lead, column, row) if operand.adjoint else (*lead, row, column)


def _resize_bilinear(subject: Subject, recorder: Recorder) -> Outcome:
    p, tensor, x = subject.params, subject.node.input(0), subject.array(0)
    _, y, column, _ = subject.index
    weights: list[tuple[int, int]] = []
    for axis, place, name in ((p.rows, y, "row"), (p.columns, column, "column")):
        second = int(axis.weight[place])
        label = f"weight of {name} before"
        note = f"the {name} behind has {second} of 1024"
        weights.append((recorder.do("subtract", label, note, x=ONE, y=second), second))
    taps: list[Tap] = []
    for at, (i, j) in _neighbours(p.rows, p.columns, subject.index):
        label = f"weight of pixel {at[1]},{at[2]}"
        weight = recorder.do("multiply", label, x=weights[0][i], y=weights[1][j])
        taps.append((at, (int(x[at]), weight)))
    label = "sum of the products"
    total = recorder.sum_of_products(label, ("input", "weight"), (0, 0), taps, source=tensor)
    if p.halves_up:
        value = recorder.do("shift_right_rounded", "drop 20 bits", x=total, bits=_WEIGHT_BITS)
    else:
        value = recorder.do("rounding_divide", "drop 20 bits", x=total, exponent=_WEIGHT_BITS)
    return Outcome(value, _mixed(subject))


def _neighbours(
    rows: Axis, columns: Axis, index: tuple[int, ...]
) -> list[tuple[tuple[int, ...], tuple[int, int]]]:
    """The four pixels around a place, each with which of both row and column weights it has."""
    sample, y, x, channel = index
    row = (int(rows.low[y]), int(rows.high[y]))
    column = (int(columns.low[x]), int(columns.high[x]))
    return [((sample, row[i], column[j], channel), (i, j)) for j in (0, 1) for i in (0, 1)]


def _mixed(subject: Subject) -> float | None:
    """The float kernel's mix of the dequantised pixels."""
    tensor, x = subject.node.input(0), subject.array(0)
    if tensor.quantization is None:
        return None
    sides = resized_sides(subject.node, subject.node.options(tflite.ResizeBilinearOptions))
    rows, columns = (float_axis(side) for side in sides)
    down, right = float(rows.weight[subject.index[1]]), float(columns.weight[subject.index[2]])
    total = 0.0
    for at, (i, j) in _neighbours(rows, columns, subject.index):
        weight = (down if i else 1 - down) * (right if j else 1 - right)
        total += weight * (dequantised(tensor, int(x[at])) or 0.0)
    return total


EXPLAINERS: Mapping[str, Explainer] = {
    "BATCH_MATMUL": _batch_matmul,
    "RESIZE_BILINEAR": _resize_bilinear,
}
