"""Reads FlatBuffers of unknown health: every access is checked against the buffer's end."""

from microinterp import ModelError


class Reader:
    """Positions are byte numbers in the buffer; a table is named by its position."""

    def __init__(self, buffer):
        self.bytes = memoryview(buffer)
        self.size = len(self.bytes)

    def uint(self, at, size):
        self.span(at, size)
        value = 0
        for i in range(at + size - 1, at - 1, -1):
            value = value << 8 | self.bytes[i]
        return value

    def span(self, at, size):
        if at < 0 or at + size > self.size:
            raise ModelError(
                "model file is damaged or cut: byte %d wanted, it has %d" % (at + size, self.size)
            )

    def int32(self, at):
        value = self.uint(at, 4)
        return value - (1 << 32) if value >> 31 else value

    def follow(self, at):
        """Where the offset at `at` points."""
        return at + self.uint(at, 4)

    def field(self, table, number):
        """Position of a field, or 0 where the table has none."""
        vtable = table - self.int32(table)
        slot = 4 + 2 * number
        if slot + 2 > self.uint(vtable, 2):
            return 0
        offset = self.uint(vtable + slot, 2)
        return table + offset if offset else 0

    def number(self, table, number, size=4):
        """An unsigned scalar; 0 where there is none."""
        at = self.field(table, number)
        return self.uint(at, size) if at else 0

    def vector(self, table, number, size=4):
        """Position of the first of a vector's items of `size` bytes, and how many there are."""
        at = self.field(table, number)
        if not at:
            return 0, 0
        at = self.follow(at)
        count = self.uint(at, 4)
        self.span(at + 4, count * size)
        return at + 4, count

    def tables(self, table, number):
        """Positions of a vector's tables."""
        first, count = self.vector(table, number)
        for i in range(count):
            yield self.follow(first + 4 * i)

    def string(self, table, number):
        first, count = self.vector(table, number, 1)
        return str(bytes(self.bytes[first : first + count]), "utf-8")
