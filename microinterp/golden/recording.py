"""Records bundles: runs samples, a few MB of them at a time, and writes what comes out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TypeAlias, cast

import numpy as np

from microinterp.errors import InputError, printable
from microinterp.golden.results import Recorded
from microinterp.golden.running import (
    TENSORS,
    Samples,
    Seen,
    Target,
    at_once,
    observe,
    place_of,
    regrouped,
    require_profile,
    target_of,
    tellable,
)
from microinterp.golden_bundle import BundleReader, BundleWriter, describe
from microinterp.registry import Registry
from microinterp.sides import Side, open_side
from microinterp.sides.side import require_samples

Progress: TypeAlias = Callable[[int], None]
"""Called with the number of samples done so far."""
Inputs: TypeAlias = "Samples | Iterable[Samples]"


def record(
    model: bytes,
    inputs: Inputs,
    path: str | os.PathLike[str],
    *,
    runtime: str = "host",
    profile: str = "tflm",
    tensors: str = "crc",
    append: bool = False,
    registry: Registry | None = None,
    kernels: str = "auto",
    seed: int | None = None,
    progress: Progress = lambda _: None,
) -> Recorded:
    """Run samples and keep what comes out in a bundle.

    The file appears under its name when all is written; what was there before is replaced.

    Args:
        model: contents of a .tflite file.
        inputs: one array [samples, *shape] per input of the model, which may be memory-mapped; or
            an iterable of such sequences, taken one after the other.
        path: of the bundle.
        runtime: "host", "tflm" or another of `microinterp.sides.NAMES`.
        profile: numeric profile of the host; in a bundle of LiteRT the one to hold it to.
        tensors: "crc" keeps the CRC32 of every tensor that an op writes, "bytes" its contents too,
            "none" nothing of them.
        append: add the samples to a bundle that is there, of the same model, runtime and profile.
            A model with state goes on from the bundle's last sample.
        registry, kernels: of the host, as for Interpreter.
        seed: of random inputs, to be noted in the header.
        progress: told how many samples are done.

    Raises:
        InputError: inputs do not fit the model, there is no such runtime, or the file cannot be
            written, or appended to.
        RuntimeUnavailableError: the runtime is not installed, or refuses the model.
        ModelError, UnsupportedError, PrepareError, ArenaError, DeviceError: see Interpreter, Board.
    """
    if tensors not in TENSORS:
        raise InputError(f"tensors '{printable(tensors)}': wanted {', '.join(TENSORS)}")
    require_profile(runtime, profile)
    target = target_of(model, runtime, profile, registry)
    with ExitStack() as stack:
        side = stack.enter_context(open_side(runtime, model, profile, registry, kernels))
        recorder = _Recorder(stack, target, side, path, profile, tensors, append, seed)
        for chunk in recorder.chunks_of(inputs):
            recorder.run(chunk)
            progress(recorder.samples)
        return recorder.finish(hashlib.sha256(model).hexdigest())


class _Recorder:
    """Runs chunks and writes them; the first one shows which tensors the runtime can tell."""

    def __init__(
        self,
        stack: ExitStack,
        target: Target,
        side: Side,
        path: str | os.PathLike[str],
        profile: str,
        tensors: str,
        append: bool,
        seed: int | None,
    ) -> None:
        self._stack, self._target, self._side = stack, target, side
        self._path, self._append, self._seed = os.fspath(path), append, seed
        self._profile, self._tensors = profile, tensors
        self._checks = tellable(target, side.name) if tensors != "none" else ()
        self._writer: BundleWriter | None = None
        self._output_bytes = 0
        self.samples = 0
        main = target.graph.main
        sizes = [t.nbytes for t in (*main.inputs, *main.outputs)]
        sizes.extend(check.nbytes for check in self._checks)
        self._at_once = at_once(sum(sizes), side.name)

    def chunks_of(self, inputs: Inputs) -> Iterator[Samples]:
        """The samples, as many at a time as fit."""
        chunks = _checked(self._target, inputs)
        if not self._target.graph.main.inputs:
            return chunks  # one sample each
        return (chunk for (chunk,) in regrouped(((c,) for c in chunks), self._at_once))

    def run(self, chunk: Samples) -> None:
        """Run a chunk and add what came out."""
        if self._writer is None and self._append and self._target.is_stateful:
            self._catch_up()
        seen = self._observe(chunk)
        if self._writer is None:
            self._checks = tuple(c for c in self._checks if place_of(c) in seen.crcs)
            self._writer = self._stack.enter_context(self._open())
        places = [place_of(check) for check in self._checks]
        count = len(chunk[0]) if chunk else 1
        crcs = np.zeros((count, len(places)), np.uint32)
        for number, place in enumerate(places):
            crcs[:, number] = seen.crcs[place]
        with_bytes = self._tensors == "bytes"
        told = [seen.tensors[place] for place in places] if with_bytes else ()
        self._writer.add(chunk, seen.outputs, crcs, told)
        self.samples += count
        self._output_bytes += sum(array.nbytes for array in seen.outputs)

    def _observe(self, chunk: Samples) -> Seen:
        places = [place_of(check) for check in self._checks]
        return observe(self._side, chunk, places, self._tensors == "bytes")

    def _catch_up(self) -> None:
        """Run the samples that the bundle has already, so that state goes on from there."""
        for old in stored_inputs(self._path):
            for (chunk,) in regrouped([(old,)], self._at_once) if old else [((),)]:
                self._observe(chunk)

    def _open(self) -> BundleWriter:
        header = describe(
            self._target.graph,
            self._profile,
            self._side.name,
            self._side.version,
            self._checks,
            self._seed,
            self._tensors == "bytes",
        )
        open_bundle = BundleWriter.append if self._append else BundleWriter
        return open_bundle(self._path, header)

    def finish(self, sha256: str) -> Recorded:
        """What has been recorded. Raises InputError if there were no samples."""
        if self._writer is None:
            raise InputError("there are no samples to record")
        return Recorded(
            path=self._path,
            model_sha256=sha256,
            profile=self._profile,
            runtime=self._side.name,
            version=self._side.version,
            samples=self.samples,
            total_samples=self._writer.samples,
            output_bytes=self._output_bytes,
            tensors=self._tensors,
            checks=len(self._checks),
            seed=self._seed,
        )


def _checked(target: Target, inputs: Inputs) -> Iterator[Samples]:
    """Chunks of samples that fit the model."""
    for chunk in _chunks(inputs):
        require_samples(target.graph.main.inputs, chunk)
        if not chunk or len(chunk[0]):
            yield chunk


def _chunks(inputs: Inputs) -> Iterable[Samples]:
    is_one = isinstance(inputs, Sequence) and all(isinstance(a, np.ndarray) for a in inputs)
    return cast("Iterable[Samples]", [inputs] if is_one else inputs)  # [()]: one without inputs


def stored_inputs(path: str | os.PathLike[str]) -> Iterator[Samples]:
    """The inputs that a bundle holds, chunk by chunk, as `record` takes them.

    A model without inputs has one empty chunk per sample.

    Raises:
        InputError: it is no bundle, or damaged.
    """
    with BundleReader(path) as reader:
        for chunk in reader:
            if reader.header.inputs:
                yield chunk.inputs
            else:
                yield from [()] * chunk.samples
