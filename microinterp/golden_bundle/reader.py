"""Reads golden bundles chunk by chunk; damage and a cut tail are told with their place."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

import numpy as np
import numpy.typing as npt

from microinterp.closing import Closing
from microinterp.errors import InputError, printable
from microinterp.files import unreadable
from microinterp.golden_bundle.blocks import MAGIC, PREFIX_BYTES, DamagedError, decode
from microinterp.golden_bundle.records import (
    VERSION,
    Array,
    BundleHeader,
    BundleTensor,
    Check,
    Chunk,
)
from microinterp.tensor_types import BY_CODE

_SHA256_BYTES = 32
MAX_EMPTY_SAMPLES = 1 << 16
"""Most samples of a chunk whose samples have no bytes: claiming billions may not be free."""
_RECORD_AGAIN = "record it again"
_COPY_AGAIN = f"copy it anew, or {_RECORD_AGAIN}"
_HINT = "bundles come from `golden record`; one of an early version, in an .npz: record it anew"


@dataclass(frozen=True)
class Bundle:
    """A whole bundle in memory; arrays are [samples, *shape], crcs uint32 [samples, checks].

    `tensors` has one array per check, if their bytes are kept.
    """

    header: BundleHeader
    samples: int
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    crcs: npt.NDArray[np.uint32]
    tensors: tuple[Array, ...] = ()


def read_bundle(path: str | os.PathLike[str]) -> Bundle:
    """All of a bundle. Raises InputError as BundleReader."""
    with BundleReader(path) as reader:
        chunks, header = list(reader), reader.header

    def joined(parts: list[tuple[Array, ...]], tensors: Sequence[BundleTensor | Check]) -> Any:
        if not parts:
            return tuple(np.zeros((0, *t.shape), t.dtype.newbyteorder("=")) for t in tensors)
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    no_crcs = np.zeros((0, len(header.checks)), np.uint32)
    return Bundle(
        header=header,
        samples=sum(chunk.samples for chunk in chunks),
        inputs=joined([chunk.inputs for chunk in chunks], header.inputs),
        outputs=joined([chunk.outputs for chunk in chunks], header.outputs),
        crcs=np.concatenate([no_crcs, *(chunk.crcs for chunk in chunks)]),
        tensors=joined([chunk.tensors for chunk in chunks], header.kept),
    )


class BundleReader(Closing):
    """Reads a bundle; iterating gives its chunks, from the first one each time.

    One chunk is in memory at a time. Every block's CRC32 is checked before it is used.

    Attributes:
        header: where the bundle comes from.
        size: bytes of the file.
        end_offset: byte where the end block begins; known when an iteration has come to its end.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open a bundle and read its header.

        Raises:
            InputError: it cannot be read, is no bundle, is damaged, or of another version.
        """
        self.path = os.fspath(path)
        self.end_offset = 0
        try:
            self._file: BinaryIO = open(self.path, "rb")  # noqa: SIM115
        except (OSError, ValueError) as error:
            raise unreadable(self.path, error) from None
        try:
            self.size = os.fstat(self._file.fileno()).st_size
            if self._file.read(len(MAGIC)) != MAGIC:
                self._fail("it is no golden bundle", 0, _HINT)
            self.header = self._header(self._next(0))
            self._first_chunk = self._file.tell()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __iter__(self) -> Iterator[Chunk]:
        """Every chunk, then checks of the end. Raises InputError where it is damaged or cut off."""
        samples, offset = 0, self._first_chunk
        while True:
            self._file.seek(offset)
            block = self._next(samples)
            after = self._file.tell()
            if block.Chunk() is None:
                self._end(block, samples, offset, after)
                return
            chunk = self._chunk(block.Chunk(), samples, offset)
            yield chunk
            samples, offset = samples + chunk.samples, after

    @property
    def samples(self) -> int:
        """Samples that the bundle's end tells of; chunks are skipped, and not looked at.

        Raises:
            InputError: the bundle is cut off or damaged; the chunks have been looked at then, so
                that it says where.
        """
        try:
            return self._told_samples()
        except InputError:
            for _ in self:
                pass
            raise

    def _told_samples(self) -> int:
        offset, last = self._first_chunk, None
        while offset < self.size:
            self._file.seek(offset)
            last = offset
            prefix = self._file.read(PREFIX_BYTES)
            offset += PREFIX_BYTES + int.from_bytes(prefix, "little")
        if last is None:
            self._cut_off(0, self._first_chunk, "")
        self._file.seek(last)
        block = self._next(None)
        if block.End() is None:
            self._cut_off(None, self.size, "")
        count: int = block.End().Samples()
        return count

    def _next(self, samples: int | None) -> Any:
        """The block at the file's position; `samples` is how many have been read before."""
        offset = self._file.tell()
        left = self.size - offset
        prefix = self._file.read(PREFIX_BYTES)
        if len(prefix) < PREFIX_BYTES:
            self._cut_off(samples, offset, f": {left} bytes are left" if left else "")
        (size,) = struct.unpack("<I", prefix)
        if size > left - PREFIX_BYTES:
            have = left - PREFIX_BYTES
            self._cut_off(samples, offset, f": a block of {size} bytes begins, {have} are left")
        try:
            return decode(prefix + self._file.read(size))
        except DamagedError as error:
            after = "" if samples is None else f" behind sample {samples - 1}" if samples else ""
            self._fail(f"the block at byte {offset}{after} is damaged: {error}", offset)

    def _cut_off(self, samples: int | None, offset: int, detail: str) -> NoReturn:
        if samples is None:
            text = f"it is cut off{detail}"
        elif samples:
            text = f"it is cut off or damaged behind sample {samples - 1}{detail}"
        else:
            text = f"it is cut off or damaged before its first sample{detail}"
        self._fail(text, offset, "the recording was broken off, or the copy is not whole")

    def _fail(self, reason: str, offset: int, hint: str = _COPY_AGAIN) -> NoReturn:
        raise unreadable(self.path, reason, hint).at(byte_offset=offset)

    def _header(self, block: Any) -> BundleHeader:
        header, offset = block.Header(), len(MAGIC)
        if header is None:
            self._fail("it does not begin with a header", offset)
        version, tool = header.Version(), _text(header.Tool())
        if version != VERSION:
            remedy = "update microinterp" if version > VERSION else _RECORD_AGAIN
            self._fail(
                f"it is in format version {version}, written by '{printable(tool)}'; this "
                f"runtime reads version {VERSION}",
                offset,
                remedy,
            )
        sha256 = header.ModelSha256AsNumpy().tobytes() if header.ModelSha256Length() else b""
        if len(sha256) != _SHA256_BYTES:
            self._fail(f"its header has a SHA-256 of {len(sha256)} bytes", offset)
        result = BundleHeader(
            model_sha256=sha256.hex(),
            profile=_text(header.Profile()),
            runtime=_text(header.Runtime()),
            runtime_version=_text(header.RuntimeVersion()),
            inputs=_each(header.InputsLength, header.Inputs, _tensor),
            outputs=_each(header.OutputsLength, header.Outputs, _tensor),
            checks=_each(header.ChecksLength, header.Checks, _check),
            has_tensors=header.HasTensors(),
            seed=header.Seed(),
            tool=tool,
        )
        tensors: list[BundleTensor | Check] = [*result.inputs, *result.outputs, *result.checks]
        for tensor in tensors:
            self._check_tensor(tensor, offset)
        return result

    def _check_tensor(self, tensor: BundleTensor | Check, offset: int) -> None:
        element = BY_CODE.get(tensor.type)
        width = element.nbytes if element is not None and element.dtype is not None else 0
        is_shape = all(side >= 0 for side in tensor.shape)
        if not width or not is_shape or tensor.nbytes != math.prod(tensor.shape) * width:
            text = f"tensor '{printable(tensor.name)}' of type {tensor.type} and shape "
            self._fail(f"{text}{list(tensor.shape)} has {tensor.nbytes} bytes", offset)

    def _chunk(self, chunk: Any, first: int, offset: int) -> Chunk:
        samples = chunk.Samples()
        if chunk.First() != first or not samples:
            self._fail(
                f"a chunk of {samples} samples from {chunk.First()} follows, wanted {first}", offset
            )
        if not self.header.sample_bytes and samples > MAX_EMPTY_SAMPLES:
            self._fail(f"a chunk of {samples} samples without a byte follows", offset)
        checks = len(self.header.checks)
        if chunk.CrcsLength() != samples * checks:
            self._fail(
                f"sample {first} on: {chunk.CrcsLength()} CRC32s, wanted {samples * checks}", offset
            )
        crcs = chunk.CrcsAsNumpy() if checks else np.zeros(0, np.uint32)
        inputs, outputs, tensors = (
            self._arrays(length(), get, wanted, samples, offset)
            for length, get, wanted in (
                (chunk.InputsLength, chunk.Inputs, self.header.inputs),
                (chunk.OutputsLength, chunk.Outputs, self.header.outputs),
                (chunk.TensorsLength, chunk.Tensors, self.header.kept),
            )
        )
        rows = crcs.astype(np.uint32).reshape(samples, checks)
        return Chunk(first, samples, inputs, outputs, rows, tensors)

    def _arrays(
        self,
        count: int,
        get: Callable[[int], Any],
        tensors: Sequence[BundleTensor | Check],
        samples: int,
        offset: int,
    ) -> tuple[Array, ...]:
        if count != len(tensors):
            self._fail(f"a chunk has {count} tensors, its header {len(tensors)}", offset)
        arrays = []
        for i, tensor in enumerate(tensors):
            data = get(i)
            if data.BytesLength() != samples * tensor.nbytes:
                self._fail(
                    f"tensor '{printable(tensor.name)}' has {data.BytesLength()} bytes in a chunk, "
                    f"wanted {samples * tensor.nbytes}",
                    offset,
                )
            raw = data.BytesAsNumpy().tobytes() if data.BytesLength() else b""
            flat = np.frombuffer(raw, tensor.dtype).astype(tensor.dtype.newbyteorder("="))
            arrays.append(flat.reshape(samples, *tensor.shape))
        return tuple(arrays)

    def _end(self, block: Any, samples: int, offset: int, after: int) -> None:
        end = block.End()
        if end is None:
            self._fail("a second header follows", offset)
        if end.Samples() != samples:
            self._fail(f"its end tells of {end.Samples()} samples, there are {samples}", offset)
        if after != self.size:
            self._fail(f"{self.size - after} bytes follow its end", after)
        self.end_offset = offset


def _text(raw: bytes | None) -> str:
    return "" if raw is None else bytes(raw).decode("utf-8", errors="backslashreplace")


def _each(length: Callable[[], int], get: Callable[[int], Any], read: Callable[[Any], Any]) -> Any:
    return tuple(read(get(i)) for i in range(length()))


def _tensor(tensor: Any) -> BundleTensor:
    shape = tuple(tensor.ShapeAsNumpy().tolist()) if tensor.ShapeLength() else ()
    return BundleTensor(_text(tensor.Name()), tensor.Index(), tensor.Type(), shape, tensor.Nbytes())


def _check(check: Any) -> Check:
    shape = tuple(check.ShapeAsNumpy().tolist()) if check.ShapeLength() else ()
    return Check(
        subgraph=check.Subgraph(),
        op=check.Op(),
        op_name=_text(check.OpName()),
        tensor=check.Tensor(),
        type=check.Type(),
        shape=shape,
        nbytes=check.Nbytes(),
    )
