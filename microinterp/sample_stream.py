"""Samples chunk by chunk, from files of any size or at random: none of it lies in memory whole."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from microinterp.errors import InputError
from microinterp.graph import Tensor
from microinterp.input_files import NpyRows, read_npy, suffix_of
from microinterp.inputs import (
    IMAGE_SUFFIXES,
    Reading,
    SampleReader,
    arrays_of_npz,
    count_in,
    draw,
    misfit_of_files,
    require_one_count,
)

Array = npt.NDArray[Any]

_CHUNK_BYTES, _CHUNK_SAMPLES = 1 << 20, 1024
# NumPy draws 1- and 2-byte integers four and two at a time, and forgets what is left of a draw.
_DRAWN_TOGETHER = 4


class SampleStream:
    """The samples in files, as inputs.read_samples reads them, but a chunk at a time.

    Attributes:
        count: how many there are, None where that is not known before they are read.
    """

    def __init__(
        self, paths: Sequence[str], inputs: Sequence[Tensor], reading: Reading | None = None
    ) -> None:
        """Look at the files. Arguments and errors as for inputs.read_samples."""
        self._reader = SampleReader(reading or Reading())
        self._inputs = inputs
        self._size = chunk_samples(inputs)
        self.count: int | None = None
        self._columns: list[_Source] = []
        self._paths: Sequence[str] = ()
        if len(paths) == 1 and len(inputs) > 1 and suffix_of(paths[0]) == ".npz":
            arrays = arrays_of_npz(paths[0], inputs)
            found = [
                _Whole(self._reader.numbers(array, tensor, paths[0]))
                for array, tensor in zip(arrays, inputs, strict=True)
            ]
            self._columns.extend(found)
        elif len(inputs) == 1 and paths:
            self._paths = paths
            if len(paths) == 1:
                self._columns.append(self._open(paths[0], inputs[0]))
        elif len(paths) == len(inputs):
            self._columns.extend(self._open(p, t) for p, t in zip(paths, inputs, strict=True))
        else:
            raise misfit_of_files(len(paths), inputs)
        if self._columns:
            require_one_count(self._columns)
            self.count = len(self._columns[0])
        elif not inputs:
            self.count = 1
        elif all(suffix_of(path) in IMAGE_SUFFIXES for path in paths):
            self.count = len(paths)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of how the files were read; all of it at the end."""
        return self._reader.notes

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        """One array [n, *shape] per input, chunk by chunk. Raises InputError."""
        if not self._inputs:
            yield ()
        elif self._columns:
            yield from self._of(self._columns)
        else:
            for path in self._paths:
                yield from self._of([self._open(path, self._inputs[0])])

    def _of(self, columns: Sequence[_Source]) -> Iterator[tuple[Array, ...]]:
        for low in range(0, len(columns[0]), self._size):
            high = min(low + self._size, len(columns[0]))
            yield tuple(column.part(low, high) for column in columns)

    def _open(self, path: str, tensor: Tensor) -> _Source:
        if suffix_of(path) == ".npy":
            return _Npy(NpyRows(path), tensor, self._reader)
        return _Whole(self._reader.file(path, tensor))


class _Source(Protocol):
    """One input's samples."""

    def __len__(self) -> int: ...

    def part(self, low: int, high: int) -> Array:
        """[high - low, *shape]."""


class _Whole:
    """Samples in memory: [N, *shape]."""

    def __init__(self, array: Array) -> None:
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    def part(self, low: int, high: int) -> Array:
        """See _Source."""
        return self._array[low:high]


class _Npy:
    """Samples in a .npy file, read and converted when they are asked for."""

    def __init__(self, rows: NpyRows, tensor: Tensor, reader: SampleReader) -> None:
        self._rows, self._tensor, self._reader = rows, tensor, reader
        self._count = count_in(rows.shape, tensor, rows.path)
        self._whole: Array | None = None
        if self._count == 1:  # it may have no axis for samples
            self._whole = reader.numbers(read_npy(rows.path), tensor, rows.path)

    def __len__(self) -> int:
        return self._count

    def part(self, low: int, high: int) -> Array:
        """See _Source."""
        if self._whole is not None:
            return self._whole[low:high]
        return self._reader.numbers(self._rows.rows(low, high), self._tensor, self._rows.path)


def chunk_samples(inputs: Sequence[Tensor]) -> int:
    """How many samples to hold at a time; a multiple of what is drawn together."""
    size = sum(8 * tensor.elements for tensor in inputs)
    count = min(_CHUNK_SAMPLES, _CHUNK_BYTES // max(1, size))
    return max(_DRAWN_TOGETHER, count // _DRAWN_TOGETHER * _DRAWN_TOGETHER)


def random_stream(inputs: Sequence[Tensor], count: int, seed: int) -> Iterator[tuple[Array, ...]]:
    """The samples that inputs.random_samples gives for the same seed, chunk by chunk.

    It draws one input after the other; here each input has a generator of its own, which has been
    moved on behind what is drawn before.

    Raises:
        InputError: count is below 1, or seed below 0.
    """
    if count < 1 or seed < 0:
        raise InputError(f"wanted 1 sample or more and a seed of 0 or more, got {count}, {seed}")
    return _drawn(inputs, count, seed)


def _drawn(inputs: Sequence[Tensor], count: int, seed: int) -> Iterator[tuple[Array, ...]]:
    rng, size = np.random.default_rng(seed), chunk_samples(inputs)
    sizes = [min(size, count - low) for low in range(0, count, size)]
    generators = []
    for tensor in inputs:
        generators.append(copy.deepcopy(rng))
        if len(generators) < len(inputs):
            for each in sizes:
                draw(rng, tensor, each)
    if not inputs:
        yield from [()] * count
        return
    for each in sizes:
        yield tuple(draw(g, t, each) for g, t in zip(generators, inputs, strict=True))
