"""CONV in viper.

mpy-cross keeps a function's first two locals in registers: a and b, so they walk. v ^ 128 is
v + 128 of an int8 v. The multiplier is hi << 15 | lo; see steps.md for it and for offset binary.
"""

import micropython


@micropython.viper
def conv(a: ptr8, b: ptr8, p: ptr32):
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
    kh = p[12]
    kw = p[13]
    depth = ic // p[20]
    outputs = p[11] // p[20]
    pad = ((p[21] ^ s) - s) + 128
    zo = (p[22] ^ s) - s
    low = ((p[23] ^ s) - s) - zo  # sums are clamped first: the zero point cannot overflow them
    high = ((p[24] ^ s) - s) - zo
    patch = arena + p[25]
    turn = (p[26] ^ s) - s
    skip = (p[29] ^ s) - s
    end = patch + ((kh * kw * depth + 7) & -8)
    word = s + s - 1  # 32 ones, also where ints have 64 bits
    quarter = 0x20000000
    quarter += quarter
    for _ in range(p[5]):
        oy = p[27]
        for _ in range(p[9]):
            ox = p[28]
            for _ in range(p[10]):
                w = weights + p[2]
                c = weights + p[3]
                for g in range(p[20]):
                    b = ptr8(patch)
                    offset = 0
                    iy = oy * p[14] - p[18]
                    for _ in range(kh):
                        ix = ox * p[15] - p[19]
                        for _ in range(kw):
                            e = int(b) + depth
                            if iy >= 0 and iy < ih and ix >= 0 and ix < iw:
                                a = ptr8(x + (iy * iw + ix) * ic + g * depth)
                                while int(b) < e:
                                    v = a[0] ^ 128
                                    b[0] = v
                                    offset += v
                                    a = ptr8(int(a) + 1)
                                    b = ptr8(int(b) + 1)
                            else:
                                offset += pad * depth
                                while int(b) < e:
                                    b[0] = pad
                                    b = ptr8(int(b) + 1)
                            ix += p[17]
                        iy += p[16]
                    offset = (offset << 7) + s
                    last = c + outputs * 12
                    while c < last:
                        b = ptr8(w)
                        v = (ptr32(c)[0] ^ s) - offset
                        a = ptr8(patch)
                        while int(a) < end:
                            v = (
                                a[0] * b[0]
                                + a[1] * b[1]
                                + a[2] * b[2]
                                + a[3] * b[3]
                                + a[4] * b[4]
                                + a[5] * b[5]
                                + a[6] * b[6]
                                + a[7] * b[7]
                                + v
                            )
                            a = ptr8(int(a) + 8)
                            b = ptr8(int(b) + 8)
                        w = int(b)
                        a = ptr8(c)
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
                        c += 12
                d += skip
                ox += turn
            oy += turn
        x += ih * iw * ic
