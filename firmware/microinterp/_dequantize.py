"""DEQUANTIZE, in plain bytecode for both tiers: float32 by integers, rounded to nearest even."""


def dequantize(a, b, p):
    x = a
    r = p[1]
    if r < 0:
        x = b
        r = ~r
    d = p[2]
    size = p[4]
    half = 0 if p[5] else 128 << 8 * (size - 1)
    mantissa = p[7]
    for _ in range(p[3]):
        v = x[r]
        if size == 2:
            v += x[r + 1] << 8
        r += size
        v = (v ^ half) - half - p[6]
        sign = 0
        if v < 0:
            sign = 128
            v = 0 - v
        # v * mantissa = high << 12 | low, below 2^41. It loses `cut` bits to become 24 bits long.
        low = v * (mantissa & 4095)
        high = v * (mantissa >> 12) + (low >> 12)
        low &= 4095
        cut = 0
        while high >> cut > 4095:
            cut += 1
        if cut > 12:
            low |= (high & ((1 << (cut - 12)) - 1)) << 12
            high >>= cut - 12
        else:
            high = high << (12 - cut) | low >> cut
            low &= (1 << cut) - 1
        if cut and low + (high & 1) > 1 << (cut - 1):
            high += 1
            if high >> 24:
                high >>= 1
                cut += 1
        exponent = p[8] + cut if v else 0
        a[d] = high & 255
        a[d + 1] = high >> 8 & 255
        a[d + 2] = high >> 16 & 127 | (exponent & 1) << 7
        a[d + 3] = exponent >> 1 | sign
        d += 4
