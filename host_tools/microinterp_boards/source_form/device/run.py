"""Run the whole module."""
# mypy: ignore-errors
# ruff: noqa: F821


def _run():
    """Invoke with the heap locked; write microseconds."""
    import gc

    import micropython
    from utime import ticks_diff, ticks_us

    say = print
    gc.collect()
    micropython.heap_lock()
    try:
        start = ticks_us()
        m.invoke()
        end = ticks_us()
    finally:
        micropython.heap_unlock()
    say(ticks_diff(end, start))
