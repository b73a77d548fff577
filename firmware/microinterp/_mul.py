"""MUL. How it requantises is told in _mean.py."""

import micropython


@micropython.viper
def mul(a: ptr8, b: ptr8, p: ptr32):
    s = p[0]
    x = a
    r = (p[1] ^ s) - s
    if r < 0:
        x = b
        r = -1 - r
    y = a
    q = (p[3] ^ s) - s
    if q < 0:
        y = b
        q = -1 - q
    d = p[5]
    i = 0
    j = 0
    za = ((p[7] ^ s) - s) + 128
    zb = ((p[8] ^ s) - s) + 128
    hi = p[9]
    lo = p[10]
    shift = (p[11] ^ s) - s
    zo = (p[12] ^ s) - s
    low = (p[13] ^ s) - s
    high = (p[14] ^ s) - s
    for _ in range(p[6]):
        v = ((x[r + i] ^ 128) - za) * ((y[q + j] ^ 128) - zb)
        if shift > 0:
            v <<= shift
        f = v & 16383
        v >>= 14
        e = v * (lo >> 2) + ((v * (lo & 3) + (f * lo >> 14)) >> 2)
        v = (v * hi + ((f * hi + e + 16384) >> 14)) >> 1
        if shift < 0:
            v = (((v + (v >> 31)) >> (-1 - shift)) + 1) >> 1
        v += zo
        if v < low:
            v = low
        if v > high:
            v = high
        a[d] = v & 255
        d += 1
        i += 1
        if i == p[2]:
            i = 0
        j += 1
        if j == p[4]:
            j = 0
