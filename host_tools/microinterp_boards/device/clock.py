"""The finest clock of the board (part of a session)."""
# mypy: ignore-errors


def _clock():
    """Its unit, and functions: a mark, read the clock into a mark, what lies between two marks.

    Reading allocates nothing and always costs the same, which is taken off what lies between. A
    board's own count of instructions is preferred to microseconds; CPU cycles would come in here.
    """
    import sys

    if sys.platform == "qemu":  # elsewhere `board` may be a program of the user's
        try:
            from board import instructions

            first, second = bytearray(8), bytearray(8)

            def distance(first, second):
                return int.from_bytes(second, "little") - int.from_bytes(first, "little")

            for _ in range(2):
                instructions(first)
                instructions(second)
            cost = distance(first, second)
            return (
                "instructions",
                lambda: bytearray(8),
                instructions,
                lambda first, second: distance(first, second) - cost,
            )
        except (ImportError, OSError):  # another firmware; QEMU without -icount
            pass
    from time import ticks_diff, ticks_us

    def read(mark):
        mark[0] = ticks_us()

    return "us", lambda: [0], read, lambda first, second: ticks_diff(second[0], first[0])
