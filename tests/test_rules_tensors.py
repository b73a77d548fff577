"""Rules about tensors: each bound from both sides, and every finding word for word."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from tflite import TensorType

from microinterp.model import FileTensor, Model, load
from microinterp.model_builder import ModelBuilder
from microinterp.rules import tensors
from microinterp.rules.common import elements
from tests.encoders import lut_metadata
from tests.verify_cases import sound_model, told, with_tensor

BIG = 2**31 - 1  # the greatest int32


def y(**fields: Any) -> Model:
    """The sound model with another y: tensor 3, int8 [1, 2], no constant, quantised."""
    return with_tensor(3, **fields)(sound_model())


def w(**fields: Any) -> Model:
    """The sound model with another w: tensor 1, int8 [2, 3], 6 bytes in buffer 1 of 0 to 3."""
    return with_tensor(1, **{"quantization": None, **fields})(sound_model())


def contents(size: int, **fields: Any) -> Model:
    """The sound model with `size` bytes in w's buffer."""
    model = w(**fields)
    return replace(model, buffers=(None, memoryview(bytes(size)), *model.buffers[2:]))


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        (None, 1),
        ((), 1),
        ((0,), 0),
        ((1,), 1),
        ((2, 3, 4), 24),
        ((5, 0, 7), 0),
        ((-1,), None),
        ((-2, -3), None),
        ((0, -1), None),
        ((BIG,), BIG),
        ((BIG + 1,), None),
        ((65536, 32768), None),
        ((65536, 65536, 0), 0),
        ((BIG,) * 200_000, None),  # at once: the whole product has six million bits
        ((*(BIG,) * 200_000, 0), 0),
    ],
    ids=lambda value: str(value)[:30],
)
def test_elements(shape: tuple[int, ...] | None, wanted: int | None) -> None:
    assert elements(FileTensor(0, "", shape, 0, 0, None, False, False)) == wanted


def test_types_that_tflm_holds() -> None:
    """All but text, variants (14) and bfloat16 (18); the schema ends with 18."""
    told_of = [
        code for code in range(-2, 22) if told(tensors.tensor_types_supported, y(type_code=code))
    ]
    assert told_of == [-2, -1, 5, 14, 18, 19, 20, 21]


def test_types_that_tflm_lacks_are_named() -> None:
    hint = "\n  hint: convert the model without tensors of this type"
    rule = tensors.tensor_types_supported
    assert told(rule, y(type_code=5)) == [
        f"error: tensor 3 'y': TFLM has no tensors of type string{hint}"
    ]
    assert told(rule, y(type_code=19)) == [
        "error: tensor 3 'y': element type 19 is not in the schema"
    ]


@pytest.mark.parametrize(
    ("type_code", "shape"),
    [
        (TensorType.INT8, (BIG,)),
        (TensorType.INT8, (1, 1, BIG)),
        (TensorType.INT8, (BIG, 1, 0)),
        (TensorType.INT16, (2**30 - 1,)),
        (TensorType.FLOAT32, (2**29 - 1,)),
        (TensorType.FLOAT32, (2**29 - 1, 0)),
        (TensorType.INT64, (2**28 - 1,)),
        (TensorType.FLOAT32, ()),
        (TensorType.FLOAT32, (0,)),
        (TensorType.FLOAT32, None),
        (99, (BIG + 1,)),  # of unknown size: another rule tells it
    ],
)
def test_shapes_that_fit(type_code: int, shape: tuple[int, ...] | None) -> None:
    assert told(tensors.shapes_fit, y(type_code=type_code, shape=shape)) == []


@pytest.mark.parametrize(
    ("type_code", "shape"),
    [
        (TensorType.INT8, (BIG + 1,)),
        (TensorType.INT8, (BIG, 2)),
        (TensorType.INT8, (2, 2**30)),
        (TensorType.INT8, (0, 65536, 32768)),
        (TensorType.INT8, (1, 1, 2, 65536, 0, 16384)),
        (TensorType.INT16, (2**30,)),
        (TensorType.FLOAT32, (2**29,)),
        (TensorType.FLOAT32, (3, 2**28)),
        (TensorType.INT64, (2**28,)),
    ],
)
def test_shapes_that_are_too_large(type_code: int, shape: tuple[int, ...]) -> None:
    """A dimension of 0 does not help: TFLM's product passes through the other numbers."""
    assert told(tensors.shapes_fit, y(type_code=type_code, shape=shape)) == [
        f"error: tensor 3 'y': shape {list(shape)} makes more than 2147483647 bytes"
    ]


