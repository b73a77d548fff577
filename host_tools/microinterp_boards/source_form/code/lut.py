"""LUT of schemas/steps.md: activations that are one table of 256 bytes."""
# mypy: ignore-errors


def _lut(a, s):
    _, x, d, n, table = s
    for i in range(n):
        a[d + i] = table[a[x + i]]
