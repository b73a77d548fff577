"""Checks of CONV and DEPTHWISE as Thumb kernels read them, and what these find behind the order.

CONV, from p[30] on: wide, channels of a group's input and output, taps, taps with padding, and
segments: the runs of bytes in x that make a row of the filter, and the taps of each.
DEPTHWISE, from p[29] on: wide, scratch, taps, blocks of four channels.
"""

from array import array

from microinterp._check_filter import common, order, sizes
from microinterp._tier import CHANNELS, ENTRY, PATCH, TAPS, WIDE


def _up(n, unit):
    return (n + unit - 1) // unit * unit


def _filter(c, p, filter_bytes, entries, wide, patch, patch_bytes):
    common(c, p)
    c.constant(p, 2, filter_bytes)
    c.constant(p, 3, ENTRY * entries)
    w = c.weights
    for at in range(p[3], p[3] + ENTRY * entries, ENTRY):
        left, right = w[at + (13 if WIDE else 8)], w[at + (12 if WIDE else 9)]
        c.need(left < 31 and right < 32 and not (left and right), "shift")
        c.need(not w[at + 7] >> 7, "multiplier")
    c.need(0 <= wide <= WIDE, "wide")
    c.span("scratch", patch, patch_bytes)
    c.need(not patch & 3, "scratch not aligned")


def conv(c, p):
    sizes(c, p)
    groups, ic, oc, wide = p[20], p[8], p[11], p[27]
    c.need(not ic % groups and not oc % groups, "groups")
    depth, outputs = ic // groups, oc // groups
    taps = p[12] * p[13] * depth
    row = _up(taps, TAPS)
    entries = groups * _up(outputs, CHANNELS)
    _filter(c, p, entries * row, entries, wide, p[25], PATCH * row)
    c.spend(p[5] * p[9] * p[10] * row * (oc + groups))
    segments = 1 if p[17] == 1 and groups == 1 else p[13]
    p = p[:27]
    order(c, p, 26, 4, p[9], p[10], oc)
    p.extend(array("i", (wide, depth, outputs, taps, row, segments, p[13] // segments)))
    return p


def depthwise(c, p, channels=0):
    """channels: of x that the scratch has room for; 0 for all."""
    sizes(c, p)
    taps, ic, oc, wide, patch = p[12] * p[13], p[8], p[11], p[26], p[27]
    c.need(ic * p[20] == oc, "multiplier")
    _filter(c, p, taps * oc, oc, wide, patch, 4 * taps + _up(channels or ic, 4))
    # The kernel keeps addresses there: outputs over them would be read as such.
    end = p[4] + p[5] * p[9] * p[10] * oc
    c.need(end <= patch or patch + 4 * taps <= p[4], "scratch under the destination")
    c.spend(p[5] * p[9] * p[10] * oc * (taps + 1))
    p = p[:26]
    order(c, p, 25, 4, p[9], p[10], oc)
    p.extend(array("i", (wide, patch, taps, oc // 4 if p[20] == 1 else 0)))
    return p


def depthwise_in_place(c, p):
    """p becomes that of a DEPTHWISE of one channel, from scratch to every channels-th byte of dst.

    Then come, for all of them, from p[33] on: pixels, channels, dst, w, the table, an entry's size.
    """
    scratch, pixels = p[4], p[6] * p[7]
    p[4] = p[1]
    p = depthwise(c, p[:25] + array("i", (0, p[25], p[26])), 1)
    c.need(p[5] == 1 and p[20] == 1 and p[9] * p[10] <= pixels, "shape")
    c.span("scratch", scratch, pixels)
    c.spend(pixels * p[8])
    p.extend(array("i", (pixels, p[8], p[4], p[2], p[3], ENTRY)))
    p[1] = scratch
    p[28] = p[8] - 1
    p[32] = 0
    p[8] = p[11] = 1
    return p
