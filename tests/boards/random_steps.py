"""Random steps of every kind, with their weights and an arena to run in."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import astuple, dataclass, field

from tests.boards.packed_builder import Packed, one_step
from tests.boards.step_reference import Step


@dataclass(frozen=True)
class Axis:
    """Rows, or columns: as in steps.md."""

    size: int
    outputs: int
    kernel: int
    stride: int
    dilation: int
    before: int

    def reads(self, output: int) -> tuple[int, int]:
        """The first and the last pixel that an output may read."""
        first = output * self.stride - self.before
        last = first + (self.kernel - 1) * self.dilation
        return max(first, 0), min(last, self.size - 1)


@dataclass(frozen=True)
class Geometry:
    """Which input pixels each output pixel of a layer reads; channels of each."""

    batches: int
    rows: Axis
    columns: Axis
    ic: int
    oc: int

    def _reads(self) -> tuple[int, list[tuple[int, int]]]:
        """Bytes of an output row, and which bytes of x each reads; of pixels where it has one."""
        if self.rows.outputs > 1:
            unit, count = self.columns.outputs * self.oc, self.rows.outputs
            spans = [(*self.rows.reads(i), 0, self.columns.size - 1) for i in range(count)]
        else:
            unit, count = self.oc, self.columns.outputs
            spans = [(*self.rows.reads(0), *self.columns.reads(i)) for i in range(count)]
        pixels = self.columns.size
        return unit, [
            ((top * pixels + left) * self.ic, (bottom * pixels + right + 1) * self.ic)
            for top, bottom, left, right in spans
        ]

    def closest(self, backward: bool) -> int:
        """How far dst lies behind x at least, or (forward) at most: what is negative is before."""
        unit, reads = self._reads()
        first, ends = zip(*reads, strict=True)
        if backward:
            return max(max(ends[: i + 1]) - i * unit for i in range(len(reads)))
        return min(min(first[i:]) - (i + 1) * unit for i in range(len(reads)))

    def allows(self, away: int, backward: bool) -> bool:
        """True if no output row lies over what it or one after it reads, dst being `away` of x."""
        unit, reads = self._reads()
        places = range(away, away + unit * len(reads), unit)
        pairs = list(zip(places, reads, strict=True))[:: -1 if backward else 1]
        return not any(
            place < end and first < place + unit
            for i, (place, _) in enumerate(pairs)
            for _, (first, end) in pairs[i:]
        )


@dataclass
class Layout:
    """Places in arena and weights, given out one after the other with gaps between.

    most: how many times as many channels a layer may have.
    """

    rng: random.Random
    most: int = 1
    arena: bytearray = field(default_factory=bytearray)
    weights: bytearray = field(default_factory=bytearray)
    scratch: list[tuple[int, int]] = field(default_factory=list)

    def take(self, nbytes: int) -> int:
        """Ref of random bytes in the arena, at any alignment: the board reads bytes there."""
        self.arena += self.rng.randbytes(self.rng.randrange(6))
        at = len(self.arena)
        self.arena += self.rng.randbytes(nbytes)
        return at

    def images(
        self, geometry: Geometry, x_bytes: int, dst_bytes: int
    ) -> tuple[int, int, list[int]]:
        """Refs of x and dst, and the order if there is one: now and then they share bytes.

        Then they lie as close as the order allows.
        """
        order = self.rng.choice(([], [0], [1])) if geometry.batches == 1 else []
        if geometry.batches > 1 or self.rng.random() < 0.4:
            return self.source(x_bytes), self.take(dst_bytes), order
        away = geometry.closest(bool(sum(order)))
        first = min(0, away)
        start = self.take(max(x_bytes, away + dst_bytes) - first) - first
        return start, start + away, order

    def patch(self, nbytes: int) -> int:
        """Scratch, whose contents are nobody's business."""
        self.scratch.append((self.take(nbytes), nbytes))
        return self.scratch[-1][0]

    def constant(self, data: bytes) -> int:
        """Ref of data in the weights."""
        self.weights += bytes(-len(self.weights) % 16)
        at = len(self.weights)
        self.weights += data
        return ~at

    def source(self, nbytes: int) -> int:
        """Random bytes in the arena or the weights."""
        if self.rng.random() < 0.25:
            return self.constant(self.rng.randbytes(nbytes))
        return self.take(nbytes)