def test_a_shape_with_many_large_dimensions_takes_no_time() -> None:
    """Their whole product would have a million bits."""
    model = y(shape=(BIG,) * 40_000)
    start = time.process_time()
    assert told(tensors.shapes_fit, model) == [
        "error: tensor 3 'y': shape of 40000 dimensions makes more than 2147483647 bytes"
    ]
    assert time.process_time() - start < 0.3


@pytest.mark.parametrize("shape", [(-1,), (2, -1), (0, -2), (-1, 2**31)])
def test_negative_dimensions_are_told_and_nothing_else(shape: tuple[int, ...]) -> None:
    assert told(tensors.shapes_fit, y(shape=shape)) == [
        f"error: tensor 3 'y': shape {list(shape)} has a negative dimension\n"
        "  hint: convert the model with fixed shapes"
    ]


@pytest.mark.parametrize(
    ("rank", "text"), [(8, "[-1, -1, -1, -1, -1, -1, -1, -1]"), (9, "of 9 dimensions")]
)
def test_long_shapes_are_told_by_their_length(rank: int, text: str) -> None:
    (found,) = told(tensors.shapes_fit, y(shape=(-1,) * rank))
    assert f"'y': shape {text} has a negative" in found


@pytest.mark.parametrize(
    ("rank", "wanted"),
    [
        (0, []),
        (5, []),
        (6, []),
        (7, ["warning: tensor 3 'y': has 7 dimensions, TFLM's kernels hold 6"]),
        (8, ["warning: tensor 3 'y': has 8 dimensions, TFLM's kernels hold 6"]),
        (9, ["error: tensor 3 'y': has 9 dimensions, at most 8 are supported"]),
        (300, ["error: tensor 3 'y': has 300 dimensions, at most 8 are supported"]),
    ],
)
def test_ranks(rank: int, wanted: list[str]) -> None:
    assert told(tensors.ranks_fit, y(shape=(1,) * rank)) == wanted


def test_a_tensor_without_a_shape_has_rank_0() -> None:
    assert told(tensors.ranks_fit, y(shape=None)) == []


def test_the_last_buffer_is_the_last_that_exists() -> None:
    assert told(tensors.buffers_exist, y(buffer=3)) == []
    for number in (4, 5, 2**32 - 1):
        assert told(tensors.buffers_exist, y(buffer=number)) == [
            f"error: tensor 3 'y': refers to buffer {number}, the file has 4"
        ]


INT4, INT8, INT32 = TensorType.INT4, TensorType.INT8, TensorType.INT32


@pytest.mark.parametrize(
    ("type_code", "shape", "size"),
    [
        (INT8, (2, 3), 6),
        (INT8, (300,), 300),
        (INT8, (), 1),
        (INT8, None, 1),
        (INT32, (3,), 12),
        (TensorType.FLOAT16, (3,), 6),
        (INT4, (1,), 1),
        (INT4, (11,), 6),
        (INT4, (12,), 6),
        (INT4, (13,), 7),
        (INT8, (-1,), 6),  # no number of elements: another rule tells it
        (INT8, (BIG + 1,), 6),
        (19, (2, 3), 6),  # of unknown size
        (TensorType.STRING, (2, 3), 6),
    ],
)
def test_constants_that_are_complete(
    type_code: int, shape: tuple[int, ...] | None, size: int
) -> None:
    model = contents(size, type_code=type_code, shape=shape)
    assert told(tensors.constants_complete, model) == []


