"""CUMSUM: running sums along one axis, from either end, with or without the element itself.

float32: elements are added one by one, starting with 0.0.
int8: s = requantise((x - x_zp) << 20, 1/2) is added up in int32, which wraps, and each sum becomes
clamp(requantise(sum, 2 * x_scale / (2^20 * out_scale)) + out_zp). The sum starts not at 0 but at
requantise(-x_zp << 20, 1/2), as if a 0 byte went before: TFLM does so.
Source: TFLM kernels/cumsum.cc, reference/cumsum.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from microinterp.errors import InputError, Where
from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    MAX_SHAPE_RANK,
    Evaluate,
    by_sample,
    constant_ints,
    is_float,
    multiplier_below_one,
    normalised_axis,
    pick_by_type,
    require_quantized,
    require_rank,
    require_shape,
)
from microinterp.kernels.scaling import requantised
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.fixedpoint import Requantise
from microinterp.quant.params import Multiplier, quantize_multiplier
from microinterp.registry import Op

LEFT_SHIFT = 20


@dataclass(frozen=True)
class Sums:
    """What is summed.

    Attributes:
        where: the op and its axis, for the error.
        rank: of the input.
        axis: counted from the last one; None if it is an input of rank `axis_rank`.
        exclusive: leave the element itself out.
        reverse: from the last element to the first.
    """

    where: Where
    rank: int
    axis: int | None
    axis_rank: int
    exclusive: bool
    reverse: bool


@dataclass(frozen=True)
class Params:
    """Folded parameters of an int8 CUMSUM.

    Attributes:
        sums: what is summed.
        input_zero_point: of x.
        half: the factor 1/2.
        requantise, multiplier, shift: from a sum to output steps.
        low, high: clamp limits.
    """

    sums: Sums
    input_zero_point: int
    half: Multiplier
    requantise: Requantise
    multiplier: int
    shift: int
    output_zero_point: int
    low: int = -128
    high: int = 127


def evaluate_float(p: Sums, arrays: Arrays) -> None:
    """float32 x [...] -> out of the same shape."""
    x, axis = arrays.inputs
    (out,) = arrays.outputs
    assert x is not None
    assert axis is not None
    _sum(p, x, axis, out, np.float32(0))


def evaluate_int(p: Params, arrays: Arrays) -> None:
    """int8 x [...] -> out of the same shape."""
    x, axis = arrays.inputs
    (out,) = arrays.outputs
    assert x is not None
    assert axis is not None
    total = np.empty(out.shape, np.int32)
    _sum(p.sums, _halved(p, x), axis, total, _halved(p, np.zeros((), np.int8)))
    out[...] = requantised(total, p, np.int8)


def _halved(p: Params, x: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    shifted = (x.astype(np.int64) - p.input_zero_point) << LEFT_SHIFT
    return p.requantise(shifted, p.half.multiplier, p.half.shift).astype(np.int32)


def _sum(
    p: Sums,
    x: npt.NDArray[Any],
    axis: npt.NDArray[Any],
    out: npt.NDArray[Any],
    start: Any,
) -> None:
    """Fill `out` with running sums of x that begin with `start`.

    Raises:
        InputError: the axis, known only now, is outside x.
    """
    if p.axis is not None:
        out[...] = _running(p, x, p.axis, start)
        return
    for one, number, result in by_sample((p.rank, p.axis_rank, p.rank), x, axis, out):
        given = int(number.reshape(()))
        if not -p.rank <= given < p.rank:
            raise InputError(f"axis {given} is outside rank {p.rank}", p.where)
        result[...] = _running(p, one, given % p.rank - p.rank, start)


def _running(p: Sums, x: npt.NDArray[Any], axis: int, start: Any) -> npt.NDArray[Any]:
    moved = np.moveaxis(x, axis, -1)[..., :: -1 if p.reverse else 1]
    first = np.full((*moved.shape[:-1], 1), start, x.dtype)
    # accumulate adds one by one, and int32 wraps
    sums = np.add.accumulate(np.concatenate([first, moved], axis=-1), axis=-1)
    wanted = sums[..., :-1] if p.exclusive else sums[..., 1:]
    return np.moveaxis(wanted[..., :: -1 if p.reverse else 1], -1, axis)


def prepare(node: Node, context: Context) -> Kernel:
    """Check shapes and axis and fold the scales."""
    node.require_counts((2, 2))
    x, axis, out = node.input(0), node.input(1), node.output()
    evaluate = pick_by_type(node, _EVALUATE, x, axis, out)
    require_rank(node, x, 1, MAX_SHAPE_RANK)
    require_shape(node, out, x.shape)
    options = node.options(tflite.CumsumOptions)
    sums = Sums(
        where=node.where(axis),
        rank=x.rank,
        axis=_known_axis(node, axis, x.rank),
        axis_rank=axis.rank,
        exclusive=options.Exclusive(),
        reverse=options.Reverse(),
    )
    if is_float(x):
        return Kernel(evaluate, sums)
    require_quantized(node, x, out)
    twice = 2 * float(x.scale)
    real = twice / ((1 << LEFT_SHIFT) * float(out.scale))
    factor = multiplier_below_one(node, real, out)
    params = Params(
        sums=sums,
        input_zero_point=x.zero_point,
        half=quantize_multiplier(float(x.scale) / twice),
        requantise=context.profile.requantise(node.name),
        multiplier=factor.multiplier,
        shift=factor.shift,
        output_zero_point=out.zero_point,
    )
    return Kernel(evaluate, params)


def _known_axis(node: Node, axis: Tensor, rank: int) -> int | None:
    """The axis counted from the last one, or None if it is computed at run time."""
    node.require(axis.elements == 1, f"has {axis.elements} elements, wanted 1", axis)
    if not axis.is_constant:
        return None
    (given,) = constant_ints(node, axis, 1)
    return normalised_axis(node, given, rank, axis) - rank


_EVALUATE: dict[tuple[str, ...], Evaluate] = {
    ("float32", "int32", "float32"): evaluate_float,
    ("int8", "int32", "int8"): evaluate_int,
}
OPS = (Op("CUMSUM", prepare, ("float32", "int8"), limits=("rank 1 to 6", "axis int32")),)
