"""The module's set_input: bytes, or anything whose elements are 0 to 255."""
# mypy: ignore-errors
# ruff: noqa: F821


def _set_input(data, index=0):
    at, size = I[index]
    if len(data) != size:
        raise ValueError("input takes " + str(size) + " bytes")
    for v in data:
        A[at] = v
        at += 1
