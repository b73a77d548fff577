"""Golden bundles for boards, written straight from a run of the host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from microinterp.generated import golden as fb
from microinterp.golden_bundle import BundleWriter, describe
from microinterp.golden_bundle.blocks import MAGIC, PREFIX_BYTES, _crc, _crc_position
from microinterp.inputs import random_samples
from microinterp.interpreter import Interpreter, prepare_model
from microinterp.trace import Checksums
from tests.bundle_files import checks_of, crc_row

Change = Callable[[int, list[Any], Any], None]
"""Changes the outputs [1, ...] and CRC32s [1, checks] of a sample before they are written."""


def write_bundle(
    model: bytes,
    path: Path,
    count: int,
    change: Change = lambda sample, outputs, crcs: None,
    seed: int = 0,
    has_crcs: bool = True,
    profile: str = "tflm",
) -> bytes:
    """Record `count` random samples, which go on from each other; returns the file's bytes."""
    host = Interpreter.from_bytes(model)
    checks = checks_of(prepare_model(model)) if has_crcs else ()
    header = describe(host.graph, profile, "host", "0", checks, seed)
    arrays = random_samples(host.graph.main.inputs, count, seed)
    checksums = Checksums()
    with BundleWriter(path, header) as bundle:
        for sample in range(count):
            for index, array in enumerate(arrays):
                host.set_input(array[sample], index)
            host.invoke(checksums)
            numbers = range(len(host.graph.main.outputs))
            outputs = [host.get_output(i)[np.newaxis] for i in numbers]
            crcs = crc_row(checks, checksums.crcs)[np.newaxis]
            change(sample, outputs, crcs)
            bundle.add([array[sample : sample + 1] for array in arrays], outputs, crcs)
    return path.read_bytes()


def block_starts(data: bytes) -> list[int]:
    """Where the blocks of a bundle begin."""
    starts, at = [], len(MAGIC)
    while at < len(data):
        starts.append(at)
        at += PREFIX_BYTES + int.from_bytes(data[at : at + PREFIX_BYTES], "little")
    return starts


def with_crcs(data: bytes) -> bytes:
    """A bundle whose blocks, however they are changed, have the CRC32s that belong to them."""
    fixed, starts = bytearray(data), block_starts(data)
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        block = data[start:end]
        root = fb.Block.GetRootAs(block, PREFIX_BYTES)
        at = _crc_position(root)
        fixed[start + at : start + at + 4] = _crc(block, root).to_bytes(4, "little")
    return bytes(fixed)
