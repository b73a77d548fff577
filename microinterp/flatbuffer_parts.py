"""Parts that every flatbuffer of ours is written with; the formats' own code is `generated`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

_T = TypeVar("_T")


def tables(builder: Any, records: Iterable[_T], write: Callable[[Any, _T], int]) -> int:
    """Write a vector of tables, `write` each of them; gives the vector's offset."""
    offsets = [write(builder, record) for record in records]
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):  # a flatbuffer grows from its end to its start
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
