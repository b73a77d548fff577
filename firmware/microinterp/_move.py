"""MOVE, FILL, LUT. In every kernel a is the arena, b the weights, p the step's arguments."""

import micropython


@micropython.viper
def move(a: ptr8, b: ptr8, p: ptr32):
    s = p[0]
    x = a
    r = (p[1] ^ s) - s
    if r < 0:
        x = b
        r = -1 - r
    d = p[2]
    run = p[3]
    for _ in range(p[4]):
        r1 = r
        d1 = d
        for _ in range(p[5]):
            r2 = r1
            d2 = d1
            for _ in range(p[6]):
                r3 = r2
                d3 = d2
                for _ in range(p[7]):
                    r4 = r3
                    d4 = d3
                    for _ in range(p[8]):
                        for i in range(run):
                            a[d4 + i] = x[r4 + i]
                        r4 += (p[13] ^ s) - s
                        d4 += (p[18] ^ s) - s
                    r3 += (p[12] ^ s) - s
                    d3 += (p[17] ^ s) - s
                r2 += (p[11] ^ s) - s
                d2 += (p[16] ^ s) - s
            r1 += (p[10] ^ s) - s
            d1 += (p[15] ^ s) - s
        r += (p[9] ^ s) - s
        d += (p[14] ^ s) - s


@micropython.viper
def fill(a: ptr8, b: ptr8, p: ptr32):
    d = p[1]
    for i in range(p[2]):
        a[d + i] = p[4 + (i & 3)]


@micropython.viper
def lut(a: ptr8, b: ptr8, p: ptr32):
    s = p[0]
    x = a
    r = (p[1] ^ s) - s
    if r < 0:
        x = b
        r = -1 - r
    d = p[2]
    t = p[4]
    for i in range(p[3]):
        a[d + i] = b[t + x[r + i]]
