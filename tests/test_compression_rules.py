"""Look-up-table compression: the metadata is read as TFLM reads it, and its rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from microinterp.compression import METADATA_NAME, LutTensor, lut_tensors
from microinterp.model import load
from microinterp.model_builder import ModelBuilder
from microinterp.runtimes.tflm import TflmRuntime
from microinterp.verify import verify
from tests.encoders import Entry, lut_metadata, packed

FILTERS = 2
VALUES = np.array([[-90, -7, 3, 120], [-1, 0, 55, 127]], np.int8)  # one table per filter
INDICES = np.random.default_rng(5).integers(0, 4, (FILTERS, 3, 3, 1))


def conv(
    weights: Any, metadata: Sequence[Sequence[Entry]] | bytes | None = None, axis: int = 0
) -> bytes:
    """int8 [1, 4, 4, 1] -> CONV_2D 3x3 -> [1, 4, 4, 2]; tensor 1 has the weights, as given."""
    b = ModelBuilder()
    g = b.subgraph()
    x = g.input("x", (1, 4, 4, 1), "int8", scale=0.5, zero_point=-3)
    scales = [0.01, 0.02]
    shape = (FILTERS, 3, 3, 1)
    w = g.constant("w", weights, "int8", scale=scales, zero_point=0, axis=axis, shape=shape)
    y = g.tensor("y", (1, 4, 4, FILTERS), "int8", scale=0.5, zero_point=4)
    g.op("CONV_2D", [x, w, None], [y], padding="SAME", stride_h=1, stride_w=1)
    g.output(y)
    assert b.buffer(VALUES.tobytes()) == VALUE_BUFFER
    assert b.buffer(VALUES[0].tobytes()) == SHORT_BUFFER
    if metadata is not None:
        b.metadata(
            METADATA_NAME, metadata if isinstance(metadata, bytes) else lut_metadata(metadata)
        )
    return b.finish()


VALUE_BUFFER, SHORT_BUFFER = 2, 3
GOOD: Entry = (1, VALUE_BUFFER, 2)


def test_tflm_and_we_mean_the_same_by_compressed(tflm: TflmRuntime) -> None:
    """The wheel computes the same from compressed and from plain weights.

    So the metadata buffer is a plain FlatBuffer: the "size prefix" that TFLM's code speaks of is
    the length that stands before any FlatBuffers vector.
    """
    plain = np.take_along_axis(VALUES, INDICES.reshape(FILTERS, -1), axis=1)
    x = np.random.default_rng(1).integers(-128, 128, (1, 4, 4, 1), np.int8)
    compressed = conv(packed(INDICES), [[GOOD]])
    wanted = tflm.run(conv(plain.reshape(INDICES.shape)), [[x]])
    got = tflm.run(compressed, [[x]])
    assert np.array_equal(wanted.outputs[0][0], got.outputs[0][0])
    assert np.unique(got.outputs[0][0]).size > 10
    assert verify(load(compressed)) == []


def test_compressed_tensors_are_read() -> None:
    model = load(conv(packed(INDICES), [[GOOD]]))
    assert lut_tensors(model) == {(0, 1): LutTensor(0, 1, VALUE_BUFFER, 2)}
    assert lut_tensors(load(conv(bytes(18)))) == {}


def test_compressed_constants_may_be_shorter_than_their_shape() -> None:
    """5 bytes of indices for 18 elements; without metadata that is an error."""
    assert len(packed(INDICES)) == 5
    assert verify(load(conv(packed(INDICES), [[GOOD]]))) == []
    (problem,) = verify(load(conv(packed(INDICES))))
    assert problem.rule == "constants_complete"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ([[(1, VALUE_BUFFER, 0)]], "indices of 0 bits"),
        ([[(1, VALUE_BUFFER, 8)]], "indices of 8 bits"),
        ([[(1, VALUE_BUFFER, 3)]], "has 5 bytes, compressed indices take 7"),
        ([[(1, 0, 2)]], "value table in buffer 0 has 0 bytes"),
        ([[(1, 99, 2)]], "value table in buffer 99 has 0 bytes"),
        ([[(3, VALUE_BUFFER, 2)]], "tensor 3 of subgraph 0, which does not exist"),
        ([[(-1, VALUE_BUFFER, 2)]], "which does not exist"),
        ([[GOOD], [GOOD]], "tensor 1 of subgraph 1, which does not exist"),
        ([[GOOD, GOOD]], "compresses tensor 1 twice"),
        ([[(1, SHORT_BUFFER, 2)]], "an index points at value 4, the tables have 4"),
        ([], "a subgraph without tensors, or no subgraph"),
        ([[GOOD], []], "a subgraph without tensors, or no subgraph"),
        (lut_metadata([[GOOD]], version=2), "of version 2"),
        (lut_metadata([[GOOD]])[:20], "is damaged"),
        (b"nothing", "is damaged"),
    ],
)
def test_broken_metadata_is_told(metadata: Any, message: str) -> None:
    found = verify(load(conv(packed(INDICES), metadata)))
    assert any(p.rule == "compression_sound" and message in p.message for p in found)


def test_channels_must_be_first_or_last() -> None:
    found = verify(load(conv(packed(INDICES), [[GOOD]], axis=1)))
    assert any("wanted 0 or 3" in p.message for p in found if p.rule == "compression_sound")


def test_channels_need_a_dimension() -> None:
    b = ModelBuilder()
    g = b.subgraph()
    scales = {"scale": [1.0, 2.0], "zero_point": 0}
    w = g.constant("w", b"\x00", "int8", shape=(), **scales)
    b.metadata(METADATA_NAME, lut_metadata([[(w, b.buffer(b"\x01\x02"), 1)]]))
    found = verify(load(b.finish()))
    assert any("2 channels, but has no dimension" in p.message for p in found)


def test_any_damage_of_the_metadata_is_survived() -> None:
    sound = lut_metadata([[GOOD]])
    for at in range(len(sound)):
        for value in (0, 1, 127, 255):
            damaged = sound[:at] + bytes([value]) + sound[at + 1 :]
            model = load(conv(packed(INDICES), damaged))
            verify(model)
            lut_tensors(model)
