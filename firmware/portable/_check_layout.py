"""Checks of CONV and DEPTHWISE in the portable layout, that of bytecode and viper kernels."""

from array import array

from microinterp._check_filter import common, order, sizes


def _filter(c, p, rows, row, worst):
    """Common to both filters.

    rows: of w', of `row` bytes; worst: of an accumulator without its bias.
    """
    common(c, p)
    c.constant(p, 2, rows * row)
    c.constant(p, 3, 12 * p[11])
    c.channels(p[3], p[11], worst)


def conv(c, p):
    sizes(c, p)
    groups, ic, oc = p[20], p[8], p[11]
    c.need(not ic % groups and not oc % groups, "groups")
    taps = p[12] * p[13] * (ic // groups)
    row = taps + 7 & -8
    _filter(c, p, oc, row, 65025 * taps)
    c.write(p, 25, row)
    c.spend(p[5] * p[9] * p[10] * row * (oc + groups))
    order(c, p, 26, 4, p[9], p[10], oc)


def depthwise(c, p):
    sizes(c, p)
    taps, oc = p[12] * p[13], p[11]
    c.need(p[8] * p[20] == oc, "multiplier")
    _filter(c, p, taps, oc, 32640 * taps)
    c.spend(p[5] * p[9] * p[10] * oc * (taps + 1))
    order(c, p, 25, 4, p[9], p[10], oc)


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
