"""Kernels that only move bytes: every view is made once, and pixels are copied whole.

A copy between two views moves each element's bytes, whatever they mean; so it is exact for any
type. Where the last axes lie side by side in both views, one void element stands for all of them:
NumPy moves 8 to 16 bytes in the time that it needs for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from microinterp.fast_path import Call, Fast, Workspace, assign
from microinterp.graph import Node
from microinterp.kernels.fast.names import plain_name
from microinterp.prepare import Arrays, Kernel

if TYPE_CHECKING:
    from microinterp.kernels import (
        broadcast_to,
        concatenation,
        depth_to_space,
        mirror_pad,
        pack,
        pad,
        reshape,
        resize_nearest_neighbor,
        slice,
        split,
        strided_slice,
        transpose,
    )

Array = npt.NDArray[Any]
Moves = Callable[[Any, Arrays], Iterator[tuple[Array, Array | int]]]
"""Gives the views (to, from) of a kernel with these parameters, in the order of the copies."""


def move(target: Array, source: Array | int) -> Call:
    """The call that copies `source` to `target`, which it is spread over."""
    if isinstance(source, int):
        return partial(target.fill, source)
    if target.size == source.size and target.flags.c_contiguous and source.flags.c_contiguous:
        return assign(target.reshape(-1), source.reshape(-1))
    if target.shape == source.shape and target.size:
        return assign(*_cells(target, source))
    return assign(target, source)


def _cells(target: Array, source: Array) -> tuple[Array, Array]:
    """Both views with the elements of the last axis as one, where they lie side by side."""
    if target.ndim < 2 or any(x.strides[-1] != x.itemsize for x in (target, source)):
        return target, source
    cell = np.dtype((np.void, target.shape[-1] * target.itemsize))
    return target.view(cell), source.view(cell)


def _reshape(p: reshape.Params, arrays: Arrays) -> Iterator[tuple[Array, Array]]:
    x, out = _first(arrays)
    yield out, x.reshape(x.shape[: x.ndim - p.rank] + p.shape)


def _concatenation(p: concatenation.Params, arrays: Arrays) -> Iterator[tuple[Array, Array]]:
    for place, x in zip(p.places, arrays.inputs, strict=True):
        assert x is not None
        yield arrays.outputs[0][place], x


def _pad(p: pad.Params, arrays: Arrays) -> Iterator[tuple[Array, Array | int]]:
    x, out = _first(arrays)
    yield out, p.value
    yield out[p.inside], x


def _pad_value(p: pad.Params, arrays: Arrays) -> Iterator[tuple[Array, Array]]:
    x, out = _first(arrays)
    value = arrays.inputs[2]
    assert value is not None
    samples = value.shape[: value.ndim - p.value_rank]
    yield out, value.reshape(samples + (1,) * (out.ndim - len(samples)))
    yield out[p.inside], x


def _mirror_pad(p: mirror_pad.Params, arrays: Arrays) -> Iterator[tuple[Array, Array]]:
    x, out = _first(arrays)
    yield out[p.inside], x
    for target, source in p.copies:
        yield out[target], out[source]


def _transpose(p: transpose.Params, arrays: Arrays) -> Iterator[tuple[Array, Array]]:
    x, out = _first(arrays)
    extra = x.ndim - len(p.permutation)
    yield out, x.transpose(*range(extra), *(axis + extra for axis in p.permutation))


def _strided_slice(p: strided_slice.Params, arrays: Arrays) -> Iterator[tuple[Array, Array]]:
    x, out = _first(arrays)
    yield out, x[p.index]


def _slice(p: slice.Params, arrays: Arrays) -> Iterator[tuple[Array, Array]]:
    x, out = _first(arrays)
    yield out, x[p.box]


def _pack(p: pack.Params, arrays: Arrays) -> Iterator[tuple[Array, Array]]:
    for place, x in zip(p.slices, arrays.inputs, strict=True):
        assert x is not None
        yield arrays.outputs[0][place], x


def _unpack(p: pack.Params, arrays: Arrays) -> Iterator[tuple[Array, Array]]:
    x, _ = _first(arrays)
    for place, out in zip(p.slices, arrays.outputs, strict=True):
        yield out, x[place]


def _split(p: split.Params, arrays: Arrays) -> Iterator[tuple[Array, Array]]:
    x = arrays.inputs[p.position]
    assert x is not None
    for part, out in zip(p.parts, arrays.outputs, strict=True):
        yield out, x[part]


def _broadcast_to(p: broadcast_to.Params, arrays: Arrays) -> Iterator[tuple[Array, Array]]:
    x, out = _first(arrays)
    yield out, x.reshape(x.shape[: x.ndim - p.rank] + p.extended)


def _depth_to_space(p: depth_to_space.Params, arrays: Arrays) -> Iterator[tuple[Array, Array]]:
    x, out = _first(arrays)
    blocks = x.reshape(x.shape[:-3] + p.split).swapaxes(-4, -3)
    yield out.reshape(out.shape[:-3] + blocks.shape[x.ndim - 3 :]), blocks


def choose_nearest(node: Node, kernel: Kernel) -> Fast | str:
    """The fast twin of resize_nearest_neighbor.evaluate: each output pixel's place is known."""
    if node.input(0).data is not None:
        return "its input is constant"
    p: resize_nearest_neighbor.Params = kernel.params
    places = (p.rows * node.input(0).shape[2] + p.columns).reshape(-1)

    def bind(arrays: Arrays, workspace: Workspace) -> list[Call]:
        pixels, found = (
            image.reshape(-1, *image.shape[-3:]).view((np.void, image.shape[-1] * image.itemsize))
            for image in _first(arrays)
        )
        flat = pixels.reshape(len(pixels), -1)
        return [partial(flat.take, places, 1, found.reshape(len(found), -1), "wrap")]

    return Fast("the same bytes, pixels taken whole", bind)


def _first(arrays: Arrays) -> tuple[Array, Array]:
    x = arrays.inputs[0]
    assert x is not None
    return x, arrays.outputs[0]


_MOVES: Mapping[str, Moves] = MappingProxyType(
    {
        "broadcast_to.evaluate": _broadcast_to,
        "concatenation.evaluate": _concatenation,
        "depth_to_space.evaluate": _depth_to_space,
        "mirror_pad.evaluate": _mirror_pad,
        "pack.evaluate_pack": _pack,
        "pack.evaluate_unpack": _unpack,
        "pad.evaluate_pad": _pad,
        "pad.evaluate_pad_value": _pad_value,
        "reshape.evaluate": _reshape,
        "slice.evaluate": _slice,
        "split.evaluate": _split,
        "strided_slice.evaluate": _strided_slice,
        "transpose.evaluate": _transpose,
    }
)
"""By the plain kernel's name."""


def choose(node: Node, kernel: Kernel) -> Fast:
    """The twin of a kernel in _MOVES."""
    moves = _MOVES[plain_name(kernel.evaluate)]

    def bind(arrays: Arrays, workspace: Workspace) -> list[Call]:
        return [move(*views) for views in moves(kernel.params, arrays)]

    return Fast("the same bytes, views made once", bind)
