"""Checks of steps with windows: the pools, and what those of CONV and DEPTHWISE have in common.

They get their last argument, the order, as 0 where the file leaves it out. In its place the kernels
find four numbers: 1 or -1 (to the next pixel), the first row, the first column, and what lies
between the end of a pixel's outputs and the beginning of the next pixel's.
"""

from array import array


def sizes(c, p):
    c.counts(p, 5, 17)
    c.within(p, 18, 19, 0, (1 << 29) - 1)
    c.counts(p, 20, 20)


def common(c, p):
    """Places of x and dst, geometry, zero points and limits of both filters."""
    n, ih, iw, ic, oh, ow, oc, kh, kw, sh, sw, dh, dw, pt, pl = p[5:20]
    c.within(p, 21, 21, -128, 127)
    c.clamp(p, 22)
    c.read(p, 1, n * ih * iw * ic)
    c.write(p, 4, n * oh * ow * oc)
    c.position((oh - 1) * sh + (kh - 1) * dh + pt + ih)
    c.position((ow - 1) * sw + (kw - 1) * dw + pl + iw)


def order(c, p, i, dst, rows, columns, size):
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
    order(c, p, 17, 2, oh, ow, channels)


max_pool = average_pool
