"""Checks of the other steps."""


def move(c, p):
    """Innermost dimensions that are contiguous become one run, which is copied in one loop."""
    c.counts(p, 3, 8)
    total = p[3]
    for i in range(4, 9):
        total *= p[i]
    c.need(total <= c.arena, "more bytes than the arena has")
    for base, source in ((9, True), (14, False)):
        lowest = highest = p[1 if source else 2]
        if source and lowest < 0:
            lowest = highest = ~lowest
        for i in range(5):
            if p[4 + i] == 1:
                p[base + i] = 0
            reach = (p[4 + i] - 1) * p[base + i]
            if reach < 0:
                lowest += reach
            else:
                highest += reach
        have = len(c.weights) if source and p[1] < 0 else c.arena
        c.span("source" if source else "destination", lowest, highest - lowest + p[3], have)
    for i in range(8, 3, -1):
        if p[i] > 1 and not p[i + 5] == p[i + 10] == p[3]:
            break
        p[3] *= p[i]
        p[i] = 1
    c.spend(total)


def fill(c, p):
    """p becomes destination, bytes, and the value's bytes at p[4]..p[7]."""
    c.counts(p, 2, 2)
    c.need(p[3] in (1, 2, 4), "element size")
    size, value = p[3], p[4]
    c.write(p, 1, p[2] * size)
    c.spend(p[2] * size)
    p[2] *= size
    p.extend(p[1:4])
    for i in range(4):
        p[4 + i] = value >> 8 * (i % size) & 255


def lut(c, p):
    c.counts(p, 3, 3)
    c.read(p, 1, p[3])
    c.write(p, 2, p[3])
    c.constant(p, 4, 256)
    c.spend(p[3])


def mean(c, p):
    c.counts(p, 3, 5)
    outer, reduce, inner = p[3:6]
    c.read(p, 1, outer * reduce * inner)
    c.write(p, 2, outer * inner)
    c.multiplier(p, 7)
    c.within(p, 10, 10, -128, 127)
    c.need(128 * reduce + abs(p[6]) << max(p[9], 0) < 1 << 29, "sum too wide")
    c.spend(outer * inner * (reduce + 1))


def _operands(c, p, zero_points, clamp):
    for i in (2, 4, 6):
        c.counts(p, i, i)
    c.read(p, 1, p[2])
    c.read(p, 3, p[4])
    c.write(p, 5, p[6])
    c.within(p, zero_points, zero_points + 1, -128, 127)
    c.clamp(p, clamp)
    c.spend(4 * p[6])


def add(c, p):
    _operands(c, p, 8, 19)
    c.within(p, 7, 7, 0, 20)
    for i in (10, 13, 16):
        c.multiplier(p, i, 0)


def mul(c, p):
    _operands(c, p, 7, 12)
    c.multiplier(p, 9, 13)


def softmax(c, p):
    c.counts(p, 3, 4)
    rows, depth = p[3:5]
    c.need(depth <= 2047, "depth")
    c.read(p, 1, rows * depth)
    c.write(p, 2, rows * depth)
    c.constant(p, 5, 1024)
    w, at = c.weights, p[5]
    c.need(bytes(w[at : at + 4]) == b"\xff\xff\xff\x7f", "exp of 0")
    for i in range(at + 3, at + 1024, 4):
        c.need(w[i] < 128, "exp table")
    c.spend(64 * rows * depth)


def dequantize(c, p):
    """The scale becomes its mantissa (p[7], 24 bits) and its biased exponent (p[8])."""
    c.counts(p, 3, 3)
    c.need(p[4] in (1, 2) and p[5] in (0, 1), "type")
    c.within(p, 6, 6, -65535, 65535)
    c.within(p, 7, 7, 1 << 23, (231 << 23) - 1)
    c.read(p, 1, p[3] * p[4])
    c.write(p, 2, p[3] * 4)
    c.spend(16 * p[3])
    p.append(p[7] >> 23)
    p[7] = p[7] & 0x7FFFFF | 0x800000
