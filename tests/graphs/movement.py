"""Entries of ops that move elements or reduce along axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tests.graphs.growing import Growing, Kind

Entry = Callable[[Growing], None]
MOVED = ("float32", "int8", "int16", "int32")
SMALL = ("float32", "int8", "int16")
RANK_4 = 4
MAX_RANK = 4


def some_rank(kind: Kind) -> bool:
    """At least one dimension."""
    return kind.rank > 0


def image(kind: Kind) -> bool:
    """Four dimensions."""
    return kind.rank == RANK_4


def keeping(
    w: Growing, op: str, x: int, inputs: list[int | None], kind: Kind, **options: object
) -> None:
    """Add an op that only moves values, so that calm ones stay calm."""
    w.op(op, inputs, kind, calm=x in w.calm, **options)


def split_shape(w: Growing, elements: int) -> tuple[int, ...]:
    """Any shape of so many elements."""
    shape: list[int] = []
    while elements > 1 and len(shape) < MAX_RANK - 1:
        divisors = [d for d in range(1, elements + 1) if elements % d == 0]
        shape.append(w.choose(divisors))
        elements //= shape[-1]
    return (*shape, elements)


def reshape(w: Growing) -> None:
    """RESHAPE of any type."""
    x = w.pick()
    shape = split_shape(w, w.values[x].elements)
    keeping(w, "RESHAPE", x, [x], w.values[x].shaped(*shape), new_shape=shape)


def expand_dims(w: Growing) -> None:
    """EXPAND_DIMS."""
    x = w.pick(*SMALL, fits=lambda kind: 0 < kind.rank < MAX_RANK)
    shape = list(w.values[x].shape)
    axis = w.integer(0, len(shape))
    shape.insert(axis, 1)
    keeping(w, "EXPAND_DIMS", x, [x, w.ints(axis)], w.values[x].shaped(*shape))


def squeeze(w: Growing) -> None:
    """SQUEEZE of one dimension."""
    x = w.pick(fits=lambda kind: kind.rank > 1 and 1 in kind.shape)
    shape = list(w.values[x].shape)
    axis = shape.index(1)
    del shape[axis]
    keeping(w, "SQUEEZE", x, [x], w.values[x].shaped(*shape), squeeze_dims=[axis])


def transpose(w: Growing) -> None:
    """TRANSPOSE."""
    x = w.pick(*SMALL, fits=some_rank)
    kind = w.values[x]
    order = w.rng.permutation(kind.rank).tolist()
    shape = [kind.shape[i] for i in order]
    keeping(w, "TRANSPOSE", x, [x, w.ints(*order)], kind.shaped(*shape))


def concatenation(w: Growing) -> None:
    """CONCATENATION of up to four values of one kind, or that differ along the axis."""
    x = w.pick(*MOVED, "int64", "bool", fits=lambda kind: some_rank(kind) and not kind.zero_point)
    kind = w.values[x]
    axis = w.integer(0, kind.rank - 1)

    def fits(other: Kind) -> bool:
        if replace(other, shape=kind.shape) != kind or other.rank != kind.rank:
            return False
        pairs = zip(other.shape, kind.shape, strict=True)
        return all(a == b or i == axis for i, (a, b) in enumerate(pairs))

    parts = [x] + [w.pick(kind.dtype, fits=fits) for _ in range(w.integer(0, 3))]
    if w.chance(3):
        parts.append(w.known(kind))
    total = sum(w.values.get(part, kind).shape[axis] for part in parts)
    shape = (*kind.shape[:axis], total, *kind.shape[axis + 1 :])
    w.op("CONCATENATION", parts, kind.shaped(*shape), axis=axis - w.choose((0, kind.rank)))


def split(w: Growing) -> None:
    """SPLIT into equal parts."""
    x = w.pick(*MOVED, fits=lambda kind: any(side % 2 == 0 for side in kind.shape))
    kind = w.values[x]
    axis = next(i for i, side in enumerate(kind.shape) if side % 2 == 0)
    shape = (*kind.shape[:axis], kind.shape[axis] // 2, *kind.shape[axis + 1 :])
    w.op("SPLIT", [w.ints(axis), x], kind.shaped(*shape), kind.shaped(*shape), num_splits=2)


def split_v(w: Growing) -> None:
    """SPLIT_V into two parts of any size."""
    x = w.pick(*MOVED, fits=lambda kind: any(side > 1 for side in kind.shape))
    kind = w.values[x]
    axis = next(i for i, side in enumerate(kind.shape) if side > 1)
    first = w.integer(1, kind.shape[axis] - 1)
    sizes = (first, kind.shape[axis] - first)
    kinds = [kind.shaped(*kind.shape[:axis], n, *kind.shape[axis + 1 :]) for n in sizes]
    w.op("SPLIT_V", [x, w.ints(*sizes), w.ints(axis)], *kinds, num_splits=2)


def slice_(w: Growing) -> None:
    """SLICE."""
    x = w.pick(*MOVED, "bool", fits=some_rank)
    kind = w.values[x]
    begin = [w.integer(0, side - 1) for side in kind.shape]
    size = [w.integer(1, side - at) for side, at in zip(kind.shape, begin, strict=True)]
    keeping(w, "SLICE", x, [x, w.ints(*begin), w.ints(*size)], kind.shaped(*size))


def strided_slice(w: Growing) -> None:
    """STRIDED_SLICE with strides of both signs."""
    x = w.pick(*MOVED, "bool", fits=some_rank)
    kind = w.values[x]
    strides = [w.choose((1, 1, 2, -1)) for _ in kind.shape]
    pairs = list(zip(kind.shape, strides, strict=True))
    begin = [0 if stride > 0 else side - 1 for side, stride in pairs]
    end = [side if stride > 0 else -side - 1 for side, stride in pairs]
    shape = [-(-side // abs(stride)) for side, stride in pairs]
    constants = [w.ints(*numbers) for numbers in (begin, end, strides)]
    keeping(w, "STRIDED_SLICE", x, [x, *constants], kind.shaped(*shape))


def pad(op: str, *types: str) -> Entry:
    """PAD, PADV2 and MIRROR_PAD."""

    def add(w: Growing) -> None:
        x = w.pick(*types, fits=some_rank)
        kind = w.values[x]
        mirrored = op == "MIRROR_PAD"
        pads = [[min(w.integer(0, 1), side - mirrored) for _ in "ab"] for side in kind.shape]
        shape = [side + a + b for side, (a, b) in zip(kind.shape, pads, strict=True)]
        inputs: list[int | None] = [x, w.constant(np.array(pads, np.int32))]
        if op == "PADV2":
            inputs.append(w.known(kind.shaped(1)))
        keeping(w, op, x, inputs, kind.shaped(*shape), **({"mode": "REFLECT"} if mirrored else {}))

    return add


def pack(w: Growing) -> None:
    """PACK of up to three values of one kind."""
    x = w.pick(*MOVED, "int64", fits=lambda kind: kind.rank < MAX_RANK)
    kind = w.values[x]
    parts = [x] + [w.like(x) for _ in range(w.integer(0, 2))]
    shape = list(kind.shape)
    axis = w.integer(0, kind.rank)
    shape.insert(axis, len(parts))
    w.op("PACK", parts, kind.shaped(*shape), values_count=len(parts), axis=axis)


def unpack(w: Growing) -> None:
    """UNPACK."""
    x = w.pick(*MOVED, fits=lambda kind: kind.rank > 1 and kind.shape[0] <= RANK_4)
    kind = w.values[x]
    kinds = [kind.shaped(*kind.shape[1:])] * kind.shape[0]
    w.op("UNPACK", [x], *kinds, num=len(kinds), axis=0)


def reverse(w: Growing) -> None:
    """REVERSE_V2 along one axis."""
    x = w.pick(*MOVED, "int64", "bool", fits=some_rank)
    axis = w.integer(0, w.values[x].rank - 1)
    keeping(w, "REVERSE_V2", x, [x, w.ints(axis)], w.values[x])


def gather(w: Growing) -> None:
    """GATHER along the first axis."""
    x = w.pick("float32", "int8", fits=some_rank)
    kind = w.values[x]
    indices = w.rng.integers(0, kind.shape[0], w.integer(1, 3)).tolist()
    shape = (len(indices), *kind.shape[1:])
    keeping(w, "GATHER", x, [x, w.ints(*indices)], kind.shaped(*shape), axis=0)


def broadcast_to(w: Growing) -> None:
    """BROADCAST_TO with one more dimension."""
    x = w.pick(*MOVED, fits=lambda kind: kind.rank < MAX_RANK)
    shape = (w.integer(1, 3), *w.values[x].shape)
    keeping(w, "BROADCAST_TO", x, [x, w.ints(*shape)], w.values[x].shaped(*shape))


def blocks(op: str) -> Entry:
    """SPACE_TO_DEPTH, DEPTH_TO_SPACE by blocks of two."""

    def add(w: Growing) -> None:
        def fits(kind: Kind) -> bool:
            sides = kind.shape[1:3] if op == "SPACE_TO_DEPTH" else kind.shape[3:]
            return image(kind) and all(side % (2 if len(sides) > 1 else 4) == 0 for side in sides)

        x = w.pick("float32", "int8", fits=fits)
        n, h, width, c = w.values[x].shape
        shape = (n, h // 2, width // 2, c * 4)
        if op == "DEPTH_TO_SPACE":
            shape = (n, h * 2, width * 2, c // 4)
        keeping(w, op, x, [x], w.values[x].shaped(*shape), block_size=2)

    return add


def resize(op: str, *types: str) -> Entry:
    """RESIZE_NEAREST_NEIGHBOR, RESIZE_BILINEAR."""

    def add(w: Growing) -> None:
        x = w.pick(*types, fits=image)
        n, h, width, c = w.values[x].shape
        size = (w.integer(1, h * 2), w.integer(1, width * 2))
        kind = w.values[x].shaped(n, *size, c)
        keeping(w, op, x, [x, w.ints(*size)], kind, half_pixel_centers=w.chance(2))

    return add


def reduce_(op: str, *types: str, keeps_kind: bool = False) -> Entry:
    """MEAN, SUM, REDUCE_MAX and alike, along one or two axes."""

    def add(w: Growing) -> None:
        x = w.pick(*types, fits=some_rank)
        kind = w.values[x]
        count = min(kind.rank, w.integer(1, 2))
        axes = sorted(w.rng.permutation(kind.rank)[:count].tolist())
        keep = w.chance(2)
        shape = [1 if i in axes else side for i, side in enumerate(kind.shape)]
        if not keep:
            shape = [side for i, side in enumerate(kind.shape) if i not in axes]
        out = kind if keeps_kind else w.requantised(kind)
        w.op(op, [x, w.ints(*axes)], out.shaped(*shape), keep_dims=keep)

    return add


def arg(op: str) -> Entry:
    """ARG_MAX, ARG_MIN."""

    def add(w: Growing) -> None:
        x = w.pick("float32", "int8", fits=some_rank)
        kind = w.values[x]
        axis = w.integer(0, kind.rank - 1)
        shape = kind.shape[:axis] + kind.shape[axis + 1 :]
        w.op(op, [x, w.ints(axis)], Kind("int32", shape), output_type="INT32")

    return add


def fill(w: Growing) -> None:
    """FILL with a value that is computed."""
    x = w.pick("float32", "int8", "int32", fits=lambda kind: kind.elements == 1)
    scalar = w.op("RESHAPE", [x], w.values[x].shaped(), new_shape=[])
    shape = (w.integer(1, 4), w.integer(1, 4))
    w.op("FILL", [w.ints(*shape), scalar], w.values[x].shaped(*shape))


def dynamic_update_slice(w: Growing) -> None:
    """DYNAMIC_UPDATE_SLICE: a part of one value into another."""
    x = w.pick(*MOVED, fits=some_rank)
    kind = w.values[x]

    def fits(other: Kind) -> bool:
        if replace(other, shape=kind.shape) != kind or other.rank != kind.rank:
            return False
        return all(a <= b for a, b in zip(other.shape, kind.shape, strict=True))

    update = w.pick(kind.dtype, fits=fits)
    sides = zip(kind.shape, w.values[update].shape, strict=True)
    starts = [w.integer(0, side - part) for side, part in sides]
    w.op("DYNAMIC_UPDATE_SLICE", [x, update, w.ints(*starts)], kind)


ENTRIES: dict[str, Entry] = {
    "RESHAPE": reshape,
    "EXPAND_DIMS": expand_dims,
    "SQUEEZE": squeeze,
    "TRANSPOSE": transpose,
    "CONCATENATION": concatenation,
    "SPLIT": split,
    "SPLIT_V": split_v,
    "SLICE": slice_,
    "STRIDED_SLICE": strided_slice,
    "PAD": pad("PAD", *MOVED),
    "PADV2": pad("PADV2", *MOVED),
    "MIRROR_PAD": pad("MIRROR_PAD", "float32", "int8"),
    "PACK": pack,
    "UNPACK": unpack,
    "REVERSE_V2": reverse,
    "GATHER": gather,
    "BROADCAST_TO": broadcast_to,
    "SPACE_TO_DEPTH": blocks("SPACE_TO_DEPTH"),
    "DEPTH_TO_SPACE": blocks("DEPTH_TO_SPACE"),
    "RESIZE_NEAREST_NEIGHBOR": resize("RESIZE_NEAREST_NEIGHBOR", "float32", "int8", "int16"),
    "RESIZE_BILINEAR": resize("RESIZE_BILINEAR", "float32", "int8"),
    "MEAN": reduce_("MEAN", "float32", "int8", "int16"),
    "SUM": reduce_("SUM", "float32", "int8", "int16"),
    "REDUCE_MAX": reduce_("REDUCE_MAX", "float32", "int8", keeps_kind=True),
    "REDUCE_MIN": reduce_("REDUCE_MIN", "float32", "int8", keeps_kind=True),
    "REDUCE_ALL": reduce_("REDUCE_ALL", "bool"),
    "ARG_MAX": arg("ARG_MAX"),
    "ARG_MIN": arg("ARG_MIN"),
    "FILL": fill,
    "DYNAMIC_UPDATE_SLICE": dynamic_update_slice,
}
