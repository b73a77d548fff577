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
    zx = p[21] + 128
    for _ in range(p[5]):
        for oy in range(p[9]):
            for ox in range(p[10]):
                c = p[3]
                for o in range(oc):
                    hi = b[c + 3]
                    v = b[c] | b[c + 1] << 8 | b[c + 2] << 16 | ((hi ^ 128) - 128) << 24
                    i = r + o // p[20]
                    j = p[2] + o
                    iy = oy * p[14] - p[18]
                    for _ in range(p[12]):
                        if 0 <= iy < ih:
                            ix = ox * p[15] - p[19]
                            for _ in range(p[13]):
                                if 0 <= ix < iw:
                                    f = (x[i + (iy * iw + ix) * ic] ^ 128) - zx
                                    v += f * (b[j] - 128)
                                ix += p[17]
                                j += oc
                        else:
                            j += p[13] * oc
                        iy += p[16]
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
        r += ih * iw * ic