@pytest.mark.parametrize(
    ("type_code", "shape", "size", "takes"),
    [
        (INT8, (2, 3), 5, "int8[2, 3] takes 6"),
        (INT8, (2, 3), 1, "int8[2, 3] takes 6"),
        (INT32, (3,), 11, "int32[3] takes 12"),
        (INT8, (BIG,), 9, "int8[2147483647] takes 2147483647"),
        (INT4, (11,), 5, "int4[11] takes 6"),
        (INT4, (12,), 5, "int4[12] takes 6"),
        (INT4, (1,), 0, "int4[1] takes 1"),
        (INT8, None, 0, "int8[] takes 1"),
    ],
)
def test_constants_that_are_too_short(
    type_code: int, shape: tuple[int, ...] | None, size: int, takes: str
) -> None:
    model = contents(size, type_code=type_code, shape=shape)
    assert told(tensors.constants_complete, model) == [
        f"error: tensor 1 'w': buffer 1 has {size} bytes, {takes}\n"
        "  hint: the model is damaged: convert it again"
    ]


@pytest.mark.parametrize(
    ("type_code", "shape", "size", "takes"),
    [
        (INT8, (2, 3), 7, "int8[2, 3] takes 6"),
        (INT8, (2, 3), 600, "int8[2, 3] takes 6"),
        (INT8, (0,), 1, "int8[0] takes 0"),
        (INT32, (3,), 13, "int32[3] takes 12"),
        (INT4, (12,), 7, "int4[12] takes 6"),
        (INT4, (11,), 7, "int4[11] takes 6"),
    ],
)
def test_constants_that_are_too_long_are_suspect(
    type_code: int, shape: tuple[int, ...], size: int, takes: str
) -> None:
    model = contents(size, type_code=type_code, shape=shape)
    assert told(tensors.constants_complete, model) == [
        f"warning: tensor 1 'w': buffer 1 has {size} bytes, {takes}"
    ]


def test_a_constant_without_a_buffer_is_for_another_rule() -> None:
    for number in (4, 99):
        assert told(tensors.constants_complete, w(buffer=number)) == []


def test_all_constants_are_looked_at() -> None:
    """Also those behind a tensor that is none, and behind one that is sound."""
    model = replace(sound_model(), buffers=(None, memoryview(b"1"), memoryview(b"2"), None))
    places = [str(found.where) for found in tensors.constants_complete(model)]
    assert places == ["tensor 1 'w'", "tensor 2 'bias'"]


def test_compressed_constants_are_shorter_where_the_metadata_names_them() -> None:
    """1 byte of indices for 4 int8; tensor 0 of the main subgraph is not tensor 0 of the other."""

    def model(*subgraphs: list[tuple[int, int, int]]) -> Model:
        b = ModelBuilder()
        for _ in range(2):
            g = b.subgraph()
            for name in "ab":
                g.constant(name, b"\x1b", "int8", shape=(4,))
        b.metadata("COMPRESSION_METADATA", lut_metadata(subgraphs))
        return load(b.finish())

    def places(model: Model) -> list[tuple[int | None, int | None]]:
        found = tensors.constants_complete(model)
        return [(each.where.subgraph, each.where.tensor_index) for each in found]

    assert places(model([(0, 1, 2)])) == [(0, 1), (1, 0), (1, 1)]
    assert places(model([(1, 1, 2)])) == [(0, 0), (1, 0), (1, 1)]
    assert places(model([], [(0, 1, 2)])) == [(0, 0), (0, 1), (1, 1)]
    assert places(model([(1, 1, 2)], [(1, 1, 2)])) == [(0, 0), (1, 0)]


def test_variables_with_contents() -> None:
    rule = tensors.variables_without_contents
    assert told(rule, w(is_variable=True)) == [
        "error: tensor 1 'w': a variable with contents, in buffer 1\n"
        "  hint: assign initial values in the graph, with CALL_ONCE and ASSIGN_VARIABLE"
    ]
    assert told(rule, y(is_variable=True)) == []
    for number in (0, 4, 99):
        assert told(rule, w(is_variable=True, buffer=number)) == []
    assert told(rule, sound_model()) == []


def test_sparse_tensors() -> None:
    assert told(tensors.no_sparse_tensors, y(is_sparse=True)) == [
        "error: tensor 3 'y': sparse tensors are not supported\n"
        "  hint: convert the model without sparsity, or insert DENSIFY before deployment"
    ]
    assert told(tensors.no_sparse_tensors, sound_model()) == []
