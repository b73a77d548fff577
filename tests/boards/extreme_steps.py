"""Random layers with windows of odd shapes: what models hardly have, and nothing forbids.

Kernels and paddings larger than the image, windows wholly outside, strides larger than kernels, one
channel or thousands of taps, sums near 2^31, every shift; x beside dst, under it, or a constant.
"""

from __future__ import annotations

import random
import struct
from dataclasses import astuple

from tests.boards.random_steps import Axis, Case, Geometry, Layout, int8, limits

_MOST_TAPS = 5000
_MOST_WORK = 60_000
_MOST_X = 20_000
_INT32 = 2**31 - 1


def extreme(name: str, rng: random.Random) -> Case:
    """A step of that name: CONV, DEPTHWISE, AVERAGE_POOL or MAX_POOL."""
    pool = name.endswith("POOL")
    while True:
        down, across = _axis(rng, pool), _axis(rng, pool)
        n, groups = rng.choice((1, 1, 2)), 1
        if name == "CONV":
            groups = rng.choice((1, 1, 1, 2, 3, 5))
            depth = rng.choice((1, 1, 2, 3, 4, 5, 8, 31, 300, 1500))
            ic, oc = groups * depth, groups * rng.choice((1, 1, 2, 3, 4, 5, 7, 9))
        else:
            ic = oc = depth = rng.choice((1, 2, 3, 4, 5, 7, 8, 9, 16, 37))
            if name == "DEPTHWISE":
                groups = rng.choice((1, 1, 2, 5))  # its multiplier
                oc, depth = ic * groups, 1
        taps = down.kernel * across.kernel * depth
        work = n * down.outputs * across.outputs * oc * taps
        x_bytes = n * down.size * across.size * ic
        if taps <= _MOST_TAPS and work <= _MOST_WORK and x_bytes <= _MOST_X:
            break
    layout = Layout(rng)
    geometry = Geometry(n, down, across, ic, oc)
    x, dst, order = _places(layout, geometry, x_bytes, n * down.outputs * across.outputs * oc)
    if pool:
        ih, oh, kh, sh, _, pt = astuple(down)
        iw, ow, kw, sw, _, pl = astuple(across)
        args = [x, dst, n, ih, iw, ic, oh, ow, kh, kw, sh, sw, pt, pl, *limits(rng), *order]
    else:
        args = _filter(layout, name, geometry, groups, taps, (x, dst), order)
    layout.take(0)
    return Case((name, args), bytes(layout.arena), bytes(layout.weights), tuple(layout.scratch))


def _axis(rng: random.Random, pool: bool) -> Axis:
    size, kernel = rng.choice((1, 1, 2, 3, 6, 14)), rng.choice((1, 1, 2, 3, 5, 9, 12))
    stride, dilation = rng.choice((1, 1, 2, 5, 13)), rng.choice((1, 1, 2, 7))
    outputs = rng.randint(1, 6)
    if not pool:
        before = rng.choice((0, 0, 1, kernel - 1, kernel * dilation, 40))
        return Axis(size, outputs, kernel, stride, dilation, before)
    before = rng.randrange(kernel)
    most = (size + before - 1) // stride + 1  # windows that have a pixel
    return Axis(size, min(outputs, most), kernel, stride, 1, before)


def _places(
    layout: Layout, geometry: Geometry, x_bytes: int, dst_bytes: int
) -> tuple[int, int, list[int]]:
    """Refs of x and dst: one right behind the other, or as random layers have them."""
    rng = layout.rng
    if rng.random() < 0.5:
        return layout.images(geometry, x_bytes, dst_bytes)
    start = layout.take(x_bytes + dst_bytes)
    order = rng.choice(([], [0], [1])) if geometry.batches == 1 else []
    return (*rng.choice(((start, start + x_bytes), (start + dst_bytes, start))), order)


def _filter(
    layout: Layout,
    name: str,
    geometry: Geometry,
    groups: int,
    taps: int,
    places: tuple[int, int],
    order: list[int],
) -> list[int]:
    """Arguments of CONV, or of DEPTHWISE; groups: its multiplier."""
    rng, conv = layout.rng, name == "CONV"
    n, down, across, ic, oc = (
        geometry.batches,
        geometry.rows,
        geometry.columns,
        geometry.ic,
        geometry.oc,
    )
    zx = int8(rng)
    row = -(-taps // 8) * 8 if conv else taps
    filters = [_weights(rng, taps) for _ in range(oc)]
    table = b"".join(_entry(rng, w, zx, conv) for w in filters)
    if conv:
        w = b"".join(bytes(value + 128 for value in each) + bytes(row - taps) for each in filters)
    else:
        w = bytes(each[tap] + 128 for tap in range(taps) for each in filters)
    ih, oh, kh, sh, dh, pt = astuple(down)
    iw, ow, kw, sw, dw, pl = astuple(across)
    x, dst = places
    args = [x, layout.constant(w), layout.constant(table), dst, n, ih, iw, ic, oh, ow, oc, kh, kw]
    args += [sh, sw, dh, dw, pt, pl, groups, zx, int8(rng), *limits(rng)]
    return [*args, layout.patch(row), *order] if conv else [*args, *order]


def _weights(rng: random.Random, taps: int) -> list[int]:
    kind = rng.randrange(6)
    if kind < 2:
        return [(-128, 127)[kind]] * taps
    return [byte - 128 for byte in rng.randbytes(taps)]


def _entry(rng: random.Random, w: list[int], zx: int, conv: bool) -> bytes:
    """A channel's bias as large as a sum may have, or so that outputs vary; any shift."""
    spread = 128 * 64 * (int(len(w) ** 0.5) + 1)
    shift = rng.randint(-1, 1) - max(spread.bit_length() - 8, 0)
    bias = rng.randint(-spread, spread)
    if rng.random() < 0.4:
        room = _INT32 - 130_050 * len(w)  # neither a sum nor a folded bias leaves 32 bits
        bias = rng.choice((room, -room, rng.randint(-room, room), 1 << 30, -(1 << 30)))
        bias = max(-room, min(room, bias))
        shift = rng.choice((-31, -24, -23, -22, -1, 0, 1, 30, rng.randint(-31, 30)))
    m = rng.choice((rng.randrange(1 << 30, 1 << 31),) * 5 + (0, 1, 1 << 30, _INT32))
    # To a product that ends at 2^31 TFLM adds the zero point with undefined overflow.
    m = min(m, _INT32 - 255) if shift >= 0 else m
    if conv:
        bias += -(128 + zx) * sum(value + 128 for value in w) + 128 * (128 + zx) * len(w)
    left, right = max(shift, 0), max(-shift, 0)
    return struct.pack("<iHHBBH", bias, m >> 15, m & 0x7FFF, left, right, 0)
