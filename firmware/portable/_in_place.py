"""DEPTHWISE_IN_PLACE: each channel is copied to scratch, and convolved from there to where it was.

All that moves is set anew for each channel, so that an invoke may be interrupted anywhere.
"""

import micropython
from microinterp._depthwise import depthwise


@micropython.viper
def _take(a: ptr8, b: ptr8, p: ptr32):
    i = p[4]
    d = p[1]
    step = p[30]
    for _ in range(p[29]):
        a[d] = a[i]
        d += 1
        i += step


def depthwise_in_place(a, b, p):
    for c in range(p[30]):
        p[4] = p[31] + c
        p[2] = p[32] + c * p[34]
        p[3] = p[33] + c * 12
        _take(a, b, p)
        depthwise(a, b, p)
