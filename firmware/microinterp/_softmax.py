"""SOFTMAX, in plain bytecode, for sets without Thumb kernels: little beside the layers before it.

Q0.31 numbers are kept as two parts, h << 16 | l, so that no intermediate leaves [-2^30, 2^30).
The product of (ah, al), signed, and (bh, bl), positive, is gemmlowp's
floor((a * b + 2^30) / 2^31) = 2 * q + t with
    q = ah * bh
    t = (ah * (bl >> 2) + (al >> 2) * bh + (rest >> 2) + 4096) >> 13
    rest = ah * (bl & 3) + (al & 3) * bh + (al * bl >> 16)
"""


def softmax(a, b, p):
    x = a
    r = p[1]
    if r < 0:
        x = b
        r = ~r
    d = p[2]
    depth = p[4]
    table = p[5]
    for _ in range(p[3]):
        peak = 0
        for i in range(r, r + depth):
            v = x[i] ^ 128
            if v > peak:
                peak = v
        total = 0
        for i in range(r, r + depth):
            k = table + ((peak - (x[i] ^ 128)) << 2)
            total += (b[k + 2] << 4) + (b[k + 3] << 12) + ((b[k] + (b[k + 1] << 8) + 2048) >> 12)
        # The sum is Q12.19; 35 less its leading zeros is what the quotient is shifted by.
        shift = 33
        while total < 0x20000000:
            total <<= 1
            shift -= 1
        # (1 + fraction of the sum) / 2 in Q0.31 is now 2 * total. Its reciprocal in Q2.29, by
        # Newton: x = 48/17 - 32/17 * half, then three times x += x * (1 - half * x).
        hh = total >> 15
        hl = (total & 32767) << 1
        xh = xl = 0
        for k in range(7):
            if k == 0:
                ah = -15421  # -32/17 in Q2.29
                al = 50116
                bh = hh
                bl = hl
            elif k & 1:
                ah = xh
                al = xl
                bh = hh
                bl = hl
            else:
                bh = xh
                bl = xl
            q = ah * bh
            t = ah * (bl & 3) + (al & 3) * bh + ((al * (bl >> 8) + (al * (bl & 255) >> 8)) >> 8)
            t = (ah * (bl >> 2) + (al >> 2) * bh + (t >> 2) + 4096) >> 13
            t += (q & 32767) << 1
            ah = (q >> 15) + (t >> 16)
            al = t & 65535
            if k == 0:
                xl = al + 23130  # 48/17 in Q2.29
                xh = ah + 23130 + (xl >> 16)
                xl &= 65535
            elif k & 1:
                # The error is 1 less the product.
                al = 0 - al
                ah = 8192 - ah + (al >> 16)
                al &= 65535
            else:
                xl += al << 2
                xh += (ah << 2) + (xl >> 16)
                xl &= 65535
        # To Q0.31, saturated.
        xh = (xh << 1) + (xl >> 15)
        xl = (xl << 1) & 65535
        if xh > 32767:
            xh = 32767
            xl = 65535
        for i in range(r, r + depth):
            # The mask is for a damaged model, whose dst overlaps x.
            k = table + ((peak - (x[i] ^ 128) & 255) << 2)
            al = b[k] + (b[k + 1] << 8)
            ah = b[k + 2] + (b[k + 3] << 8)
            q = ah * xh
            t = ah * (xl & 3) + (al & 3) * xh + ((al * (xl >> 8) + (al * (xl & 255) >> 8)) >> 8)
            t = (ah * (xl >> 2) + (al >> 2) * xh + (t >> 2) + 4096) >> 13
            v = (q >> 15) + ((((q & 32767) << 1) + t) >> 16)
            v = ((v >> (shift - 17)) + 1) >> 1
            if v > 255:
                v = 255
            a[d] = v ^ 128
            d += 1
        r += depth
