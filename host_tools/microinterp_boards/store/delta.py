"""How a file comes out of one that the board has: runs to copy, and bytes to send."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

BLOCK = 512
"""Bytes that are compared as one: what a copy saves must outweigh its request."""


@dataclass(frozen=True, slots=True)
class Run:
    """Bytes of the new file from `offset` on, `size` of them.

    source: where they lie in the old file; None: they must be sent.
    """

    offset: int
    size: int
    source: int | None = None


def runs(new: bytes, old_sums: Sequence[int], block: int = BLOCK) -> list[Run]:
    """Runs that together are `new`, in order.

    A block of the old file is looked for at every byte of the new one, so that what moved is found
    too. It is known by its CRC32 only: whoever uses this checks the whole.

    Args:
        new: the new file.
        old_sums: CRC32 of each whole block of the old file.
        block: bytes of a block.
    """
    places: dict[int, int] = {}
    for number, crc in enumerate(old_sums):
        places.setdefault(crc, number * block)
    found: list[Run] = []
    view = memoryview(new)
    at = sent = 0
    expected = -1  # where the old file goes on behind the last match
    while places and at + block <= len(new):
        crc = zlib.crc32(view[at : at + block])
        source = places.get(crc)
        if source is None:
            at += 1
            continue
        if (
            expected >= 0
            and expected // block < len(old_sums)
            and old_sums[expected // block] == crc
        ):
            source = expected  # of equal blocks the one that makes the run longer
        if sent < at:
            found.append(Run(sent, at - sent))
        _append(found, at, block, source)
        at += block
        sent, expected = at, source + block
    if sent < len(new):
        found.append(Run(sent, len(new) - sent))
    return found


def _append(found: list[Run], offset: int, size: int, source: int) -> None:
    """Add what is copied, behind what `found` ends with."""
    last = found[-1] if found else None
    if last is not None and last.source is not None and last.source + last.size == source:
        found[-1] = Run(last.offset, last.size + size, last.source)
    else:
        found.append(Run(offset, size, source))
