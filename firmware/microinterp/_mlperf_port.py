"""MLPerf Tiny's protocol: commands from standard input, answers to standard output, the clock."""

import sys
from time import ticks_add, ticks_ms, ticks_us

LONGEST = 80


def say(text, end="\n"):
    """A line, or a part of one."""
    sys.stdout.write(text + end)


class Lines:
    """Commands from standard input, byte by byte: reading more blocks until more has come."""

    def __init__(self):
        self.line = bytearray(LONGEST)
        self.byte = bytearray(1)
        self.input = getattr(sys.stdin, "buffer", sys.stdin)

    def come(self, wait):
        """Whether something has come within so many milliseconds."""
        if not wait:
            return False
        from select import POLLIN, poll

        waiting = poll()
        waiting.register(sys.stdin, POLLIN)
        return waiting.poll(wait)

    def read(self):
        """A command without its %, None at the end of input."""
        line, byte, readinto = self.line, self.byte, self.input.readinto
        size = 0
        while readinto(byte):
            c = byte[0]
            if c == 37:
                return bytes(line[:size]) if size <= LONGEST else b""
            if c != 10 and c != 13:
                if size < LONGEST:
                    line[size] = c
                size = min(size, LONGEST) + 1
        return None


class Clock:
    """Microseconds that never wrap: milliseconds, which do so after 12 days, tell the wraps."""

    def __init__(self):
        self.us, self.ms, self.all = ticks_us(), ticks_ms(), 0

    def now(self):
        us, ms = ticks_us(), ticks_ms()
        last = ticks_add(0, -1)  # of the numbers that ticks can be
        passed = us - self.us & last
        about = (ms - self.ms & last) * 1000
        self.all += passed + (about - passed + (last >> 1)) // (last + 1) * (last + 1)
        self.us, self.ms = us, ms
        return self.all
