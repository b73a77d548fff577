"""Run the module, or some of its steps."""
# mypy: ignore-errors
# ruff: noqa: F821


def _run(first, count):
    """Invoke, or run `count` steps, with the heap locked; write microseconds."""
    import gc

    from micropython import heap_lock, heap_unlock
    from utime import ticks_diff, ticks_us

    say = print
    steps = m.S[first : first + count]
    gc.collect()
    heap_lock()
    try:
        start = ticks_us()
        if count:
            for step in steps:
                step[0](m.A, step)
        else:
            m.invoke()
        end = ticks_us()
    finally:
        heap_unlock()
    say(ticks_diff(end, start))
