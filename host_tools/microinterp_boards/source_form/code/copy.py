"""COPY of schemas/steps.md: RESHAPE and alike."""
# mypy: ignore-errors


def _copy(a, s):
    _, x, d, n = s
    for i in range(n):
        a[d + i] = a[x + i]
