"""FULLY_CONNECTED: a CONV step of schemas/steps.md whose filters are 1 x 1, without row padding."""
# mypy: ignore-errors
# ruff: noqa: F821


def _dense(a, s):
    _, x, d, w, c, rows, depth, zo, lo, hi = s
    for _ in range(rows):
        offset = 0
        for i in range(x, x + depth):
            offset += a[i] ^ 128
        offset <<= 7
        j = 0
        for o in range(0, len(c), 12):
            v = c[o] | c[o + 1] << 8 | c[o + 2] << 16 | ((c[o + 3] ^ 128) - 128) << 24
            v -= offset
            for i in range(x, x + depth):
                v += (a[i] ^ 128) * w[j]
                j += 1
            v = _requantise(v, c, o) + zo
            if v < lo:
                v = lo
            if v > hi:
                v = hi
            a[d] = v & 255
            d += 1
        x += depth
