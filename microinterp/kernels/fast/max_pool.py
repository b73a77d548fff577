"""MAX_POOL_2D of integers: the greatest along each column of a window, then of those columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from microinterp.fast_path import Call, Fast, Workspace, assign
from microinterp.graph import Node
from microinterp.kernels.common import Window
from microinterp.kernels.fast.tables import Clamp
from microinterp.prepare import Arrays, Kernel

if TYPE_CHECKING:
    from microinterp.kernels import pool_2d

Pair = tuple[npt.NDArray[Any], npt.NDArray[Any]]
TILE_BYTES = 1 << 17
"""Of the images that are pooled one after the other: what lies between the two passes stays in a
core's own cache."""


@dataclass(frozen=True)
class MaxPool:
    """Maxima are exact in any order, and the same for the two axes one after the other.

    Attributes:
        height, width: the windows.
        clamp: what the activation leaves.
    """

    height: Window
    width: Window
    clamp: Clamp

    def bind(self, arrays: Arrays, workspace: Workspace) -> list[Call]:
        """The calls from x [..., h, w, c] to out [..., oh, ow, c]."""
        x, out = arrays.inputs[0], arrays.outputs[0]
        assert x is not None
        images, pooled = (a.reshape(-1, *a.shape[-3:]) for a in (x, out))
        at_once = max(1, TILE_BYTES // max(1, images[0].nbytes))
        calls: list[Call] = []
        for start in range(0, len(images), at_once):
            part = slice(start, start + at_once)
            calls += self._bind(images[part], pooled[part], workspace)
        return calls

    def _bind(self, x: npt.NDArray[Any], out: npt.NDArray[Any], workspace: Workspace) -> list[Call]:
        shape = len(x), self.height.outputs, *x.shape[2:]
        rows = workspace.array("rows of windows", shape, x.dtype)
        calls = _greatest(rows, _taps(self.height, rows, x, axis=1))
        calls += _greatest(out, _taps(self.width, out, rows, axis=2))
        info = np.iinfo(out.dtype)
        if (self.clamp.low, self.clamp.high) != (info.min, info.max):
            calls += self.clamp.bind(Arrays((out,), (out,)), workspace)
        return calls


def _taps(window: Window, out: npt.NDArray[Any], x: npt.NDArray[Any], axis: int) -> Sequence[Pair]:
    """What each tap of a window meets along `axis`: a part of the outputs, and the pixels there."""
    found = []
    for tap in window.taps():
        outputs, pixels = ((slice(None),) * axis + (each,) for each in window.meets(tap))
        found.append((out[outputs], x[pixels]))
    return found


def _greatest(out: npt.NDArray[Any], taps: Sequence[Pair]) -> list[Call]:
    """out = the greatest of what the taps meet.

    SAME padding is less than the window: the tap that lies on the image's first pixel for the first
    output meets the image for every output. With it, and its like, `out` needs no first value.
    """
    whole = [pixels for part, pixels in taps if part.shape == out.shape]
    partly = [(part, pixels) for part, pixels in taps if part.shape != out.shape]
    first: Call = assign(out, whole[0])
    if len(whole) > 1:
        first = partial(np.maximum, whole[0], whole[1], out=out)
    more = [(out, pixels) for pixels in whole[2:]] + partly
    return [first, *(partial(np.maximum, part, pixels, out=part) for part, pixels in more)]


def choose(node: Node, kernel: Kernel) -> Fast | str:
    """The fast twin of pool_2d.evaluate_max, or why there is none."""
    x = node.input(0)
    if x.dtype.kind == "f":
        return "NumPy's maximum of floats takes NaN and -0.0 otherwise"
    if x.data is not None:
        return "its input is constant"
    p: pool_2d.Params = kernel.params
    twin = MaxPool(p.height, p.width, Clamp(int(p.low), int(p.high)))
    return Fast("maxima down the columns, then across", twin.bind)