@dataclass(frozen=True)
class Case:
    """A step to run; bytes of `scratch` are not compared."""

    step: Step
    arena: bytes
    weights: bytes
    scratch: tuple[tuple[int, int], ...]

    @property
    def packed(self) -> Packed:
        """A model of this step alone."""
        return one_step(len(self.arena), self.step, self.weights)


def make(name: str, rng: random.Random, most: int = 1) -> Case:
    """A random step of that name, with up to `most` times as many channels as usual."""
    layout = Layout(rng, most)
    args = MAKERS[name](layout, rng)
    layout.take(0)
    return Case((name, args), bytes(layout.arena), bytes(layout.weights), tuple(layout.scratch))


def multiplier(rng: random.Random, shift: int) -> list[int]:
    """hi, lo, shift; now and then not normalised, as MEAN's are."""
    m = rng.choice((rng.randrange(2**30, 2**31), rng.randrange(2**31), 2**31 - 1, 0))
    m = m if rng.random() < 0.3 else rng.randrange(2**30, 2**31)
    return [m >> 15, m & 32767, shift]


def limits(rng: random.Random) -> list[int]:
    """Clamp limits."""
    if rng.random() < 0.8:
        return [-128, 127]
    return sorted((rng.randint(-128, 127), rng.randint(-128, 127)))


def int8(rng: random.Random) -> int:
    """A zero point, often an extreme one."""
    return rng.choice((-128, 127, 0, rng.randint(-128, 127)))


def channels(rng: random.Random, count: int, spread: int, widest: int) -> bytes:
    """A channel table for sums of about `spread`, at most `widest`, that mostly do not saturate."""
    table = b""
    for _ in range(count):
        bias = rng.randint(-spread, spread)
        shift = rng.randint(-2, 0) - max(spread.bit_length() - 8, 0)
        if rng.random() < 0.15:
            shift = rng.randint(-31, 8)
        while shift > 0 and (widest + abs(bias)) << shift >= 2**29:
            shift -= 1
        hi, lo, _ = multiplier(rng, 0)
        table += struct.pack("<iHHBBH", bias, hi, lo, max(shift, 0), max(-shift, 0), 0)
    return table


