"""MEAN over the middle of [outer, reduce, inner].

Requantisation here and in _add.py and _mul.py: for |v| < 2^29 and a multiplier hi << 16 | lo,
floor((v * multiplier + 2^30) / 2^31) from products of 15 bits, with every intermediate inside
[-2^30, 2^30): no big int on a 32-bit board. It is written out in each loop, because a call costs
more than the sum.
"""

import micropython


@micropython.viper
def mean(a: ptr8, b: ptr8, p: ptr32):
    s = p[0]
    x = a
    r = (p[1] ^ s) - s
    if r < 0:
        x = b
        r = -1 - r
    d = p[2]
    count = p[4]
    inner = p[5]
    offset = ((p[6] ^ s) - s) + (count << 7)
    hi = p[7]
    lo = p[8]
    shift = (p[9] ^ s) - s
    zo = (p[10] ^ s) - s
    for _ in range(p[3]):
        for i in range(inner):
            k = r + i
            v = 0
            for _ in range(count):
                v += x[k] ^ 128
                k += inner
            v -= offset
            if shift > 0:
                v <<= shift
            k = v & 16383
            v >>= 14
            e = v * (lo >> 2) + ((v * (lo & 3) + (k * lo >> 14)) >> 2)
            v = (v * hi + ((k * hi + e + 16384) >> 14)) >> 1
            if shift < 0:
                v = (((v + (v >> 31)) >> (-1 - shift)) + 1) >> 1
            v += zo
            if v < -128:
                v = -128
            if v > 127:
                v = 127
            a[d] = v & 255
            d += 1
        r += count * inner
