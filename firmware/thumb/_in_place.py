"""DEPTHWISE_IN_PLACE: each channel is copied to scratch, and convolved from there to where it was.

All that moves is set anew for each channel, so that an invoke may be interrupted anywhere.
"""

import micropython
from microinterp._depthwise import depthwise


@micropython.viper
def _take(a: ptr8, p: ptr32):
    i = p[4]
    d = p[1]
    step = p[34]
    for _ in range(p[33]):
        a[d] = a[i]
        d += 1
        i += step


def depthwise_in_place(a, b, p):
    for c in range(p[34]):
        p[4] = p[35] + c
        p[2] = p[36] + c * p[31]
        p[3] = p[37] + c * p[38]
        _take(a, p)
        depthwise(a, b, p)
