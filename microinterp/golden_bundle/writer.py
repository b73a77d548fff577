"""Writes golden bundles sample by sample, in chunks of bounded size."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from types import TracebackType
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from microinterp.errors import InputError, printable, printable_path
from microinterp.files import replaced_by, unwritable
from microinterp.golden_bundle.blocks import MAGIC, chunk_block, end_block, header_block
from microinterp.golden_bundle.reader import BundleReader
from microinterp.golden_bundle.records import Array, BundleHeader, BundleTensor, Check

CHUNK_BYTES = 1 << 16
"""Samples are gathered up to about this size: small enough to be read on a board."""
MAX_SAMPLES = (1 << 32) - 1
_Waiting: TypeAlias = "tuple[list[list[Array]], npt.NDArray[np.uint32]]"


class BundleWriter:
    """Writes a bundle: a context manager that leaves a whole file, or what was there before.

        with BundleWriter(path, header) as bundle:
            bundle.add(inputs, outputs, crcs)

    The same samples give the same file, however many are added at a time.
    """

    def __init__(self, path: str | os.PathLike[str], header: BundleHeader) -> None:
        """Start a new bundle; the file appears under its name when all is written.

        Raises:
            InputError: the file cannot be written.
        """
        self._target, part = replaced_by(path)
        self._start(header, part, "xb", 0)
        self._write(MAGIC + header_block(header))

    @classmethod
    def append(cls, path: str | os.PathLike[str], header: BundleHeader) -> BundleWriter:
        """Go on with a bundle that is there: its chunks stay as they are.

        Raises:
            InputError: it is damaged or cut off, comes from another model, runtime or profile, or
                cannot be written.
        """
        writer = cls.__new__(cls)
        writer._target = os.fspath(path)
        with BundleReader(path) as reader:
            _require_same(writer._target, reader.header, header)
            samples = sum(chunk.samples for chunk in reader)
            end = reader.end_offset
        writer._start(reader.header, writer._target, "r+b", samples)
        writer._restore = end
        writer._file.seek(end)
        return writer

    def _start(self, header: BundleHeader, path: str, mode: str, samples: int) -> None:
        self.header = header
        self.samples = samples
        self._before = samples
        self._path = path
        self._restore: int | None = None
        self._chunk_samples = max(1, CHUNK_BYTES // max(1, header.sample_bytes))
        self._waiting: list[_Waiting] = []
        self._waiting_samples = 0
        try:
            self._file: BinaryIO = open(path, mode)  # type: ignore[assignment]  # noqa: SIM115
        except (OSError, ValueError) as error:
            raise unwritable(self._target, error) from None

    def add(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        crcs: npt.NDArray[np.uint32] | None = None,
        tensors: Sequence[Array] = (),
    ) -> None:
        """Add samples.

        Args:
            inputs, outputs: one array [samples, *shape] per tensor.
            crcs: uint32 [samples, checks]; may be left out where the header has no checks.
            tensors: one array [samples, *shape] per check, if the header keeps their bytes.

        Raises:
            InputError: arrays are not as the header says, or the file cannot be written.
        """
        counts = {len(array) for array in (*inputs, *outputs, *tensors) if array.ndim}
        if len(counts) != 1:
            raise InputError(f"arrays of a bundle have {sorted(counts)} samples, wanted one number")
        (count,) = counts
        for role, arrays, wanted in zip(
            _ROLES, (inputs, outputs, tensors), self._described(), strict=True
        ):
            _require_arrays(role, arrays, wanted)
        if crcs is None:
            crcs = np.zeros((count, 0), np.uint32)
        if crcs.shape != (count, len(self.header.checks)):
            raise InputError(
                f"CRC32s of shape {list(crcs.shape)}, wanted [{count}, {len(self.header.checks)}]"
            )
        if self.samples + count > MAX_SAMPLES:
            raise InputError(f"a bundle holds {MAX_SAMPLES} samples at most")
        copied = [[array.copy() for array in arrays] for arrays in (inputs, outputs, tensors)]
        self._waiting.append((copied, crcs.copy()))
        self._waiting_samples += count
        self.samples += count
        if self._waiting_samples >= self._chunk_samples:
            self._flush(self._chunk_samples)

    def close(self) -> None:
        """Write what is left and the end. Raises InputError if it cannot be written."""
        try:
            self._flush(1)
            self._write(end_block(self.samples))
            self._file.truncate()
            self._file.close()
            if self._path != self._target:
                if os.path.exists(self._target):
                    shutil.copymode(self._target, self._path)
                os.replace(self._path, self._target)
        except OSError as error:
            raise unwritable(self._target, error) from None

    def abandon(self) -> None:
        """Leave things as they were before: no new file, or the old bundle without additions."""
        with contextlib.suppress(OSError):
            if self._restore is None:
                self._file.close()
                os.remove(self._path)
            else:
                self._file.seek(self._restore)
                self._file.write(end_block(self._before))
                self._file.truncate()
                self._file.close()

    def __enter__(self) -> BundleWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.abandon()
            return
        try:
            self.close()
        except BaseException:
            self.abandon()
            raise

    def _flush(self, least: int) -> None:
        """Write chunks of full size while `least` samples are waiting."""
        if self._waiting_samples < least:
            return
        roles, total, start = range(len(_ROLES)), self._waiting_samples, 0
        joined = [_joined([arrays[role] for arrays, _ in self._waiting]) for role in roles]
        crcs = np.concatenate([rows for _, rows in self._waiting])
        while total - start >= least:
            part = slice(start, min(start + self._chunk_samples, total))
            inputs, outputs, tensors = (
                _bytes(arrays, wanted, part)
                for arrays, wanted in zip(joined, self._described(), strict=True)
            )
            first, count = self.samples - total + start, part.stop - part.start
            self._write(chunk_block(first, count, inputs, outputs, crcs[part], tensors))
            start = part.stop
        rest = slice(start, total)  # copied, so that the large arrays go
        self._waiting = [([[a[rest].copy() for a in arrays] for arrays in joined], crcs[rest])]
        self._waiting_samples = total - start

    def _described(self) -> tuple[Sequence[BundleTensor | Check], ...]:
        return self.header.inputs, self.header.outputs, self.header.kept

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise unwritable(self._target, error) from None


_ROLES = ("input", "output", "tensor")


def _joined(parts: Sequence[Sequence[Array]]) -> list[Array]:
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def _bytes(
    arrays: Sequence[Array], tensors: Sequence[BundleTensor | Check], part: slice
) -> list[bytes]:
    return [
        array[part].astype(tensor.dtype, copy=False).tobytes()
        for array, tensor in zip(arrays, tensors, strict=True)
    ]


def _require_arrays(
    role: str, arrays: Sequence[Array], tensors: Sequence[BundleTensor | Check]
) -> None:
    if len(arrays) != len(tensors):
        raise InputError(f"the bundle has {len(tensors)} {role}s, got {len(arrays)} arrays")
    for i, (array, tensor) in enumerate(zip(arrays, tensors, strict=True)):
        if array.dtype != tensor.dtype.newbyteorder("=") or array.shape[1:] != tensor.shape:
            raise InputError(
                f"{role} {i} '{printable(tensor.name)}' takes samples of "
                f"{tensor.dtype.name}{list(tensor.shape)}, got {array.dtype}{list(array.shape)}"
            )


def _require_same(path: str, old: BundleHeader, new: BundleHeader) -> None:
    """Runtime versions and tools may differ: what they compute is checked against the bundle."""
    for what, before, now in (
        ("model", old.model_sha256, new.model_sha256),
        ("profile", old.profile, new.profile),
        ("runtime", old.runtime, new.runtime),
        ("inputs", old.inputs, new.inputs),
        ("outputs", old.outputs, new.outputs),
        ("checks", old.checks, new.checks),
        ("kind of tensors", old.has_tensors, new.has_tensors),
    ):
        if before != now:
            detail = f": {before}, not {now}" if isinstance(before, str) else ""
            raise InputError(
                f"cannot append to '{printable_path(path)}': it has another "
                f"{what}{printable(detail)}",
                hint="record a new bundle",
            )
