"""Bytes for the host."""
# mypy: ignore-errors


def _tell(data):
    """Write hex, and the two halves of the Adler-32."""
    say = print
    a, b = 1, 0
    for v in data:
        say(hex(256 + v)[3:], end="")
        a = (a + v) % 65521
        b = (b + a) % 65521
    say("", a, b)