def window(rng: random.Random, dilated: bool) -> Axis:
    """One axis of an image."""
    size, kernel, stride = rng.randint(1, 6), rng.randint(1, 4), rng.randint(1, 3)
    dilation = rng.randint(1, 2) if dilated else 1
    before = rng.randint(0, kernel - 1)
    reach = (kernel - 1) * dilation + 1
    outputs = max((size + before + rng.randint(0, kernel - 1) - reach) // stride + 1, 1)
    while (outputs - 1) * stride - before >= size:
        outputs -= 1
    return Axis(size, outputs, kernel, stride, dilation, before)


def filter_args(layout: Layout, rng: random.Random, depthwise: bool) -> list[int]:
    """Arguments of CONV or DEPTHWISE."""
    n = rng.randint(1, 2)
    down, across = window(rng, True), window(rng, True)
    ih, oh, kh, sh, dh, pt = astuple(down)
    iw, ow, kw, sw, dw, pl = astuple(across)
    if depthwise:
        many = rng.randint(1, 9 * layout.most), 1
        ic, factor = rng.choice((many, (rng.randint(1, 3), rng.randint(1, 3))))
        oc, taps, rows = ic * factor, kh * kw, kh * kw
        row = oc
    else:
        factor = rng.choice((1, 1, 2, 3))
        ic, oc = (factor * rng.randint(1, n * layout.most) for n in (5, 4))
        taps, rows = kh * kw * ic // factor, oc
        row = (taps + 7) // 8 * 8
    zx = int8(rng)
    weights = bytearray(rng.randbytes(rows * row))
    if not depthwise:
        for o in range(rows):
            weights[o * row + taps : (o + 1) * row] = bytes(row - taps)
    spread = 128 * 64 * (int(taps**0.5) + 1)
    table = bytearray()
    worst = (32640 if depthwise else 65025) * taps
    for o in range(oc):
        entry = bytearray(channels(rng, 1, spread, worst))
        if not depthwise:
            (bias,) = struct.unpack_from("<i", entry)
            total = sum(weights[o * row : (o + 1) * row])
            bias += -(128 + zx) * total + 128 * (128 + zx) * taps
            struct.pack_into("<i", entry, 0, bias)
            while (worst + abs(bias)) << entry[8] >= 2**29:
                entry[8] -= 1
        table += entry
    geometry = Geometry(n, down, across, ic, oc)
    x, dst, order = layout.images(geometry, n * ih * iw * ic, n * oh * ow * oc)
    args = [x, layout.constant(bytes(weights)), layout.constant(bytes(table)), dst]
    args += [n, ih, iw, ic, oh, ow, oc, kh, kw, sh, sw, dh, dw]
    args += [pt, pl, factor, zx, int8(rng), *limits(rng)]
    return [*args, *order] if depthwise else [*args, layout.patch(row), *order]


def conv(layout: Layout, rng: random.Random) -> list[int]:
    """CONV."""
    return filter_args(layout, rng, depthwise=False)


def depthwise(layout: Layout, rng: random.Random) -> list[int]:
    """DEPTHWISE."""
    return filter_args(layout, rng, depthwise=True)


def depthwise_in_place(layout: Layout, rng: random.Random) -> list[int]:
    """DEPTHWISE_IN_PLACE: what suits it of a DEPTHWISE."""
    while True:
        trial = Layout(rng, layout.most)
        x, w, table, _, *rest = filter_args(trial, rng, depthwise=True)
        n, ih, iw, ic, oh, ow, oc = rest[:7]
        taps = rest[7] * rest[8]
        if n == 1 and ic == oc and oh * ow <= ih * iw:
            break
    weights = [bytes(trial.weights[~at:][:size]) for at, size in ((w, taps * oc), (table, 12 * oc))]
    x, (w, table) = layout.take(ih * iw * ic), map(layout.constant, weights)
    return [x, w, table, layout.patch(ih * iw), *rest[:20]]


def pool(layout: Layout, rng: random.Random) -> list[int]:
    """Either pool."""
    n, channels_ = rng.randint(1, 2), rng.randint(1, 5 * layout.most)
    rows, columns = window(rng, False), window(rng, False)
    ih, oh, kh, sh, _, pt = astuple(rows)
    iw, ow, kw, sw, _, pl = astuple(columns)
    geometry = Geometry(n, rows, columns, channels_, channels_)
    x, dst, order = layout.images(geometry, n * ih * iw * channels_, n * oh * ow * channels_)
    args = [x, dst, n, ih, iw, channels_, oh, ow, kh, kw, sh, sw, pt, pl, *limits(rng)]
    return [*args, *order]


def copy(layout: Layout, rng: random.Random) -> list[int]:
    """COPY."""
    n = rng.randint(1, 40)
    return [layout.source(n), layout.take(n), n]


def move(layout: Layout, rng: random.Random) -> list[int]:
    """MOVE: a source of any order and direction, a destination whose elements do not overlap."""
    esize = rng.choice((1, 2, 4, 8))
    counts = [rng.choice((1, 1, 2, 3)) for _ in range(5)]
    strides, span = [0] * 5, esize
    order = [0, 1, 2, 3, 4] if rng.random() < 0.3 else rng.sample(range(5), 5)
    for axis in reversed(order):
        strides[axis] = span + rng.choice((0, 0, 1))
        span = strides[axis] * (counts[axis] - 1) + span
    sources = list(strides) if rng.random() < 0.4 else [rng.randint(-9, 9) for _ in range(5)]
    reach = [(n - 1) * s for n, s in zip(counts, sources, strict=True)]
    below, above = -sum(min(r, 0) for r in reach), sum(max(r, 0) for r in reach) + esize
    room = layout.source(below + above)
    x = room + below if room >= 0 else room - below
    total = esize
    for n in counts:
        total *= n
    dst = layout.take(span)
    layout.take(total)  # the whole must be no more than the arena
    return [x, dst, esize, *counts, *sources, *strides]


def fill(layout: Layout, rng: random.Random) -> list[int]:
    """FILL."""
    count, esize = rng.randint(1, 20), rng.choice((1, 2, 4))
    value = rng.choice((-1, 0, -(2**31), rng.randint(-(2**31), 2**31 - 1)))
    return [layout.take(count * esize), count, esize, value]


def lut(layout: Layout, rng: random.Random) -> list[int]:
    """LUT, now and then in place."""
    n = rng.randint(1, 300)
    x = layout.source(n)
    dst = x if x >= 0 and rng.random() < 0.3 else layout.take(n)
    return [x, dst, n, layout.constant(rng.randbytes(256))]


def mean(layout: Layout, rng: random.Random) -> list[int]:
    """MEAN."""
    outer, reduce, inner = rng.randint(1, 3), rng.randint(1, 20), rng.randint(1, 4)
    zn = rng.randint(-128, 127) * reduce
    shift = rng.randint(-6, 3) - reduce.bit_length()
    x, dst = layout.source(outer * reduce * inner), layout.take(outer * inner)
    return [x, dst, outer, reduce, inner, zn, *multiplier(rng, shift), int8(rng)]


def operands(layout: Layout, rng: random.Random) -> list[int]:
    """a, na, b, nb, dst, n of ADD and MUL: equal sizes, or one that repeats."""
    n = rng.randint(1, 40 * layout.most)
    na, nb = rng.choice(((n, n), (n, 1), (1, n), (n, max(n // 3, 1))))
    a, b = layout.source(na), layout.source(nb)
    dst = a if a >= 0 and na == n and rng.random() < 0.3 else layout.take(n)
    return [a, na, b, nb, dst, n]


def add(layout: Layout, rng: random.Random) -> list[int]:
    """ADD."""
    args = [*operands(layout, rng), 20, int8(rng), int8(rng)]
    for low, high in ((-3, 0), (-3, 0), (-22, -18)):
        shift = rng.randint(low, high) if rng.random() < 0.9 else rng.randint(-31, 0)
        args += multiplier(rng, shift)
    return [*args, int8(rng), *limits(rng)]


def mul(layout: Layout, rng: random.Random) -> list[int]:
    """MUL."""
    shift = rng.randint(-10, -4) if rng.random() < 0.8 else rng.randint(-31, 13)
    args = [*operands(layout, rng), int8(rng), int8(rng), *multiplier(rng, shift)]
    return [*args, int8(rng), *limits(rng)]


def exp_table(rng: random.Random) -> bytes:
    """A falling table that starts at 1 in Q0.31 and may end in zeros."""
    value, entries, factor = 2**31 - 1, [], rng.uniform(0.5, 0.999)
    for _ in range(256):
        entries.append(value)
        value = int(value * factor)
    cut = rng.randint(1, 256)
    return struct.pack("<256I", *entries[:cut], *[0] * (256 - cut))


def softmax(layout: Layout, rng: random.Random) -> list[int]:
    """SOFTMAX."""
    rows, depth = rng.randint(1, 3), rng.choice((1, 2, 3, 10, 12, 37))
    x = layout.source(rows * depth)
    dst = layout.take(rows * depth)
    return [x, dst, rows, depth, layout.constant(exp_table(rng))]


def dequantize(layout: Layout, rng: random.Random) -> list[int]:
    """DEQUANTIZE."""
    n, esize = rng.randint(1, 30), rng.choice((1, 2))
    scale = rng.randrange(1 << 23, 230 << 23)
    if rng.random() < 0.5:
        scale = (127 - rng.randint(0, 12) << 23) | rng.getrandbits(23)
    zero_point = rng.choice((0, -128, 127, 255, 65535, -65535, rng.randint(-128, 127)))
    x, dst = layout.source(n * esize), layout.take(4 * n)
    return [x, dst, n, esize, rng.randint(0, 1), zero_point, scale]


MAKERS: dict[str, Callable[[Layout, random.Random], list[int]]] = {
    "COPY": copy,
    "MOVE": move,
    "FILL": fill,
    "LUT": lut,
    "CONV": conv,
    "DEPTHWISE": depthwise,
    "AVERAGE_POOL": pool,
    "MAX_POOL": pool,
    "MEAN": mean,
    "ADD": add,
    "MUL": mul,
    "SOFTMAX": softmax,
    "DEQUANTIZE": dequantize,
    "DEPTHWISE_IN_PLACE": depthwise_in_place,
}
