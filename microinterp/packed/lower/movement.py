"""Ops that only move elements: each becomes copies of whole blocks, or along five dimensions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.graph import Tensor
from microinterp.kernels import (
    concatenation,
    pad,
    reshape,
    split,
    strided_slice,
    transpose,
)
from microinterp.kernels import (
    slice as slice_kernel,
)
from microinterp.kernels.common import Index
from microinterp.packed.lower.common import Lower, Lowering, advance
from microinterp.packed.steps import Copy, Fill, Move, Step

_DIMENSIONS = 5
_EVERYTHING: Index = (...,)


@dataclass(frozen=True)
class Region:
    """Elements in memory: `ref` is the first one's, strides are in bytes."""

    ref: int
    esize: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def region(ref: int, tensor: Tensor, index: Index = _EVERYTHING) -> Region:
    """The elements of a tensor that NumPy's `index` takes; the tensor lies at `ref`."""
    like = np.empty(tensor.shape, tensor.dtype)
    return viewed(ref, like, like[index])


def viewed(ref: int, like: npt.NDArray[Any], view: npt.NDArray[Any]) -> Region:
    """The elements of `view`, which looks into `like`; that one lies at `ref`."""
    skipped = _address(view) - _address(like) if view.size else 0
    return Region(advance(ref, skipped), like.itemsize, view.shape, view.strides)


def _address(array: npt.NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


def move(op: Lowering, source: Region, target: Region) -> list[Step]:
    """Steps that copy one region to another of the same shape and element size.

    Source strides may be 0.
    """
    dimensions = _merged(source, target)
    if 0 in target.shape:
        return []
    esize = target.esize
    if not dimensions:
        return [Copy(source.ref, target.ref, esize)]
    if len(dimensions) == 1 and dimensions[0][1:] == (esize, esize):
        return [Copy(source.ref, target.ref, dimensions[0][0] * esize)]
    op.require(
        len(dimensions) <= _DIMENSIONS,
        f"elements move along {len(dimensions)} dimensions at once, boards take {_DIMENSIONS}",
    )
    filled = [(1, 0, 0)] * (_DIMENSIONS - len(dimensions)) + dimensions
    counts, source_strides, strides = zip(*filled, strict=True)
    return [Move(source.ref, target.ref, esize, *counts, *source_strides, *strides)]


def _merged(source: Region, target: Region) -> list[tuple[int, int, int]]:
    """(count, source stride, target stride) of each dimension, with as few of them as can be."""
    merged: list[tuple[int, int, int]] = []
    for count, ss, ds in zip(target.shape, source.strides, target.strides, strict=True):
        if count == 1:
            continue
        if merged and merged[-1][1:] == (count * ss, count * ds):
            merged[-1] = (merged[-1][0] * count, ss, ds)
        else:
            merged.append((count, ss, ds))
    return merged


def lower_reshape(op: Lowering) -> list[Step]:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: nothing where a pass has put the output over the input."""
    op.params(reshape.Params)
    x, out = op.node.input(0), op.node.output()
    step = Copy(op.source(x), op.destination(out), out.nbytes)
    return [step] if step.x != step.dst else []


def lower_transpose(op: Lowering) -> list[Step]:
    """TRANSPOSE."""
    p = op.params(transpose.Params)
    x, out = op.node.input(0), op.node.output()
    like = np.empty(x.shape, x.dtype)
    source = viewed(op.source(x), like, like.transpose(p.permutation))
    return move(op, source, region(op.destination(out), out))


def lower_concatenation(op: Lowering) -> list[Step]:
    """CONCATENATION."""
    p = op.params(concatenation.Params)
    out = op.node.output()
    steps: list[Step] = []
    for place, x in zip(p.places, op.node.inputs, strict=True):
        assert x is not None
        source = region(op.source(x), x)
        steps += move(op, source, region(op.destination(out), out, place))
    return steps


def lower_split(op: Lowering) -> list[Step]:
    """SPLIT, SPLIT_V."""
    p = op.params(split.Params)
    x = op.node.input(p.position)
    steps: list[Step] = []
    for part, out in zip(p.parts, op.node.outputs, strict=True):
        steps += move(op, region(op.source(x), x, part), region(op.destination(out), out))
    return steps


def lower_slice(op: Lowering) -> list[Step]:
    """SLICE with a constant begin."""
    begin = op.node.input(1)
    op.require(
        not isinstance(op.kernel.params, slice_kernel.ComputedParams),
        "it is computed at run time, wanted a constant",
        begin,
    )
    return _taken(op, op.params(slice_kernel.Params).box)


def lower_strided_slice(op: Lowering) -> list[Step]:
    """STRIDED_SLICE."""
    return _taken(op, op.params(strided_slice.Params).index)


def _taken(op: Lowering, index: Index) -> list[Step]:
    x, out = op.node.input(0), op.node.output()
    return move(op, region(op.source(x), x, index), region(op.destination(out), out))


def lower_pad(op: Lowering) -> list[Step]:
    """PAD, PADV2: the pad value everywhere, then the input inside."""
    p = op.params(pad.Params)
    x, out = op.node.input(0), op.node.output()
    whole = region(op.destination(out), out)
    inside = region(whole.ref, out, p.inside)
    steps = move(op, region(op.source(x), x), inside)
    if inside.shape == whole.shape:
        return steps
    if len(op.node.inputs) == 2:
        value = np.array(p.value, out.dtype)
    else:
        tensor = op.node.input(2)
        if tensor.data is None:
            repeated = replace(whole, ref=op.source(tensor), strides=(0,) * out.rank)
            return move(op, repeated, whole) + steps
        value = tensor.data.reshape(())
    text = f"elements of {whole.esize} bytes are padded, boards take 1, 2 or 4"
    op.require(whole.esize in (1, 2, 4), text)
    number = int(value.view(f"i{whole.esize}"))
    return [Fill(whole.ref, out.elements, whole.esize, number), *steps]


LOWER: dict[str, Lower] = {
    "RESHAPE": lower_reshape,
    "SQUEEZE": lower_reshape,
    "EXPAND_DIMS": lower_reshape,
    "TRANSPOSE": lower_transpose,
    "CONCATENATION": lower_concatenation,
    "SPLIT": lower_split,
    "SPLIT_V": lower_split,
    "SLICE": lower_slice,
    "STRIDED_SLICE": lower_strided_slice,
    "PAD": lower_pad,
    "PADV2": lower_pad,
}
