"""Bytes from the host."""
# mypy: ignore-errors
# ruff: noqa: F821


def _put(at, data):
    """Into the arena, at once: a bytes object that grows would leave holes in the heap."""
    import gc

    for v in data:
        m.A[at] = v
        at += 1
    gc.collect()
