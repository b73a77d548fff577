"""Samples compared by their bytes as they are on the chip: where they differ, and their CRC32s."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


def differing(a: Array, b: Array) -> Mask:
    """Where two arrays of one shape and type differ: -0.0 is not 0.0, and a NaN may be equal."""
    if a.dtype.kind in "iub":
        plain: Mask = a != b
        return plain
    rows = [np.ascontiguousarray(x)[..., np.newaxis].view(np.uint8) for x in (a, b)]
    found: Mask = (rows[0] != rows[1]).any(axis=-1)
    return found


def crcs_of(values: Array) -> npt.NDArray[np.uint32]:
    """The CRC32 of each sample in [n, ...], of its little-endian bytes, uint32 [n]."""
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return np.array([zlib.crc32(each.tobytes()) for each in little], np.uint32)
