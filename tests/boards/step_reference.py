"""schemas/steps.md in plain Python ints, loop by loop: what the board's kernels are tested against.

Nothing here is derived from the firmware or from the host's kernels. A step reads all before it
writes: where its output may lie over its input, the order of pixels makes no difference to that.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from itertools import product
from typing import TypeAlias

Step: TypeAlias = tuple[str, Sequence[int]]
NAMES = (
    "COPY",
    "MOVE",
    "FILL",
    "LUT",
    "CONV",
    "DEPTHWISE",
    "AVERAGE_POOL",
    "MAX_POOL",
    "MEAN",
    "ADD",
    "MUL",
    "SOFTMAX",
    "DEQUANTIZE",
    "CALL_ONCE",
    "DEPTHWISE_IN_PLACE",
)
CODES = {name: number for number, name in enumerate(NAMES, start=1)}


def run(subgraphs: Sequence[Sequence[Step]], arena: bytearray, weights: bytes) -> None:
    """One invoke."""
    _run(0, subgraphs, arena, weights)


def _run(
    number: int, subgraphs: Sequence[Sequence[Step]], arena: bytearray, weights: bytes
) -> None:
    for name, args in subgraphs[number]:
        if name == "CALL_ONCE":
            subgraph, flag = args
            if arena[flag] == 0:
                _run(subgraph, subgraphs, arena, weights)
                arena[flag] = 1
        else:
            KERNELS[name](Memory(arena, weights), *args)


class Memory:
    """Reads by ref, writes to the arena."""

    def __init__(self, arena: bytearray, weights: bytes) -> None:
        self.arena, self.weights = arena, weights

    def bytes_at(self, ref: int, n: int) -> bytes:
        """Exactly n bytes."""
        data = bytes(self.arena[ref : ref + n] if ref >= 0 else self.weights[~ref : ~ref + n])
        assert len(data) == n
        return data

    def int8_at(self, ref: int, n: int) -> list[int]:
        """n int8 values."""
        return list(struct.unpack(f"{n}b", self.bytes_at(ref, n)))

    def write(self, ref: int, data: bytes) -> None:
        """Bytes to the arena."""
        assert 0 <= ref <= len(self.arena) - len(data)
        self.arena[ref : ref + len(data)] = data


def half_away(numerator: int, denominator: int) -> int:
    """The nearest integer to a quotient, halves away from zero."""
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return magnitude if numerator >= 0 else -magnitude


def half_up(numerator: int, denominator: int) -> int:
    """The nearest integer to a quotient, halves up."""
    return (2 * numerator + denominator) // (2 * denominator)


def wrap32(x: int) -> int:
    """x as a wrapped int32."""
    return (x + 2**31) % 2**32 - 2**31


def rq(x: int, multiplier: int, shift: int) -> int:
    """TFLM's double rounding: halves up in the product, away from zero in the right shift."""
    shifted = wrap32(x * 2 ** max(shift, 0))
    return half_away(half_up(shifted * multiplier, 2**31), 2 ** max(-shift, 0))


def clamp(x: int, low: int, high: int) -> int:
    """x limited to low..high."""
    return min(max(x, low), high)


def int8_bytes(values: Sequence[int]) -> bytes:
    """int8 values as bytes."""
    return struct.pack(f"{len(values)}b", *values)


def channel(data: bytes) -> tuple[int, int, int]:
    """Bias, multiplier and shift of one entry of a channel table."""
    bias, hi, lo, left, right, zero = struct.unpack("<iHHBBH", data)
    assert lo < 32768
    assert zero == 0
    assert left == 0 or right == 0
    return bias, hi << 15 | lo, left - right


def copy(m: Memory, x: int, dst: int, nbytes: int) -> None:
    """COPY."""
    m.write(dst, m.bytes_at(x, nbytes))


def move(m: Memory, x: int, dst: int, esize: int, *rest: int) -> None:
    """MOVE."""
    counts, sources, targets = rest[:5], rest[5:10], rest[10:]
    base = ~x if x < 0 else x
    for index in product(*(range(n) for n in counts)):
        at = base + sum(i * s for i, s in zip(index, sources, strict=True))
        to = dst + sum(i * s for i, s in zip(index, targets, strict=True))
        assert at >= 0
        m.write(to, m.bytes_at(~at if x < 0 else at, esize))


