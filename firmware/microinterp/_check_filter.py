"""Checks of steps with windows: CONV, DEPTHWISE and the pools.

They get their last argument, the order, as 0 where the file leaves it out. In its place the kernels
find four numbers: 1 or -1 (to the next pixel), the first row, the first column, and what lies
between the end of a pixel's outputs and the beginning of the next pixel's.
"""

from array import array


def _filter(c, p, rows, row, worst):
    """Common to both filters.

    rows: of w', of `row` bytes; worst: of an accumulator without its bias.
    """
    n, ih, iw, ic, oh, ow, oc, kh, kw, sh, sw, dh, dw, pt, pl = p[5:20]
    c.within(p, 21, 21, -128, 127)
    c.clamp(p, 22)
    c.read(p, 1, n * ih * iw * ic)
    c.constant(p, 2, rows * row)
    c.constant(p, 3, 12 * oc)
    c.write(p, 4, n * oh * ow * oc)
    c.position((oh - 1) * sh + (kh - 1) * dh + pt + ih)
    c.position((ow - 1) * sw + (kw - 1) * dw + pl + iw)
    c.channels(p[3], oc, worst)


def _order(c, p, i, dst, rows, columns, size):
    """The order p[i] of images of so many pixels of `size` bytes at p[dst]."""
    backward = p[i]
    c.within(p, i, i, 0, 1)
    if backward:
        c.need(p[dst + 1] == 1, "order")
        p[i] = -1
        p[dst] += (rows * columns - 1) * size
        p.extend(array("i", (rows - 1, columns - 1, -2 * size)))
    else:
        p[i] = 1
        p.extend(array("i", (0, 0, 0)))


def _sizes(c, p):
    c.counts(p, 5, 17)
    c.within(p, 18, 19, 0, (1 << 29) - 1)
    c.counts(p, 20, 20)


def conv(c, p):
    _sizes(c, p)
    groups, ic, oc = p[20], p[8], p[11]
    c.need(not ic % groups and not oc % groups, "groups")
    taps = p[12] * p[13] * (ic // groups)
    row = taps + 7 & -8
    _filter(c, p, oc, row, 65025 * taps)
    c.write(p, 25, row)
    c.spend(p[5] * p[9] * p[10] * row * (oc + groups))
    _order(c, p, 26, 4, p[9], p[10], oc)


def depthwise(c, p):
    _sizes(c, p)
    taps, oc = p[12] * p[13], p[11]
    c.need(p[8] * p[20] == oc, "multiplier")
    _filter(c, p, taps, oc, 32640 * taps)
    c.spend(p[5] * p[9] * p[10] * oc * (taps + 1))
    _order(c, p, 25, 4, p[9], p[10], oc)


def depthwise_in_place(c, p):
    """p becomes that of a DEPTHWISE of one channel, from scratch to every p[30]th byte of dst.

    Then come, for all of them: the channels, dst, w, the table, and taps.
    """
    scratch, pixels = p[4], p[6] * p[7]
    p[4] = p[1]
    p.extend(array("i", (0,)))
    depthwise(c, p)
    c.need(p[5] == 1 and p[20] == 1 and p[9] * p[10] <= pixels, "shape")
    c.span("scratch", scratch, pixels)
    c.spend(pixels * p[8])
    p.extend(array("i", (pixels, p[8], p[4], p[2], p[3], p[12] * p[13])))
    p[1] = scratch
    p[28] = p[8] - 1
    p[8] = p[11] = 1


def average_pool(c, p):
    n, ih, iw, channels, oh, ow, kh, kw, sh, sw, pt, pl = p[3:15]
    c.counts(p, 3, 12)
    c.within(p, 13, 14, 0, (1 << 29) - 1)
    c.within(p, 15, 16, -128, 127)
    c.need(p[15] <= p[16], "clamp limits")
    c.read(p, 1, n * ih * iw * channels)
    c.write(p, 2, n * oh * ow * channels)
    # The first and the last window have a tap inside, hence all have.
    c.need(pt < kh and pl < kw and (oh - 1) * sh - pt < ih and (ow - 1) * sw - pl < iw, "window")
    c.position((oh - 1) * sh + kh + pt)
    c.position((ow - 1) * sw + kw + pl)
    taps = min(kh, ih) * min(kw, iw)
    c.need(taps < 1 << 21, "sum too wide")
    c.spend(n * oh * ow * channels * (taps + 1))
    _order(c, p, 17, 2, oh, ow, channels)


max_pool = average_pool
