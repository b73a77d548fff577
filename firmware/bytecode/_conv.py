"""CONV in plain bytecode: as in steps.md, with every intermediate inside [-2^30, 2^30)."""


def conv(a, b, p):
    x = a
    r = p[1]
    if r < 0:
        x = b
        r = ~r
    d = p[4]
    ih = p[6]
    iw = p[7]
    ic = p[8]
    groups = p[20]
    depth = ic // groups
    outputs = p[11] // groups
    pad = p[21] + 128
    patch = p[25]
    taps = p[12] * p[13] * depth
    row = taps + 7 & -8
    for _ in range(p[5]):
        oy = p[27]
        for _ in range(p[9]):
            ox = p[28]
            for _ in range(p[10]):
                w = p[2]
                c = p[3]
                for g in range(groups):
                    i = patch
                    offset = 0
                    iy = oy * p[14] - p[18]
                    for _ in range(p[12]):
                        ix = ox * p[15] - p[19]
                        for _ in range(p[13]):
                            if 0 <= iy < ih and 0 <= ix < iw:
                                k = r + (iy * iw + ix) * ic + g * depth
                                for j in range(k, k + depth):
                                    v = x[j] ^ 128
                                    a[i] = v
                                    offset += v
                                    i += 1
                            else:
                                offset += pad * depth
                                for _ in range(depth):
                                    a[i] = pad
                                    i += 1
                            ix += p[17]
                        iy += p[16]
                    offset <<= 7
                    for _ in range(outputs):
                        hi = b[c + 3]
                        v = b[c] | b[c + 1] << 8 | b[c + 2] << 16 | ((hi ^ 128) - 128) << 24
                        v -= offset
                        j = w
                        for i in range(patch, patch + taps):
                            v += a[i] * b[j]
                            j += 1
                        w += row
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
                d += p[29]
                ox += p[26]
            oy += p[26]
        r += ih * iw * ic
