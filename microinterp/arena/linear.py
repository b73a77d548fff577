"""TFLM's linear planner: one buffer after the other, so that every tensor survives an invoke."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate


def linear_offsets(sizes: Sequence[int]) -> list[int]:
    """Offset for each buffer; `sizes` are aligned byte counts (linear_memory_planner.cc)."""
    return list(accumulate(sizes, initial=0))[:-1] if sizes else []
