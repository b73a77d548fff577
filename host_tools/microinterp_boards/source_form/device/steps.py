"""Run some of the module's steps."""
# mypy: ignore-errors
# ruff: noqa: F821


def _steps(first, count):
    """Write microseconds."""
    from utime import ticks_diff, ticks_us

    say = print
    start = ticks_us()
    for number in range(first, first + count):
        step = m.S[number]
        step[0](m.A, step)
    say(ticks_diff(ticks_us(), start))
