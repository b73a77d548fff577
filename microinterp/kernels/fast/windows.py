"""Images as floats with their padding around them, and the windows of a filter as views of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from microinterp.fast_path import Call, assign
from microinterp.kernels.common import Window

TILE_FLOATS = 1 << 18
"""Floats of a tile's widest array: 1 MB. Smaller ones make more calls, for which threads wait."""

MOST_FLOATS = 1 << 24
"""Floats that a row of outputs, and the padded images of a tile, may take; a layer that needs more
runs its plain kernel."""


@dataclass(frozen=True)
class Tile:
    """Rows of outputs that are computed together.

    Attributes:
        images: whole images, or a single one.
        rows: rows of outputs of each.
    """

    images: slice
    rows: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Images and rows of each."""
        return self.images.stop - self.images.start, self.rows.stop - self.rows.start


def tiles(
    images: int, rows: int, floats_per_row: int, floats_per_image: int = 0
) -> Iterator[list[Tile]]:
    """The tiles of each group of images; a group is either one image or one tile.

    Args:
        floats_per_row: of the widest array, for one row of outputs.
        floats_per_image: of an image with its padding.
    """
    at_once = max(1, TILE_FLOATS // floats_per_row)
    group = max(1, min(images, at_once // rows, MOST_FLOATS // max(1, floats_per_image)))
    for start in range(0, images, group):
        members = slice(start, min(images, start + group))
        height = rows if group > 1 else _even(rows, at_once)
        yield [Tile(members, slice(r, min(rows, r + height))) for r in range(0, rows, height)]


def _even(total: int, most: int) -> int:
    """Parts of the same size, as few as there must be."""
    parts = -(-total // most)
    return -(-total // parts)


@dataclass(frozen=True)
class Axis:
    """One axis of a padded image: every `phases`-th pixel from each start on.

    Attributes:
        window: of the filter.
        phases: the pixels of one phase lie side by side.
    """

    window: Window
    phases: int = 1

    @property
    def padded(self) -> int:
        """Pixels of a phase, padding included."""
        w = self.window
        length = (w.outputs - 1) * w.stride + (w.size - 1) * w.dilation + 1
        return -(-length // self.phases)

    def pixels(self, phase: int) -> tuple[slice, slice]:
        """Where a phase's pixels of the image lie in the padded axis, and in the image."""
        w = self.window
        first = max(0, -(-(w.before - phase) // self.phases))
        start = first * self.phases + phase - w.before
        count = max(0, -(-(w.length - start) // self.phases))
        count = max(0, min(count, self.padded - first))
        stop = start + (count - 1) * self.phases + 1 if count else start
        return slice(first, first + count), slice(start, stop, self.phases)


def padded_floats(height: Window, width: Window, channels: int) -> int:
    """Elements of an image with its padding, which taps far apart make far larger."""
    return Axis(height).padded * Axis(width).padded * channels


def fill(
    padded: npt.NDArray[Any],
    images: npt.NDArray[Any],
    height: Axis,
    width: Axis,
    phase: int = 0,
) -> Call:
    """The call that converts images [n, h, w, ...] into padded [n, hp, wp, ...]; edges stay."""
    rows, from_rows = height.pixels(0)
    columns, from_columns = width.pixels(phase)
    source = images[:, from_rows, from_columns]
    return assign(padded[:, rows, columns], source)


def windows(padded: npt.NDArray[Any], height: Window, width: Window) -> npt.NDArray[Any]:
    """Padded [n, hp, wp, c] as a view [n, rows, columns, taps down, taps across, c]."""
    images, rows, columns, channels = padded.strides
    return as_strided(
        padded,
        (len(padded), height.outputs, width.outputs, height.size, width.size, padded.shape[3]),
        (
            images,
            rows * height.stride,
            columns * width.stride,
            rows * height.dilation,
            columns * width.dilation,
            channels,
        ),
        writeable=False,
    )
