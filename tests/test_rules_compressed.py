"""The rule about compression metadata: each bound from both sides, every finding word for word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tflite import TensorType

from microinterp.compression import METADATA_NAME, metadata_problems
from microinterp.model import Metadata, Model, Quantization, load
from microinterp.model_builder import ModelBuilder
from microinterp.rules.compression import compression_sound
from tests.encoders import Entry, lut_metadata
from tests.verify_cases import told

DATA, VALUES, LIST = 1, 2, 3  # buffers: indices, tables, metadata
HINT = "\n  hint: compress the model again"
TYPES = "bool, float32, int8, int16, int32, int64"


def scales(count: int, axis: int = 0) -> Quantization:
    return Quantization(np.ones(count, np.float32), np.zeros(count, np.int64), axis)


def model_of(
    entries: Sequence[Sequence[Entry]] | bytes, size: int = 1, tables: int = 4, **fields: Any
) -> Model:
    """int8 w [4], compressed to `size` bytes of zeros, with `tables` bytes of values."""
    b = ModelBuilder()
    b.subgraph().constant("w", bytes(4), "int8")
    model = load(b.finish())
    (graph,) = model.subgraphs
    tensor = replace(graph.tensors[0], **{"shape": (4,), "buffer": DATA, **fields})
    listed = entries if isinstance(entries, bytes) else lut_metadata(entries)
    contents = [memoryview(data) if data else None for data in (bytes(size), bytes(tables), listed)]
    return replace(
        model,
        subgraphs=(replace(graph, tensors=(tensor,)),),
        buffers=(None, *contents),
        metadata=(Metadata(METADATA_NAME, LIST),),
    )


def faults(model: Model) -> list[str]:
    """Findings about w, without what stands around each."""
    found = told(compression_sound, model)
    assert all(text.startswith("error: tensor 0 'w': ") for text in found)
    assert all(text.endswith(HINT) for text in found)
    return [text.removeprefix("error: tensor 0 'w': ").removesuffix(HINT) for text in found]


GOOD: Entry = (0, VALUES, 2)


def test_a_sound_model_and_one_without_compression() -> None:
    assert faults(model_of([[GOOD]])) == []
    assert told(compression_sound, replace(model_of([[GOOD]]), metadata=())) == []


def test_damaged_metadata_is_told_with_its_first_fault() -> None:
    text = "error: the compression metadata is damaged: the file has 7 bytes, a model has hundreds"
    assert told(compression_sound, model_of(b"nothing")) == [f"{text} at least{HINT}"]


def test_of_several_faults_the_first_is_told() -> None:
    good, several = lut_metadata([[GOOD, GOOD], [GOOD]]), 0
    rng = np.random.default_rng(7)
    for _ in range(200):
        data = bytearray(good)
        for place in rng.integers(len(data), size=4):
            data[place] = rng.integers(256)
        if problems := metadata_problems(bytes(data)):
            text = f"error: the compression metadata is damaged: {problems[0].message}{HINT}"
            assert told(compression_sound, model_of(bytes(data))) == [text]
            several += problems[0].message != problems[-1].message
    assert several > 20


def test_versions_of_the_metadata() -> None:
    for version in (0, 1):
        assert faults(model_of(lut_metadata([[GOOD]], version))) == []
    for version in (2, 3, 300):
        (found,) = told(compression_sound, model_of(lut_metadata([[(9, 9, 9)]], version)))
        assert found.startswith(f"error: compression metadata of version {version}, ")


EMPTY = "error: the compression metadata lists a subgraph without tensors, or no subgraph"


def test_empty_lists() -> None:
    for entries in ([], [[]], [[GOOD], []], [[], []]):
        assert told(compression_sound, model_of(entries)) == [EMPTY]


@pytest.mark.parametrize(("subgraph", "tensor"), [(0, 1), (0, 2), (0, 300), (1, 0), (2, 0)])
def test_tensors_that_do_not_exist(subgraph: int, tensor: int) -> None:
    entries: list[list[Entry]] = [[GOOD], [], []]
    entries[subgraph].append((tensor, VALUES, 2))
    wanted = f"compression metadata names tensor {tensor} of subgraph {subgraph}, which does"
    found = told(compression_sound, model_of(entries))
    assert found == [EMPTY, f"error: {wanted} not exist"]


def test_a_tensor_that_is_compressed_twice() -> None:
    twice = "error: subgraph 0 compresses tensor 0 twice"
    assert told(compression_sound, model_of([[GOOD, GOOD]])) == [twice]
    assert told(compression_sound, model_of([[GOOD, GOOD, GOOD]])) == [twice, twice]


def test_the_same_number_in_another_subgraph_is_another_tensor() -> None:
    model = model_of([[GOOD], [GOOD]])
    model = replace(model, subgraphs=(*model.subgraphs, replace(model.subgraphs[0], index=1)))
    assert told(compression_sound, model) == []
    short = replace(model, buffers=(*model.buffers[:VALUES], None, *model.buffers[LIST:]))
    text = "value table in buffer 2 has 0 bytes for 1 channels of 1 bytes or more"
    assert told(compression_sound, short) == [
        f"error: tensor 0 'w': {text}{HINT}",
        f"error: subgraph 1, tensor 0 'w': {text}{HINT}",
    ]


@pytest.mark.parametrize("bits", [1, 2, 6, 7])
def test_widths_of_an_index(bits: int) -> None:
    assert faults(model_of([[(0, VALUES, bits)]], size=4)) == []


@pytest.mark.parametrize("bits", [0, 8, 9, 255])
def test_widths_that_an_index_cannot_have(bits: int) -> None:
    assert faults(model_of([[(0, VALUES, bits)]], size=200)) == [
        f"compressed with indices of {bits} bits, 1 to 7 are possible"
    ]


@pytest.mark.parametrize(
    ("count", "bits", "takes"),
    [
        (1, 1, 1),
        (8, 1, 1),
        (9, 1, 2),
        (15, 1, 2),
        (4, 2, 1),
        (5, 2, 2),
        (8, 2, 2),
        (3, 3, 2),
        (18, 2, 5),
        (5, 7, 5),
        (8, 7, 7),
        (300, 5, 188),
    ],
)
def test_bytes_of_the_indices(count: int, bits: int, takes: int) -> None:
    """As many bits as elements times width, in whole bytes; more bytes do no harm."""
    entries = [[(0, VALUES, bits)]]
    for size in (takes, takes + 1, takes + 100):
        assert faults(model_of(entries, size, shape=(count,))) == []
    assert faults(model_of(entries, takes - 1, shape=(count,))) == [
        f"buffer 1 has {takes - 1} bytes, compressed indices take {takes}"
    ]


@pytest.mark.parametrize("buffer", [0, 4, 5, 300])
def test_buffers_that_do_not_exist_have_no_bytes(buffer: int) -> None:
    """Buffer 0 exists and has no contents; the last of the file is 3."""
    assert faults(model_of([[GOOD]], buffer=buffer)) == [
        f"buffer {buffer} has 0 bytes, compressed indices take 1"
    ]
    assert faults(model_of([[(0, buffer, 2)]])) == [
        f"value table in buffer {buffer} has 0 bytes for 1 channels of 1 bytes or more"
    ]


@pytest.mark.parametrize(
    ("kind", "channels", "takes"),
    [
        ("INT8", 0, 1),
        ("INT8", 1, 1),
        ("INT8", 2, 2),
        ("INT16", 0, 2),
        ("INT16", 3, 6),
        ("INT32", 2, 8),
        ("FLOAT32", 0, 4),
        ("INT64", 1, 8),
        ("INT64", 4, 32),
    ],
)
def test_bytes_of_the_tables(kind: str, channels: int, takes: int) -> None:
    """A value for each channel at least; 0 stands for a tensor without quantisation."""
    code, shape = getattr(TensorType, kind), (max(channels, 1),)
    quantization = scales(channels) if channels else None
    fields = {"type_code": code, "shape": shape, "quantization": quantization}
    entries = [[(0, VALUES, 1)]]
    size = takes // max(channels, 1)
    assert faults(model_of(entries, tables=takes, **fields)) == []
    for have in {0, takes - 1}:
        assert faults(model_of(entries, tables=have, **fields)) == [
            f"value table in buffer 2 has {have} bytes for {max(channels, 1)} channels"
            f" of {size} bytes or more"
        ]


@pytest.mark.parametrize("kind", ["BOOL", "FLOAT32", "INT8", "INT16", "INT32", "INT64"])
def test_types_that_are_decompressed(kind: str) -> None:
    model = model_of([[GOOD]], tables=8, type_code=getattr(TensorType, kind))
    assert faults(model) == []


@pytest.mark.parametrize("code", [TensorType.UINT8, TensorType.INT4, TensorType.FLOAT16])
def test_types_that_are_not_decompressed(code: int) -> None:
    wanted = f"is compressed, and of a type that TFLM does not decompress ({TYPES})"
    assert faults(model_of([[GOOD]], type_code=code)) == [wanted]


@pytest.mark.parametrize("code", [-1, 19, 99])
def test_of_an_unknown_type_nothing_is_known(code: int) -> None:
    """Its elements count as 0 bytes, so that one byte of values suffices for any channels."""
    wanted = f"is compressed, and of a type that TFLM does not decompress ({TYPES})"
    fields = {"type_code": code, "quantization": scales(4)}
    assert faults(model_of([[GOOD]], tables=1, **fields)) == [wanted]
    assert faults(model_of([[GOOD]], tables=0, **fields)) == [
        wanted,
        "value table in buffer 2 has 0 bytes for 4 channels of 0 bytes or more",
    ]


def test_scalars() -> None:
    """Without a shape TFLM cannot tell its size; with an empty one it has one element."""
    for quantization in (None, scales(1), scales(2)):
        model = model_of([[GOOD]], shape=None, quantization=quantization)
        assert faults(model) == ["is compressed but a scalar"]
    assert faults(model_of([[GOOD]], shape=(), quantization=scales(1))) == []
    wanted = ["is compressed in 2 channels, but has no dimension"]
    assert faults(model_of([[GOOD]], shape=(), quantization=scales(2))) == wanted


@pytest.mark.parametrize("axis", [-1, 1, 2, 4, 5])
def test_channels_that_are_neither_first_nor_last(axis: int) -> None:
    shape = (2, 2, 2, 2)
    quantized = {"shape": shape, "quantization": scales(2, axis)}
    wanted = f"is compressed along dimension {axis}, wanted 0 or 3"
    assert faults(model_of([[GOOD]], size=4, **quantized)) == [wanted]
    single = {"shape": shape, "quantization": scales(1, axis)}
    assert faults(model_of([[GOOD]], size=4, **single)) == []


@pytest.mark.parametrize("axis", [0, 3])
def test_channels_that_are_first_or_last(axis: int) -> None:
    model = model_of([[GOOD]], size=4, shape=(2, 2, 2, 2), quantization=scales(2, axis))
    assert faults(model) == []


def test_indices_behind_the_last_table() -> None:
    """Four indices of 2 bits, all 3, and one table of 4 values or of 3."""
    model = model_of([[GOOD]])
    sound = replace(model, buffers=(None, memoryview(b"\xff"), *model.buffers[VALUES:]))
    assert faults(sound) == []
    short = replace(
        sound, buffers=(*sound.buffers[:VALUES], memoryview(bytes(3)), sound.buffers[LIST])
    )
    assert faults(short) == ["an index points at value 3, the tables have 3"]
    assert faults(replace(short, buffers=(None, memoryview(b"\0"), *short.buffers[VALUES:]))) == []


def test_indices_are_not_looked_at_where_something_else_is_wrong() -> None:
    model = model_of([[(0, VALUES, 8)]], size=4, tables=1)
    model = replace(model, buffers=(None, memoryview(b"\xff" * 4), *model.buffers[VALUES:]))
    assert faults(model) == ["compressed with indices of 8 bits, 1 to 7 are possible"]


@pytest.mark.parametrize("shape", [(-1,), (2, -3), (2**31,)])
def test_shapes_that_another_rule_tells(shape: tuple[int, ...]) -> None:
    assert faults(model_of([[GOOD]], shape=shape)) == []
