"""One way of a line that damages what goes over it: where each fault falls, and what comes of it.

Standard library only: the process of a virtual board, which is run by its path, imports this by its
bare name. Places are drawn ahead, from one sequence for each kind of fault: they depend on the seed
and on a byte's place in the stream only, not on the pieces that bytes come in, nor on the clock.
"""

from __future__ import annotations

import math
import random
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

KINDS = ("drop", "flip", "dup", "noise", "stall")
"""Faults that come by chance, in the order in which they act on a byte."""
_BLOCKS = ("drop", "flip", "dup")  # those whose size is a number of bytes that they hit
_NEVER = sys.maxsize


@dataclass(slots=True)
class Piece:
    """Bytes that come out of the line, or what was done there.

    at: offset in the stream, as it was sent, of the first byte of a plain run; else of the byte
    that a fault has hit. data: what comes out. fault: empty for a plain run. was: what would have
    come out. seconds: that the line stands still after this.
    """

    at: int
    data: bytes
    fault: str = ""
    was: bytes = b""
    seconds: float = 0.0


class FaultyLine:
    """A stream of bytes with faults: `feed` what is sent, take what is `due`."""

    def __init__(
        self,
        chances: Mapping[str, Sequence[float]],
        seed: str,
        marks: Mapping[str, int] | None = None,
    ) -> None:
        """`chances`: by kind, the probability at each byte and the size: bytes, or seconds.

        `marks`: names of pieces without data that come after so many bytes.
        """
        self.held = 0
        self._at = 0  # offset of the next byte
        self._queue: deque[Piece] = deque()
        self._until = 0.0  # when a stall ends
        self._copy = b""  # of the block that is to come twice
        self._kinds = {
            kind: _Chance(chances[kind], f"{seed} {kind}", kind in _BLOCKS)
            for kind in KINDS
            if kind in chances
        }
        self._marks = dict(marks or {})

    @property
    def taken(self) -> int:
        """Bytes that were fed in all."""
        return self._at

    def feed(self, data: bytes) -> None:
        """Take bytes in; they count in `held` until they are out."""
        start, end = self._at, self._at + len(data)
        while self._at < end:
            clear = min(self._next_fault(), end)
            if clear > self._at:
                self._plain(self._at, data[self._at - start : clear - start])
                self._at = clear
            else:
                self._hit(self._at, data[self._at - start])
                self._at += 1

    def due(self, now: float) -> Iterator[Piece]:
        """What comes out at the time `now`, in seconds; nothing while the line stands still."""
        while self._queue and now >= self._until:
            piece = self._queue.popleft()
            self.held -= len(piece.data)
            if piece.seconds:
                self._until = now + piece.seconds
            yield piece

    def wait(self, now: float) -> float | None:
        """Seconds until more is due; None if nothing is held."""
        return max(0.0, self._until - now) if self._queue else None

    def _next_fault(self) -> int:
        """Offset of the first byte that is not only passed on."""
        chances = [chance.start for chance in self._kinds.values()]
        return min([*chances, *(after - 1 for after in self._marks.values())], default=_NEVER)

    def _hit(self, at: int, byte: int) -> None:
        """Pass on one byte that something happens to, or after which something happens."""
        hit = {kind: chance for kind, chance in self._kinds.items() if chance.start <= at}
        was = now = bytes([byte])
        bit = hit["flip"].random.randrange(8) if "flip" in hit else 0  # drawn for lost bytes too
        if "drop" in hit:
            now = b""
            self._put(Piece(at, now, "drop", was))
        elif "flip" in hit:
            now = bytes([byte ^ 1 << bit])
            self._put(Piece(at, now, "flip", was))
        else:
            self._plain(at, now)
        if "dup" in hit:
            self._repeat(at, now, hit["dup"].end)
        if "noise" in hit:
            self._put(Piece(at, hit["noise"].random.randbytes(int(hit["noise"].size)), "noise"))
        if "stall" in hit:
            self._put(Piece(at, b"", "stall", seconds=hit["stall"].size))
        for chance in hit.values():
            if at + 1 == chance.end:
                chance.draw(at + 1)
        for name in [name for name, after in self._marks.items() if after == at + 1]:
            del self._marks[name]
            self._put(Piece(at, b"", name))

    def _repeat(self, at: int, data: bytes, end: int) -> None:
        """A byte of a block that comes twice; its last one brings the copy."""
        self._copy += data
        if at + 1 == end:
            if self._copy:  # else all of it was dropped
                self._put(Piece(at, self._copy, "dup"))
            self._copy = b""

    def _plain(self, at: int, data: bytes) -> None:
        """Put a run, as a part of the last one where it goes on from there."""
        last = self._queue[-1] if self._queue else None
        if last is not None and not last.fault:
            last.data += data
            self.held += len(data)
        else:
            self._put(Piece(at, data))

    def _put(self, piece: Piece) -> None:
        self._queue.append(piece)
        self.held += len(piece.data)


class _Chance:
    """Where one kind of fault comes next: bytes from `start` to before `end`."""

    def __init__(self, chance: Sequence[float], seed: str, is_block: bool) -> None:
        probability, self.size = chance
        self._reach = int(self.size) if is_block else 1
        self.random = random.Random(seed)
        self._log = math.log1p(-probability) if probability < 1 else -math.inf
        self.draw(0)

    def draw(self, at: int) -> None:
        """Toss for each byte from `at` on until one is hit, all tosses in one."""
        self.start = at + int(math.log(1 - self.random.random()) / self._log)
        self.end = self.start + self._reach
