"""Bytes for the host."""
# mypy: ignore-errors


def _tell(data, at, end):
    """Write bytes from `at` to `end` as hex, and the two halves of their Adler-32."""
    import gc

    say = print
    a, b = 1, 0
    for i in range(at, end):
        v = data[i]
        say(hex(256 + v)[3:], end="")
        a = (a + v) % 65521
        b = (b + a) % 65521
    say("", a, b)
    gc.collect()
