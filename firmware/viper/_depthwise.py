"""DEPTHWISE in viper: four channels at a time where input and output channels are the same.

Registers and arithmetic are told in _conv.py. Taps outside of the image add nothing, so that the
zero point is subtracted from each.
"""

import micropython


@micropython.viper
def depthwise(a: ptr8, b: ptr8, p: ptr32):
    s = p[0]
    arena = int(a)
    weights = int(b)
    x = (p[1] ^ s) - s
    if x < 0:
        x = weights - 1 - x
    else:
        x += arena
    d = arena + p[4]
    ih = p[6]
    iw = p[7]
    ic = p[8]
    oc = p[11]
    kw = p[13]
    step = p[17] * ic
    zx = ((p[21] ^ s) - s) + 128
    zo = (p[22] ^ s) - s
    low = ((p[23] ^ s) - s) - zo  # sums are clamped first: the zero point cannot overflow them
    high = ((p[24] ^ s) - s) - zo
    turn = (p[25] ^ s) - s
    skip = (p[28] ^ s) - s
    word = s + s - 1
    quarter = 0x20000000
    quarter += quarter
    for _ in range(p[5]):
        oy = p[26]
        for _ in range(p[9]):
            ox = p[27]
            for _ in range(p[10]):
                # Columns of the filter that lie inside the image.
                left = ox * p[15] - p[19]
                first = 0
                while left < 0 and first < kw:
                    left += p[17]
                    first += 1
                last = first
                ix = left
                while last < kw and ix < iw:
                    ix += p[17]
                    last += 1
                width = (last - first) * oc
                o = 0
                while o < oc:
                    many = 1
                    if oc == ic and oc - o > 3:
                        many = 4
                    v0 = 0
                    v1 = 0
                    v2 = 0
                    v3 = 0
                    iy = oy * p[14] - p[18]
                    row = x + left * ic + o // p[20]
                    w = weights + p[2] + first * oc + o
                    for _ in range(p[12]):
                        if iy >= 0 and iy < ih:
                            a = ptr8(row + iy * iw * ic)
                            b = ptr8(w)
                            e = w + width
                            if many == 4:
                                while int(b) < e:
                                    v0 = ((a[0] ^ 128) - zx) * (b[0] - 128) + v0
                                    v1 = ((a[1] ^ 128) - zx) * (b[1] - 128) + v1
                                    v2 = ((a[2] ^ 128) - zx) * (b[2] - 128) + v2
                                    v3 = ((a[3] ^ 128) - zx) * (b[3] - 128) + v3
                                    a = ptr8(int(a) + step)
                                    b = ptr8(int(b) + oc)
                            else:
                                while int(b) < e:
                                    v0 = ((a[0] ^ 128) - zx) * (b[0] - 128) + v0
                                    a = ptr8(int(a) + step)
                                    b = ptr8(int(b) + oc)
                        iy += p[16]
                        w += kw * oc
                    a = ptr8(weights + p[3] + o * 12)
                    o += many
                    for _ in range(many):
                        v = v0 + ((ptr32(a)[0] ^ s) - s)
                        v0 = v1
                        v1 = v2
                        v2 = v3
                        e = a[8]
                        if e:
                            v = (((v << e) & word) ^ s) - s
                        # floor((v * multiplier + 2^30) / 2^31) by products of 16 bits, in b.
                        b = ptr8(v & 65535)
                        e = int(b) * ptr16(a)[3] >> 15
                        e = int(uint(int(b) * ptr16(a)[2] + e + 32768) >> 1)
                        b = ptr8(v >> 16)
                        e = int(uint(int(b) * ptr16(a)[3] + e + quarter) >> 15) - 32768
                        b = ptr8(int(b) * ptr16(a)[2] + e)
                        e = a[9]
                        if e:
                            b = ptr8((((int(b) >> 31) + int(b) >> (e - 1)) + 1) >> 1)
                        if int(b) < low:
                            b = ptr8(low)
                        if int(b) > high:
                            b = ptr8(high)
                        ptr8(d)[0] = int(b) + zo
                        d += 1
                        a = ptr8(int(a) + 12)
                d += skip
                ox += turn
            oy += turn
        x += ih * iw * ic
