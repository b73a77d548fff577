"""ADD. How it requantises is told in _mean.py."""

import micropython


@micropython.viper
def add(a: ptr8, b: ptr8, p: ptr32):
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
    za = ((p[8] ^ s) - s) + 128
    zb = ((p[9] ^ s) - s) + 128
    zo = (p[19] ^ s) - s
    low = (p[20] ^ s) - s
    high = (p[21] ^ s) - s
    for _ in range(p[6]):
        total = 0
        # Operand a, operand b, and then their sum.
        for k in range(10, 19, 3):
            if k == 10:
                v = ((x[r + i] ^ 128) - za) << p[7]
            elif k == 13:
                v = ((y[q + j] ^ 128) - zb) << p[7]
            else:
                v = total
                total = 0
            hi = p[k]
            lo = p[k + 1]
            shift = (p[k + 2] ^ s) - s
            f = v & 16383
            v >>= 14
            e = v * (lo >> 2) + ((v * (lo & 3) + (f * lo >> 14)) >> 2)
            v = (v * hi + ((f * hi + e + 16384) >> 14)) >> 1
            if shift < 0:
                v = (((v + (v >> 31)) >> (-1 - shift)) + 1) >> 1
            total += v
        total += zo
        if total < low:
            total = low
        if total > high:
            total = high
        a[d] = total & 255
        d += 1
        i += 1
        if i == p[2]:
            i = 0
        j += 1
        if j == p[4]:
            j = 0
