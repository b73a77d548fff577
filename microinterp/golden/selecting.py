"""Some of a bundle's samples, and each of their arrays as a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.errors import InputError
from microinterp.golden_bundle import BundleReader, BundleTensor, Check, Chunk

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Stream:
    """One array of a selection, [samples, *shape].

    Attributes:
        name: "input_0", "output_0", "crcs", "tensor_0", ...
        dtype: little-endian.
        shape: of one sample.
        pieces: gives it piece by piece, [n, *shape] each.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    pieces: Callable[[], Iterator[Array]]

    @property
    def elements(self) -> int:
        """Numbers in one sample."""
        return int(np.prod(self.shape, dtype=np.int64))


class Selection:
    """Samples `first` to `stop` of a bundle.

    Attributes:
        header: the bundle's.
        first, samples: which, and how many.
    """

    def __init__(self, reader: BundleReader, first: int = 0, stop: int | None = None) -> None:
        """Raises InputError if the bundle lacks these samples, or is damaged."""
        total = reader.samples
        end = total if stop is None else stop
        if not 0 <= first <= end <= total or (first == end and total):
            raise InputError(f"no samples {first}:{end}: the bundle has {total}")
        self._reader = reader
        self.header, self.first, self.samples = reader.header, first, end - first

    def chunks(self) -> Iterator[Chunk]:
        """The samples, chunk by chunk. Raises InputError where the bundle is damaged."""
        stop = self.first + self.samples
        for chunk in self._reader:
            if chunk.first >= stop:
                return
            low = max(self.first - chunk.first, 0)
            high = min(stop - chunk.first, chunk.samples)
            if low < high:
                yield _part(chunk, slice(low, high))

    def arrays(self) -> list[Stream]:
        """Inputs, outputs, CRC32s if there are any, tensors."""
        header = self.header
        described: list[tuple[str, Sequence[BundleTensor | Check]]] = [
            ("input", header.inputs),
            ("output", header.outputs),
            ("tensor", header.kept),
        ]
        found = [
            Stream(f"{role}_{number}", tensor.dtype, tensor.shape, self._of(f"{role}s", number))
            for role, tensors in described
            for number, tensor in enumerate(tensors)
        ]
        if header.checks:
            crcs = Stream("crcs", np.dtype("<u4"), (len(header.checks),), self._crcs)
            found.insert(len(header.inputs) + len(header.outputs), crcs)
        return found

    def _of(self, field: str, number: int) -> Callable[[], Iterator[Array]]:
        def pieces() -> Iterator[Array]:
            for chunk in self.chunks():
                array = getattr(chunk, field)[number]
                yield array.astype(array.dtype.newbyteorder("<"), copy=False)

        return pieces

    def _crcs(self) -> Iterator[Array]:
        return (chunk.crcs.astype("<u4", copy=False) for chunk in self.chunks())


def _part(chunk: Chunk, part: slice) -> Chunk:
    return Chunk(
        first=chunk.first + part.start,
        samples=part.stop - part.start,
        inputs=tuple(array[part] for array in chunk.inputs),
        outputs=tuple(array[part] for array in chunk.outputs),
        crcs=chunk.crcs[part],
        tensors=tuple(array[part] for array in chunk.tensors),
    )
