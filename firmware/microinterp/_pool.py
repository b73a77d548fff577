"""AVERAGE_POOL and MAX_POOL. Activations are read as v ^ 128, which is v + 128 of an int8 v.

Which way they go over the pixels is told in _check_filter.py.
"""

import micropython


@micropython.viper
def average_pool(a: ptr8, b: ptr8, p: ptr32):
    s = p[0]
    x = a
    r = (p[1] ^ s) - s
    if r < 0:
        x = b
        r = -1 - r
    d = p[2]
    ih = p[4]
    iw = p[5]
    channels = p[6]
    low = (p[15] ^ s) - s
    high = (p[16] ^ s) - s
    turn = (p[17] ^ s) - s
    skip = (p[20] ^ s) - s
    for _ in range(p[3]):
        oy = p[18]
        for _ in range(p[7]):
            top = oy * p[11] - p[13]
            bottom = top + p[9]
            if top < 0:
                top = 0
            if bottom > ih:
                bottom = ih
            ox = p[19]
            for _ in range(p[8]):
                left = ox * p[12] - p[14]
                right = left + p[10]
                if left < 0:
                    left = 0
                if right > iw:
                    right = iw
                count = (bottom - top) * (right - left)
                for c in range(channels):
                    v = 0
                    for y in range(top, bottom):
                        i = r + (y * iw + left) * channels + c
                        for _ in range(left, right):
                            v += x[i] ^ 128
                            i += channels
                    v -= count << 7
                    if v > 0:
                        v = (v + (count >> 1)) // count
                    else:
                        v = 0 - ((count >> 1) - v) // count
                    if v < low:
                        v = low
                    if v > high:
                        v = high
                    a[d] = v & 255
                    d += 1
                d += skip
                ox += turn
            oy += turn
        r += ih * iw * channels


@micropython.viper
def max_pool(a: ptr8, b: ptr8, p: ptr32):
    s = p[0]
    x = a
    r = (p[1] ^ s) - s
    if r < 0:
        x = b
        r = -1 - r
    d = p[2]
    ih = p[4]
    iw = p[5]
    channels = p[6]
    low = ((p[15] ^ s) - s) + 128
    high = ((p[16] ^ s) - s) + 128
    turn = (p[17] ^ s) - s
    skip = (p[20] ^ s) - s
    for _ in range(p[3]):
        oy = p[18]
        for _ in range(p[7]):
            top = oy * p[11] - p[13]
            bottom = top + p[9]
            if top < 0:
                top = 0
            if bottom > ih:
                bottom = ih
            ox = p[19]
            for _ in range(p[8]):
                left = ox * p[12] - p[14]
                right = left + p[10]
                if left < 0:
                    left = 0
                if right > iw:
                    right = iw
                for c in range(channels):
                    v = low
                    for y in range(top, bottom):
                        i = r + (y * iw + left) * channels + c
                        for _ in range(left, right):
                            e = x[i] ^ 128
                            if e > v:
                                v = e
                            i += channels
                    if v > high:
                        v = high
                    a[d] = v ^ 128
                    d += 1
                d += skip
                ox += turn
            oy += turn
        r += ih * iw * channels
