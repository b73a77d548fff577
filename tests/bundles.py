"""Golden bundles that lie: sound blocks with other contents than were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from microinterp.golden_bundle import BundleWriter, read_bundle

Place = tuple[int, tuple[int, ...]]
"""Number of an array, and an index [sample, ...] in it."""


def flip(array: Any, place: tuple[int, ...]) -> None:
    """Change the lowest bit of an element."""
    raw = bytearray(array[place].tobytes())
    raw[0] ^= 1
    array[place] = np.frombuffer(bytes(raw), array.dtype)[0]


def change_bundle(
    path: Path,
    inputs: Sequence[Place] = (),
    outputs: Sequence[Place] = (),
    crcs: Sequence[tuple[int, int]] = (),
    tensors: Sequence[Place] = (),
    **header: Any,
) -> Path:
    """Write a bundle anew with one bit of some elements changed, and fields of its header.

    Args:
        path: the bundle.
        inputs, outputs, tensors: which elements.
        crcs: [sample, check] of the CRC32s to change.
        header: fields of BundleHeader.
    """
    bundle = read_bundle(path)
    arrays = [
        [array.copy() for array in group]
        for group in (bundle.inputs, bundle.outputs, bundle.tensors)
    ]
    for group, places in zip(arrays, (inputs, outputs, tensors), strict=True):
        for number, place in places:
            flip(group[number], place)
    sums = bundle.crcs.copy()
    for at in crcs:
        sums[at] ^= 1
    with BundleWriter(path, replace(bundle.header, **header)) as writer:
        writer.add(arrays[0], arrays[1], sums, arrays[2])
    return path
