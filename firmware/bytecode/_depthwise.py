"""DEPTHWISE in plain bytecode: as in steps.md, with every intermediate inside [-2^30, 2^30)."""


def depthwise(a, b, p):
    x = a
    r = p[1]
    if r < 0:
        x = b
        r = ~r
    d = p[4]
    ih = p[6]
    iw = p[7]
    ic = p[8]
    oc = p[11]
    kw = p[13]
    step = p[17] * ic
    zx = p[21] + 128
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
                c = p[3]
                for o in range(oc):
                    hi = b[c + 3]
                    v = b[c] | b[c + 1] << 8 | b[c + 2] << 16 | ((hi ^ 128) - 128) << 24
                    row = r + left * ic + o // p[20]
                    k = p[2] + first * oc + o
                    iy = oy * p[14] - p[18]
                    for _ in range(p[12]):
                        if 0 <= iy < ih:
                            i = row + iy * iw * ic
                            j = k
                            for _ in range(first, last):
                                v += ((x[i] ^ 128) - zx) * (b[j] - 128)
                                i += step
                                j += oc
                        iy += p[16]
                        k += kw * oc
                    v <<= b[c + 8]
                    hi = b[c + 4] | b[c + 5] << 8
                    lo = b[c + 6] | b[c + 7] << 8 | (hi & 1) << 15
                    hi >>= 1
                    f = v & 16383
                    v >>= 14
                    e = v * (lo >> 2) + ((v * (lo & 3) + (f * lo >> 14)) >> 2)
                    v = (v * hi + ((f * hi + e + 16384) >> 14)) >> 1
                    e = b[c + 9]
                    if e:
                        v = (((v + (v >> 31)) >> (e - 1)) + 1) >> 1
                    v += p[22]
                    if v < p[23]:
                        v = p[23]
                    if v > p[24]:
                        v = p[24]
                    a[d] = v & 255
                    d += 1
                    c += 12
                d += p[28]
                ox += p[25]
            oy += p[25]
        r += ih * iw * ic
