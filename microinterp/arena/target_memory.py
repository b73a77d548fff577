"""TFLM's arena allocator, played through with sizes only: no memory, every byte counted.

Source: micro/arena_allocator/single_arena_buffer_allocator.cc. The head holds one resizable buffer
at the arena's start, temporary buffers are stacked on it, persistent ones grow down from the end.
"""

from __future__ import annotations

from collections import Counter

from microinterp.arena.placing import ALIGNMENT, align_up
from microinterp.arena.sizes import Layout

_FAR = 1 << 40


class TargetMemory:
    """An arena whose start is aligned to 16 bytes, and which is as large as it must be.

    Attributes:
        tail: bytes from the arena's end down to the lowest persistent buffer.
        needed: bytes of the smallest arena in which all has succeeded so far.
        categories: bytes of the tail by what they are for, padding included.
    """

    def __init__(self, arena_size: int = 0) -> None:
        """Only `arena_size` modulo 16 counts: an end that is not aligned costs slack."""
        self._end = _FAR + arena_size % ALIGNMENT
        self._head = self._temp = 0
        self.tail = self.needed = 0
        self.categories: Counter[str] = Counter()

    def resize(self, size: int) -> None:
        """Give the head's one buffer this many bytes; temporary ones are gone."""
        self._head = self._temp = size
        self._require(size)

    def temporary(self, layout: Layout, count: int = 1) -> None:
        """Stack `count` values on the head."""
        start = -(-self._temp // layout.align) * layout.align
        self._temp = start + count * layout.size
        self._require(self._temp)

    def drop_temporaries(self) -> None:
        """Take all temporary buffers away."""
        self._temp = self._head

    def persistent(self, category: str, size: int, align: int = ALIGNMENT) -> None:
        """Put a buffer at the lower end of the tail.

        TFLM looks whether it meets the head, not whether it runs over temporary buffers, and then
        crashes or goes wrong: an arena that works has room for both.
        """
        address = (self._end - self.tail - size) // align * align
        tail = self._end - address
        self.categories[category] += tail - self.tail
        self.tail = tail
        self._require(self._temp)

    def structs(self, category: str, layout: Layout, count: int = 1) -> None:
        """Put `count` values of one type at the lower end of the tail, as TFLM aligns them."""
        self.persistent(category, count * layout.size, layout.align)

    def plan_with(self, buffers: int, bytes_per_buffer: int) -> None:
        """Let the planner have all that lies between the two ends, both aligned."""
        room = align_up(self._temp) + buffers * bytes_per_buffer
        self.needed = max(self.needed, room + align_up(self.tail))

    def _require(self, low: int) -> None:
        self.needed = max(self.needed, low + self.tail)
