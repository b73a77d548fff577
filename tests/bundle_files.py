"""A header, samples and files of golden bundles for the tests of the format."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tflite import TensorType

from microinterp.errors import InputError
from microinterp.golden_bundle import (
    BundleHeader,
    BundleTensor,
    BundleWriter,
    Check,
    check_of,
    read_bundle,
)
from microinterp.golden_bundle.blocks import MAGIC, PREFIX_BYTES
from microinterp.prepare import Prepared

INT8, FLOAT32, BOOL, INT16 = 9, 0, 6, 7
X = BundleTensor("x", 0, INT8, (2, 3), 6)
Y = BundleTensor("y", 4, FLOAT32, (), 4)
Z = BundleTensor("z", 5, INT16, (3,), 6)
CHECKS = (
    Check(0, 0, "CONV_2D", 3, INT16, (9,), 18),
    Check(0, 1, "SPLIT", 4, FLOAT32, (), 4),
    Check(0, 1, "SPLIT", 5, INT8, (2, 3), 6),
)
HEADER = BundleHeader("ab" * 32, "tflm", "host", "0.1.0", (X,), (Y, Z), CHECKS, seed=-5)


def samples(count: int, seed: int = 1) -> tuple[list[Any], list[Any], Any]:
    """inputs, outputs, crcs that fit HEADER."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-128, 128, (count, 2, 3)).astype(np.int8)
    y = rng.standard_normal(count).astype(np.float32)
    z = rng.integers(-999, 999, (count, 3)).astype(np.int16)
    return [x], [y, z], rng.integers(0, 2**32, (count, 3), dtype=np.uint32)


def write(path: Path, count: int, header: BundleHeader = HEADER) -> None:
    with BundleWriter(path, header) as bundle:
        bundle.add(*samples(count))


def error_of(path: Path, read: Any = read_bundle) -> InputError:
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    return caught.value


def assert_holds(path: Path, wanted: tuple[list[Any], list[Any], Any]) -> None:
    bundle = read_bundle(path)
    for have, want in zip((*bundle.inputs, *bundle.outputs), (*wanted[0], *wanted[1]), strict=True):
        assert have.dtype == want.dtype
        np.testing.assert_array_equal(have, want)
    np.testing.assert_array_equal(bundle.crcs, wanted[2])


def block_ends(data: bytes) -> list[int]:
    found, at = [], len(MAGIC)
    while at < len(data):
        at += PREFIX_BYTES + struct.unpack_from("<I", data, at)[0]
        found.append(at)
    return found


def checks_of(prepared: Prepared) -> tuple[Check, ...]:
    """Every tensor with contents that an op writes which an invoke can reach."""
    return tuple(
        check_of(node, tensor)
        for subgraph in prepared.reachable()
        for node in prepared.graph.subgraphs[subgraph].nodes
        for tensor in node.outputs
        if tensor.nbytes and tensor.type_code != TensorType.RESOURCE
    )


def crc_row(
    checks: Sequence[Check], crcs: Mapping[tuple[int, int], Sequence[int]]
) -> npt.NDArray[np.uint32]:
    """The CRC32s of one sample [checks] from those of each op, by (subgraph, op).

    `crcs` is what microinterp.trace.Checksums holds: ops that have not run yet are missing in it,
    and get the CRC32 of zeros.
    """
    row, position = np.zeros(len(checks), np.uint32), 0
    previous: tuple[int, int] | None = None
    for i, check in enumerate(checks):
        key = (check.subgraph, check.op)
        position = position + 1 if key == previous else 0
        previous = key
        row[i] = crcs[key][position] if key in crcs else zlib.crc32(bytes(check.nbytes))
    return row
