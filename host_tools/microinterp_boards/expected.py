"""What a board is held to: samples, the outputs that must come out of them, each op's CRC32s."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from microinterp.binding import bind
from microinterp.errors import InputError, printable
from microinterp.golden_bundle import BundleHeader, BundleReader, BundleTensor
from microinterp.graph import Tensor
from microinterp.inputs import random_samples
from microinterp.interpreter import Interpreter
from microinterp.packed.checksums import PackedChecksums
from microinterp_boards.packing import BoardModel

SAMPLES = 20
"""Random ones, where nothing else is said."""
Array: TypeAlias = "npt.NDArray[Any]"
_Sample: TypeAlias = tuple[tuple[Array, ...], "tuple[Array, ...] | None"]


@dataclass(frozen=True)
class Expected:
    """One sample: what goes in, what must come out, and CRC32s if they are compared.

    Attributes:
        inputs: one array per input.
        outputs: bytes of each.
        crcs: by (subgraph, op of the file): see PackedChecksums.
    """

    inputs: tuple[Array, ...]
    outputs: tuple[bytes, ...]
    crcs: dict[tuple[int, int], tuple[int, ...]]


@dataclass(frozen=True)
class Samples:
    """What is run.

    Attributes:
        count: how many.
        expected_by: who computed what is expected.
        each: gives inputs, and outputs where they are known, sample by sample.
    """

    count: int
    expected_by: str
    each: Callable[[], Iterator[_Sample]]


def samples_of(
    model: BoardModel, samples: int | None, golden: str | os.PathLike[str] | None, seed: int
) -> Samples:
    """Random samples, or those of a bundle, of which one chunk is in memory at a time.

    A bundle is read to its end before anything is run.

    Args:
        model: what runs.
        samples: how many; None is SAMPLES, or all of the bundle.
        golden: a bundle's path, or None.
        seed: of random samples.

    Raises:
        InputError: the bundle is damaged, or not of this model in profile tflm.
    """
    tensors = model.prepared.graph.main.inputs
    if golden is None:
        arrays = random_samples(tensors, SAMPLES if samples is None else samples, seed)
        count = len(arrays[0]) if arrays else 1
        return Samples(
            count, "host", lambda: ((tuple(a[i] for a in arrays), None) for i in range(count))
        )
    with BundleReader(golden) as reader:
        header = reader.header
        _require_own(header, model)
        whole = sum(chunk.samples for chunk in reader)
    count = whole if samples is None else min(whole, samples)
    if count < 1:
        raise InputError(f"wanted 1 sample or more, got {count}")
    by = f"{printable(header.runtime)} {printable(header.runtime_version)}, recorded"
    return Samples(count, by, lambda: _recorded(golden, count))


def expectations(model: BoardModel, samples: Samples, per_op: bool) -> Iterator[Expected]:
    """Sample after sample from a fresh start, as the board runs them.

    Outputs are those of the model as it is in the file, whatever memory passes have made of it; the
    CRC32s are of what they have made.
    """
    host = Interpreter.from_bytes(model.tflite)
    passed = bind(model.prepared, model.plan) if per_op else None
    for inputs, outputs in samples.each():
        given = tuple(np.asarray(array, order="C") for array in inputs)
        checksums = PackedChecksums(model.prepared)
        if passed is not None:
            for tensor, array in zip(model.prepared.graph.main.inputs, given, strict=True):
                passed.of(tensor)[...] = array
            passed.run(checksums)
        wanted = _outputs(host, given) if outputs is None else outputs
        yield Expected(given, tuple(array.tobytes() for array in wanted), checksums.crcs)


def _outputs(host: Interpreter, inputs: Sequence[Array]) -> tuple[Array, ...]:
    for index, array in enumerate(inputs):
        host.set_input(array, index)
    host.invoke()
    return tuple(host.get_output(i) for i in range(len(host.graph.main.outputs)))


def _recorded(path: str | os.PathLike[str], count: int) -> Iterator[_Sample]:
    with BundleReader(path) as reader:
        samples = (
            (tuple(a[i] for a in chunk.inputs), tuple(a[i] for a in chunk.outputs))
            for chunk in reader
            for i in range(chunk.samples)
        )
        yield from islice(samples, count)


def _require_own(header: BundleHeader, model: BoardModel) -> None:
    """Raise InputError unless the bundle was recorded from this model, in profile tflm."""
    if header.model_sha256 != model.sha256:
        raise InputError(
            f"the bundle was recorded from another .tflite file: its sha256 is"
            f" {printable(header.model_sha256)}, this file's is {model.sha256}",
            hint="record it again from this file",
        )
    if header.profile != "tflm":
        raise InputError(
            f"the bundle was recorded in profile {printable(header.profile)}, boards compute in"
            " profile tflm",
            hint="record it again in profile tflm",
        )
    main = model.prepared.graph.main
    _require_fit(header.inputs, main.inputs, "inputs")
    _require_fit(header.outputs, main.outputs, "outputs")


def _require_fit(told: Sequence[BundleTensor], tensors: Sequence[Tensor], what: str) -> None:
    if [(t.type, t.shape) for t in told] != [(t.type_code, t.shape) for t in tensors]:
        raise InputError(
            f"the bundle's {what} do not have the model's shapes and types",
            hint="the bundle is damaged: record it again",
        )
