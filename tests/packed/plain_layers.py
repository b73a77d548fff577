"""Layers with filters in plain Python integers, as they are before any tier's layout.

Steps without filters are in tests/boards/step_reference.py, which reads what is packed. x and
pixels are lists of ints; w, bias and scales are those of each output channel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from microinterp.packed import steps as s
from tests.boards.step_reference import clamp, rq

Window = s.Conv | s.Depthwise


def taps_of(step: Window, y: int, x: int) -> Iterator[tuple[int, int, int]]:
    """Taps of a window inside the image: number, row and column."""
    for i in range(step.kh):
        for j in range(step.kw):
            row, column = y * step.sh - step.pt + i * step.dh, x * step.sw - step.pl + j * step.dw
            if 0 <= row < step.ih and 0 <= column < step.iw:
                yield i * step.kw + j, row, column


def outputs_of(step: Window) -> Iterator[tuple[int, int, int]]:
    """Batch, row and column of each output pixel."""
    for batch in range(step.batches):
        for y in range(step.oh):
            for x in range(step.ow):
                yield batch, y, x


def convolve(
    step: s.Conv,
    x: Sequence[int],
    w: Sequence[Sequence[int]],
    bias: Sequence[int],
    scales: Sequence[tuple[int, int]],
) -> list[int]:
    """CONV: w[o] has the taps [kh, kw, channels of a group], scales[o] multiplier and shift."""
    found, depth, per_group = [], step.ic // step.groups, step.oc // step.groups
    for batch, y, column in outputs_of(step):
        for o in range(step.oc):
            total, group = bias[o], o // per_group
            for tap, row, place in taps_of(step, y, column):
                for c in range(depth):
                    pixel = (batch * step.ih + row) * step.iw + place
                    value = x[pixel * step.ic + group * depth + c]
                    total += (value - step.zx) * w[o][tap * depth + c]
            found.append(clamp(rq(total, *scales[o]) + step.zo, step.lo, step.hi))
    return found


def convolve_depthwise(
    step: s.Depthwise,
    x: Sequence[int],
    w: Sequence[Sequence[int]],
    bias: Sequence[int],
    scales: Sequence[tuple[int, int]],
) -> list[int]:
    """DEPTHWISE: w[o] has the taps [kh, kw]."""
    found = []
    for batch, y, column in outputs_of(step):
        for o in range(step.oc):
            total = bias[o]
            for tap, row, place in taps_of(step, y, column):
                pixel = (batch * step.ih + row) * step.iw + place
                total += (x[pixel * step.ic + o // step.multiplier] - step.zx) * w[o][tap]
            found.append(clamp(rq(total, *scales[o]) + step.zo, step.lo, step.hi))
    return found
