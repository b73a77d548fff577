"""Give the module its input."""
# mypy: ignore-errors
# ruff: noqa: F821


def _take(index):
    """Write size and Adler-32 of what has come, and make it the input."""
    say = print
    a, b = 1, 0
    for v in d:
        a = (a + v) % 65521
        b = (b + a) % 65521
    say(len(d), a, b)
    m.set_input(d, index)