def fill(m: Memory, dst: int, count: int, esize: int, value: int) -> None:
    """FILL."""
    m.write(dst, (value % 256**esize).to_bytes(esize, "little") * count)


def lut(m: Memory, x: int, dst: int, n: int, table: int) -> None:
    """LUT."""
    entries = m.bytes_at(table, 256)
    m.write(dst, bytes(entries[v] for v in m.bytes_at(x, n)))


def conv(m: Memory, x: int, w: int, table: int, dst: int, *rest: int) -> None:
    """CONV, from the formula with x' and w'; the patch is not written here."""
    batches, ih, iw, ic, oh, ow, oc, kh, kw, sh, sw, dh, dw, pt, pl, groups = rest[:16]
    zx, zo, low, high, _patch, *_order = rest[16:]
    depth, taps = ic // groups, kh * kw * (ic // groups)
    row = -(-taps // 8) * 8
    source, out = m.int8_at(x, batches * ih * iw * ic), []
    for n, oy, ox, o in product(range(batches), range(oh), range(ow), range(oc)):
        bias, multiplier, shift = channel(m.bytes_at(table - 12 * o, 12))
        weights = m.bytes_at(w - row * o, row)
        first = o // (oc // groups) * depth
        acc = bias
        for tap, (ky, kx, c) in enumerate(product(range(kh), range(kw), range(depth))):
            y, xx = oy * sh - pt + ky * dh, ox * sw - pl + kx * dw
            inside = 0 <= y < ih and 0 <= xx < iw
            value = source[((n * ih + y) * iw + xx) * ic + first + c] if inside else zx
            acc += (value + 128) * weights[tap] - 128 * (value + 128)
        out.append(clamp(rq(acc, multiplier, shift) + zo, low, high))
    m.write(dst, int8_bytes(out))


def depthwise(m: Memory, x: int, w: int, table: int, dst: int, *rest: int) -> None:
    """DEPTHWISE."""
    taps, channels = rest[7] * rest[8], rest[6]
    _depthwise(m, x, m.bytes_at(w, taps * channels), table, dst, *rest)


def depthwise_in_place(m: Memory, x: int, w: int, table: int, scratch: int, *rest: int) -> None:
    """DEPTHWISE_IN_PLACE; the scratch is not written here."""
    taps, channels = rest[7] * rest[8], rest[6]
    by_channel = m.bytes_at(w, taps * channels)
    by_tap = bytes(by_channel[c * taps + tap] for tap in range(taps) for c in range(channels))
    _depthwise(m, x, by_tap, table, x, *rest)


def _depthwise(m: Memory, x: int, weights: bytes, table: int, dst: int, *rest: int) -> None:
    batches, ih, iw, ic, oh, ow, oc, kh, kw, sh, sw, dh, dw, pt, pl, multiples = rest[:16]
    zx, zo, low, high, *_order = rest[16:]
    source, out = m.int8_at(x, batches * ih * iw * ic), []
    for n, oy, ox, o in product(range(batches), range(oh), range(ow), range(oc)):
        acc, multiplier, shift = channel(m.bytes_at(table - 12 * o, 12))
        for ky, kx in product(range(kh), range(kw)):
            y, xx = oy * sh - pt + ky * dh, ox * sw - pl + kx * dw
            if 0 <= y < ih and 0 <= xx < iw:
                value = source[((n * ih + y) * iw + xx) * ic + o // multiples]
                acc += (value - zx) * (weights[(ky * kw + kx) * oc + o] - 128)
        out.append(clamp(rq(acc, multiplier, shift) + zo, low, high))
    m.write(dst, int8_bytes(out))


def _pool(combine: Callable[[list[int]], int], m: Memory, x: int, dst: int, *rest: int) -> None:
    batches, ih, iw, channels, oh, ow, kh, kw, sh, sw, pt, pl, low, high, *_order = rest
    source, out = m.int8_at(x, batches * ih * iw * channels), []
    for n, oy, ox, c in product(range(batches), range(oh), range(ow), range(channels)):
        window = [
            source[((n * ih + y) * iw + xx) * channels + c]
            for y in range(oy * sh - pt, oy * sh - pt + kh)
            for xx in range(ox * sw - pl, ox * sw - pl + kw)
            if 0 <= y < ih and 0 <= xx < iw
        ]
        out.append(clamp(combine(window), low, high))
    m.write(dst, int8_bytes(out))


def average_pool(m: Memory, *args: int) -> None:
    """AVERAGE_POOL."""
    _pool(lambda window: half_away(sum(window), len(window)), m, *args)


def max_pool(m: Memory, *args: int) -> None:
    """MAX_POOL."""
    _pool(max, m, *args)


def mean(m: Memory, x: int, dst: int, outer: int, reduce: int, inner: int, *rest: int) -> None:
    """MEAN."""
    zn, hi, lo, shift, zo = rest
    source, out = m.int8_at(x, outer * reduce * inner), []
    for o, i in product(range(outer), range(inner)):
        total = sum(source[(o * reduce + r) * inner + i] for r in range(reduce)) - zn
        out.append(clamp(rq(total, hi << 15 | lo, shift) + zo, -128, 127))
    m.write(dst, int8_bytes(out))


def add(m: Memory, a: int, na: int, b: int, nb: int, dst: int, n: int, *rest: int) -> None:
    """ADD."""
    left_shift, za, zb, *multipliers, zo, low, high = rest
    (a_m, a_s), (b_m, b_s), (o_m, o_s) = (
        (hi << 15 | lo, shift)
        for hi, lo, shift in (multipliers[:3], multipliers[3:6], multipliers[6:])
    )
    av, bv, out = m.int8_at(a, na), m.int8_at(b, nb), []
    for i in range(n):
        total = rq((av[i % na] - za) * 2**left_shift, a_m, a_s)
        total += rq((bv[i % nb] - zb) * 2**left_shift, b_m, b_s)
        out.append(clamp(rq(total, o_m, o_s) + zo, low, high))
    m.write(dst, int8_bytes(out))


def mul(m: Memory, a: int, na: int, b: int, nb: int, dst: int, n: int, *rest: int) -> None:
    """MUL."""
    za, zb, hi, lo, shift, zo, low, high = rest
    av, bv, out = m.int8_at(a, na), m.int8_at(b, nb), []
    for i in range(n):
        acc = (av[i % na] - za) * (bv[i % nb] - zb)
        out.append(clamp(rq(acc, hi << 15 | lo, shift) + zo, low, high))
    m.write(dst, int8_bytes(out))


def softmax(m: Memory, x: int, dst: int, rows: int, depth: int, exp: int) -> None:
    """SOFTMAX: gemmlowp's reciprocal, then the rounded quotient."""
    table = struct.unpack("<256I", m.bytes_at(exp, 1024))
    source, out = m.int8_at(x, rows * depth), []
    for row in range(rows):
        values = source[row * depth : (row + 1) * depth]
        exps = [table[max(values) - v] for v in values]
        total = sum(half_away(e, 2**12) for e in exps)
        headroom = 32 - total.bit_length()
        fraction = (total << headroom) - 2**31
        half = half_away(fraction + 2**31 - 1, 2)
        guess = 1515870810 + half_up(half * -1010580540, 2**31)
        for _ in range(3):
            guess += half_up(guess * (2**29 - half_up(half * guess, 2**31)), 2**31) * 4
        scale = min(2 * guess, 2**31 - 1)
        shift = 12 - headroom + 31 - 8
        quotients = [half_away(half_up(scale * e, 2**31), 2**shift) for e in exps]
        out += [clamp(q - 128, -128, 127) for q in quotients]
    m.write(dst, int8_bytes(out))


def dequantize(
    m: Memory, x: int, dst: int, n: int, esize: int, unsigned: int, zero_point: int, scale: int
) -> None:
    """DEQUANTIZE: the product is exact in a Python float, and packing rounds it once."""
    (factor,) = struct.unpack("<f", scale.to_bytes(4, "little"))
    kind = {(1, 0): "b", (1, 1): "B", (2, 0): "h", (2, 1): "H"}[esize, unsigned]
    values = struct.unpack(f"<{n}{kind}", m.bytes_at(x, n * esize))
    m.write(dst, struct.pack(f"<{n}f", *((v - zero_point) * factor for v in values)))


KERNELS: dict[str, Callable[..., None]] = {
    name: globals()[name.lower()] for name in NAMES if name != "CALL_ONCE"
}
