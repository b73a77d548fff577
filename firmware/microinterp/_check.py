"""What kernels rely on. The runtime trusts no model: its numbers become pointers.

A step's checker is named as its kernel; it gets the step's arguments p[1], p[2], ... (numbered as
in schemas/steps.md) and may bring them into the form that the kernel wants.
"""

from microinterp import ModelError
from microinterp._tier import LIMIT

_MOST = 1 << 29
_MAX_WORK = 1 << 28


class Check:
    """Sizes, and what is being checked, for the errors' text."""

    def __init__(self, arena_bytes, weights):
        self.arena = arena_bytes
        self.weights = weights
        self.where = "model"
        self.work = 0
        self.later = ()
        self.need(arena_bytes < _MOST and len(weights) < _MOST, "arena or weights are too large")

    def need(self, good, text):
        if not good:
            self.fail(text)

    def fail(self, text):
        raise ModelError(self.where + ": " + text)

    def span(self, what, offset, size, have=None):
        have = self.arena if have is None else have
        if offset < 0 or size < 0 or offset + size > have:
            self.fail("%s at %d..%d outside of %d bytes" % (what, offset, offset + size, have))

    def read(self, p, i, size):
        if p[i] < 0:
            self.span("weights", ~p[i], size, len(self.weights))
        else:
            self.span("source", p[i], size)

    def write(self, p, i, size):
        self.span("destination", p[i], size)

    def constant(self, p, i, size):
        """A place in the weights; the kernel gets its offset."""
        p[i] = ~p[i]
        self.span("constant", p[i], size, len(self.weights))
        self.need(not p[i] & 3, "constant not aligned")

    def within(self, p, first, last, low, high):
        for i in range(first, last + 1):
            if not low <= p[i] <= high:
                self.fail("argument %d is %d, wanted %d to %d" % (i, p[i], low, high))

    def counts(self, p, first, last):
        self.within(p, first, last, 1, _MOST - 1)

    def clamp(self, p, i):
        """A zero point, and the limits behind it."""
        self.within(p, i, i + 2, -128, 127)
        self.need(p[i + 1] <= p[i + 2], "clamp limits")

    def multiplier(self, p, i, left=30):
        """hi, lo, shift; the kernels multiply by parts of 15 and 16 bits."""
        self.within(p, i, i, 0, 65535)
        self.within(p, i + 1, i + 1, 0, 32767)
        self.within(p, i + 2, i + 2, -31, left)
        p[i + 1] |= (p[i] & 1) << 15
        p[i] >>= 1

    def channels(self, offset, count, largest):
        """Shifts of a channel table, and, where it matters, the range of the accumulators."""
        w = self.weights
        for at in range(offset, offset + 12 * count, 12):
            left, right = w[at + 8], w[at + 9]
            self.need(left < 31 and right < 32 and not (left and right), "shift")
            self.need(not w[at + 7] >> 7, "multiplier")
            if LIMIT:
                bias = w[at] | w[at + 1] << 8 | w[at + 2] << 16 | w[at + 3] << 24
                bias = bias if bias < 1 << 31 else (1 << 32) - bias
                self.need(
                    largest + bias << left < LIMIT, "accumulator too wide for the bytecode tier"
                )

    def position(self, value):
        self.need(value < _MOST, "window reaches too far")

    def spend(self, work):
        self.work += work
        self.need(self.work <= _MAX_WORK, "too much work")


def copy(c, p):
    c.counts(p, 3, 3)
    c.read(p, 1, p[3])
    c.write(p, 2, p[3])
    c.spend(p[3])


def call_once(c, p):
    c.write(p, 2, 1)
