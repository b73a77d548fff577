"""rq of schemas/steps.md for |v| << left below 2^29, by one entry of a channel table."""
# mypy: ignore-errors


def _requantise(v, c, o):
    v <<= c[o + 8]
    hi = c[o + 4] | c[o + 5] << 8
    lo = c[o + 6] | c[o + 7] << 8 | (hi & 1) << 15
    hi >>= 1
    f = v & 16383
    v >>= 14
    # (v * m + 2^30) >> 31, m in halves of 16 and 15 bits, v in parts of 14 and the rest
    e = v * (lo >> 2) + ((v * (lo & 3) + (f * lo >> 14)) >> 2)
    v = (v * hi + ((f * hi + e + 16384) >> 14)) >> 1
    e = c[o + 9]
    if e:
        v = (((v + (v >> 31)) >> (e - 1)) + 1) >> 1
    return v
