"""Float32 numbers of MLPerf Tiny's protocol, by ints: a board's own floats may have fewer bits.

A number is m * 2^e. One that has been rounded has at most 24 bits, half to even, as in C.
"""

_ONE = 1 << 23


def parts(data, at):
    """m and e of the float32 that begins at byte `at`."""
    bits = int.from_bytes(data[at : at + 4], "little")
    exponent = bits >> 23 & 255
    if exponent == 255:
        raise ValueError("number %d is not finite" % (at // 4))
    m = bits & _ONE - 1
    if exponent:
        m |= _ONE
    else:
        exponent = 1
    return -m if bits >> 31 else m, exponent - 150


def nearest(m, e):
    """m * 2^e in 24 bits; m is not negative."""
    cut = 0
    while m >> cut >> 24:
        cut += 1
    low = m & (1 << cut) - 1
    m >>= cut
    if cut and low + (m & 1) > 1 << (cut - 1):
        m += 1
    return m, e + cut


def ratio(m, e, divisor, more):
    """m * 2^e / divisor in 24 bits. `more` bits are divided: the quotient must have 26 then."""
    m <<= more
    return nearest(m // divisor << 1 | (m % divisor > 0), e - more - 1)


def quantise(data, into, scale, zero):
    """Float32 numbers to int8: divided in float32, halves away from zero, as C's round."""
    divisor, exponent = scale
    for i in range(len(into)):
        m, e = parts(data, 4 * i)
        q, e = ratio(abs(m), e - exponent, divisor, 32)
        q = q << e if e >= 0 else ((q >> -e - 1) + 1) >> 1
        into[i] = min(max((q if m > 0 else 0 - q) + zero, -128), 127) & 255


def real(byte, scale, zero):
    """What an int8 stands for: its difference from the zero point, times the scale."""
    m = (byte ^ 128) - 128 - zero
    value, e = nearest(abs(m) * scale[0], scale[1])
    return value if m > 0 else 0 - value, e


def mean_square(data, output, scale, zero):
    """Of the differences between float32 numbers and an int8 output; exact, rounded once."""
    total, least = 0, 0
    for i in range(len(output)):
        x, ex = parts(data, 4 * i)
        y, ey = real(output[i], scale, zero)
        e = min(ex, ey)
        x = (x << ex - e) - (y << ey - e)
        e *= 2
        if e < least:
            total <<= least - e
            least = e
        total += x * x << e - least
    return ratio(total, least, len(output), 64)


def text(m, e):
    """All digits of a number: a fraction of a power of 2 has an end."""
    if e >= 0:
        return "%d.0" % (m << e)
    sign = "-" if m < 0 else ""
    m = abs(m)
    digits = ["%s%d." % (sign, m >> -e)]
    while True:
        m = (m & (1 << -e) - 1) * 10
        digits.append(str(m >> -e))
        if not m & (1 << -e) - 1:
            return "".join(digits)
