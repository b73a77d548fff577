"""The bounds-checked walk: every kind of damage is found and placed, and nothing makes it raise."""

from __future__ import annotations

import time
from collections.abc import Callable

import flatbuffers
import numpy as np
import pytest

from microinterp.errors import ModelError, Problem
from microinterp.model import load
from microinterp.model_builder import ModelBuilder
from microinterp.structure import (
    BUFFER_ALIGNMENT,
    MAX_PROBLEMS,
    RULES,
    check_alignment,
    check_flatbuffer,
    check_structure,
)
from tests import flat
from tests.conftest import shared_model
from tests.flat import locate, put, target, u32

TENSOR = flat.MODEL_SUBGRAPHS, [0], flat.SUBGRAPH_TENSORS, [1]
OPERATOR = flat.MODEL_SUBGRAPHS, [0], flat.SUBGRAPH_OPERATORS, [0]


def sound_model() -> bytes:
    """A file that uses every table that the walk knows."""
    b = ModelBuilder(description="all of it")
    g = b.subgraph("main")
    x = g.input("x", (1, 4, 4, 1), "int8", scale=0.5, zero_point=-3)
    w = g.constant("w", np.ones((2, 3, 3, 1), np.int8), scale=[0.1, 0.2], zero_point=0)
    y = g.tensor("y", (1, 4, 4, 2), "int8", scale=0.25, zero_point=4)
    handle = g.tensor("handle", (), "resource")
    z = g.tensor("z", None, "int8")
    g.op("CONV_2D", [x, w, None], [y], padding="SAME", stride_w=1, stride_h=1)
    g.op("VAR_HANDLE", [], [handle], container="c", shared_name="n")
    g.custom_op("Mine", [y], [z], b"options")
    g.output(z)
    b.metadata("note", b"abcd")
    b.signature("serve", {"x": x}, {"z": z})
    return b.finish()


SOUND = sound_model()


def rules(problems: list[Problem]) -> list[str]:
    return [problem.rule for problem in problems]


def test_a_sound_file_has_no_problems() -> None:
    assert check_structure(SOUND) == []
    assert check_alignment(SOUND) == []


def longer_than_file(*path: int | list[int]) -> Callable[[bytes], bytes]:
    return lambda data: put(data, target(data, *path), len(data))


def leads_nowhere(*path: int | list[int], offset: int) -> Callable[[bytes], bytes]:
    return lambda data: put(data, locate(data, *path), offset)


def in_vtable(field: int | None, value: int, *path: int | list[int]) -> Callable[[bytes], bytes]:
    """Patch the vtable's size (field None: -1 is its own size, -2 the table's) or one entry."""

    def damage(data: bytes) -> bytes:
        table = target(data, *path)
        at = flat.vtable(data, table) if field is None else flat.vtable_entry(data, table, field)
        return put(data, at, value, 2)

    return damage


def string_without_end(data: bytes) -> bytes:
    start = target(data, *TENSOR, flat.TENSOR_NAME)
    return put(data, start + 4 + u32(data, start), ord("!"), 1)


def table_at_end(data: bytes) -> bytes:
    """Lead the second tensor to a table that begins in the last four bytes of the file."""
    vtable = flat.vtable(data, target(data, *TENSOR))
    end = len(data)
    data = data + (end - vtable).to_bytes(4, "little")
    at = locate(data, *TENSOR)
    return put(data, at, end - at)


BROKEN: list[tuple[str, Callable[[bytes], bytes], str, str]] = [
    # rule, damage, where, message
    ("file_header", lambda d: b"", "byte 0x0", "the file is empty"),
    ("file_header", lambda d: d[:11], "byte 0x0", "has 11 bytes"),
    ("file_header", lambda d: d[:4] + b"TFL2" + d[8:], "byte 0x0", "wanted b'TFL3'"),
    ("file_header", lambda d: put(d, 0, 4), "byte 0x0", "root table at 4 is outside"),
    ("file_header", lambda d: put(d, 0, len(d) - 3), "byte 0x0", "is outside"),
    ("file_header", lambda d: put(d, 0, 2**32 - 4), "byte 0x0", "is outside"),
    (
        "offset_in_file",
        leads_nowhere(*TENSOR, flat.TENSOR_NAME, offset=2**31),
        "tensor 1, byte",
        "name: offset 2147483648 leads outside of the file",
    ),
    (
        "offset_in_file",
        leads_nowhere(*TENSOR, offset=0),
        "tensor 1, byte",
        "offset is 0",
    ),
    (
        "offset_in_file",
        leads_nowhere(*OPERATOR, flat.OPERATOR_OPTIONS, offset=2**32 - 4),
        "op 0 ?, byte",
        "builtin_options: offset 4294967292 leads outside",
    ),
    (
        "vtable_sound",
        lambda d: put(d, target(d, *TENSOR), -(2**31)),
        "tensor 1, byte",
        "vtable at ",
    ),
    (
        "vtable_sound",
        lambda d: put(d, target(d, *TENSOR), len(d)),
        "tensor 1, byte",
        "vtable at -",
    ),
    ("vtable_sound", in_vtable(None, 7, *TENSOR), "tensor", "has size 7"),
    ("vtable_sound", in_vtable(None, 2, *TENSOR), "tensor", "has size 2"),
    ("vtable_sound", in_vtable(None, 65534, *TENSOR), "tensor", "has size 65534"),
    ("vtable_sound", in_vtable(-1, 3, *TENSOR), "tensor", "of a table of 3 bytes"),
    ("vtable_sound", in_vtable(-1, 65535, *TENSOR), "tensor", "table leaves the file"),
    ("vtable_sound", in_vtable(flat.TENSOR_NAME, 2, *TENSOR), "tensor", "field name at 2"),
    ("vtable_sound", in_vtable(flat.TENSOR_TYPE, 999, *TENSOR), "tensor", "field type at 999"),
    ("vtable_sound", table_at_end, "tensor 1, byte", "table leaves the file"),
    (
        "vector_in_file",
        longer_than_file(*TENSOR, flat.TENSOR_QUANTIZATION, flat.QUANTIZATION_SCALE),
        "tensor 1, byte",
        "quantization.scale: vector of",
    ),
    (
        "vector_in_file",
        longer_than_file(*OPERATOR, flat.OPERATOR_INPUTS),
        "op 0 ?, byte",
        "inputs: vector of",
    ),
    (
        "vector_in_file",
        longer_than_file(flat.MODEL_SUBGRAPHS, [0], flat.SUBGRAPH_TENSORS),
        "byte",
        "tensors: vector of",
    ),
    (
        "vector_in_file",
        longer_than_file(flat.MODEL_BUFFERS, [1], flat.BUFFER_DATA),
        "byte",
        "buffers[1].data: vector of",
    ),
    (
        "vector_in_file",
        lambda d: put(d, target(d, *TENSOR, flat.TENSOR_SHAPE), 2**30),
        "tensor 1, byte",
        "shape: vector of 1073741824 elements of 4 bytes",
    ),
    ("string_in_file", string_without_end, "tensor 1, byte", "name: string of 1 bytes"),
    (
        "string_in_file",
        longer_than_file(flat.MODEL_CODES, [2], flat.CODE_CUSTOM),
        "byte",
        "operator_codes[2].custom_code: string of",
    ),
    (
        "required_present",
        in_vtable(flat.SUBGRAPH_TENSORS, 0, flat.MODEL_SUBGRAPHS, [0]),
        "byte",
        "the list of tensors is missing",
    ),
    (
        "required_present",
        in_vtable(flat.SUBGRAPH_INPUTS, 0, flat.MODEL_SUBGRAPHS, [0]),
        "byte",
        "the list of inputs is missing",
    ),
    (
        "required_present",
        in_vtable(flat.SUBGRAPH_OUTPUTS, 0, flat.MODEL_SUBGRAPHS, [0]),
        "byte",
        "the list of outputs is missing",
    ),
    (
        "union_paired",
        lambda d: put(d, locate(d, *OPERATOR, flat.OPERATOR_OPTIONS_TYPE), 0, 1),
        "op 0 ?, byte",
        "union type is 0 but its value is present",
    ),
    (
        "union_paired",
        in_vtable(flat.OPERATOR_OPTIONS, 0, *OPERATOR),
        "op 0 ?, byte",
        "union type is 1 but its value is absent",
    ),
]


@pytest.mark.parametrize(("rule", "damage", "where", "message"), BROKEN)
def test_damage_is_found_and_placed(
    rule: str, damage: Callable[[bytes], bytes], where: str, message: str
) -> None:
    problems = check_structure(damage(SOUND))
    assert rule in rules(problems)
    found = problems[rules(problems).index(rule)]
    assert str(found.where).startswith(where)
    assert message in found.message
    assert found.hint
    with pytest.raises(ModelError) as raised:
        load(damage(SOUND))
    assert raised.value.problems == tuple(problems)


@pytest.mark.parametrize(
    ("start", "hint"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\x89HDF\r\n\x1a\n" + bytes(50), "HDF5"),
        (b"PK\x03\x04" + bytes(50), "zip"),
        (b"\x1f\x8b" + bytes(50), "gzip"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"nothing known at all", "is this a .tflite file"),
    ],
)
def test_other_files_are_recognised(start: bytes, hint: str) -> None:
    (problem,) = check_structure(start)
    assert hint in problem.hint


def test_all_problems_are_told_at_once() -> None:
    data = longer_than_file(*TENSOR, flat.TENSOR_SHAPE)(SOUND)
    data = longer_than_file(*OPERATOR, flat.OPERATOR_INPUTS)(data)
    data = string_without_end(data)
    assert sorted(rules(check_structure(data))) == sorted(
        ["vector_in_file", "vector_in_file", "string_in_file"]
    )


def test_very_many_problems_are_cut() -> None:
    b = ModelBuilder()
    g = b.subgraph()
    for i in range(MAX_PROBLEMS + 5):
        g.tensor(f"t{i}", (1,), "int8")
    data = b.finish()
    for i in range(MAX_PROBLEMS + 5):
        path = flat.MODEL_SUBGRAPHS, [0], flat.SUBGRAPH_TENSORS, [i], flat.TENSOR_SHAPE
        data = longer_than_file(*path)(data)
    problems = check_structure(data)
    assert len(problems) == MAX_PROBLEMS + 1
    assert "there may be more" in problems[-1].message


def test_every_prefix_is_refused_or_is_the_whole_content() -> None:
    whole = load(SOUND)
    for size in range(len(SOUND)):
        if not check_structure(SOUND[:size]):
            cut = load(SOUND[:size])
            assert (cut.subgraphs, cut.operator_codes) == (whole.subgraphs, whole.operator_codes)


@pytest.mark.parametrize("value", [0, 1, 4, 2**16, 2**31 - 1, 2**31, 2**32 - 8, 2**32 - 1])
def test_every_word_may_be_anything(value: int) -> None:
    """What the walk accepts, model.load reads; it never needs another error than ours."""
    accepted = 0
    for at in range(0, len(SOUND) - 3, 2):
        data = put(SOUND, at, value)
        if not check_structure(data):
            load(data)
            accepted += 1
    assert 0 < accepted < len(SOUND) // 2


@pytest.mark.parametrize("value", [0, 1, 2, 4, 5, 6, 32, 255, 65535])
def test_every_half_word_may_be_anything(value: int) -> None:
    for at in range(0, len(SOUND) - 1, 2):
        data = put(SOUND, at, value, 2)
        if not check_structure(data):
            load(data)


def moved_to_odd_place(data: bytes, shift: int, *path: int | list[int]) -> bytes:
    """A copy of what a field leads to (its first 64 bytes), `shift` past a multiple of 16."""
    start = target(data, *path)
    copy = data[start : start + 64]
    data += bytes(-len(data) % 16 + shift)
    at = locate(data, *path)
    return put(data, at, len(data) - at) + copy + bytes(16)


@pytest.mark.parametrize(
    ("path", "shift", "wanted"),
    [
        ((flat.MODEL_BUFFERS, [1], flat.BUFFER_DATA), 2, BUFFER_ALIGNMENT),
        ((*TENSOR, flat.TENSOR_SHAPE), 1, 4),
        ((*TENSOR, flat.TENSOR_QUANTIZATION, flat.QUANTIZATION_SCALE), 2, 4),
        ((*TENSOR, flat.TENSOR_QUANTIZATION, 3), 8, 8),
    ],
)
def test_misaligned_data_is_a_warning(path: tuple[int], shift: int, wanted: int) -> None:
    data = moved_to_odd_place(SOUND, shift, *path)
    assert check_structure(data) == []
    (warning,) = check_alignment(data)
    assert (warning.rule, warning.severity) == ("aligned", "warning")
    assert f"not aligned to {wanted} bytes" in warning.message


def test_a_table_that_is_not_aligned_is_warned_of() -> None:
    """The empty first buffer's table, copied to the end of the file at an odd multiple of 2."""
    path = flat.MODEL_BUFFERS, [0]
    reference, table = locate(SOUND, *path), target(SOUND, *path)
    before = flat.vtable(SOUND, table)
    for odd in (0, 2):
        data = SOUND + bytes(-len(SOUND) % 4 + odd)
        at = len(data)
        data += (at - before).to_bytes(4, "little") + bytes(flat.u16(SOUND, before + 2) - 4)
        data = put(data, reference, at - reference)
        check_structure(data)
        found = check_alignment(data)
        assert [each.rule for each in found] == ["aligned"] * bool(odd)
        assert all("table" in each.message and "4 bytes" in each.message for each in found)


def test_every_rule_is_broken_by_a_test() -> None:
    elsewhere = {"data_in_file", "sharing_bounded", "aligned"}
    assert {rule for rule, *_ in BROKEN} | elsewhere == set(RULES)


def test_another_schema_can_be_walked() -> None:
    builder = flatbuffers.Builder(64)
    builder.StartObject(1)
    builder.PrependUint32Slot(0, 1, 0)
    builder.Finish(builder.EndObject())
    data = bytes(builder.Output())
    assert check_flatbuffer(data, "LutMetadata") == []
    assert rules(check_flatbuffer(data[:7], "LutMetadata")) == ["file_header"]


def test_the_walk_is_fast() -> None:
    """About 0.4 ms on a desktop; the promise is 20."""
    data = shared_model("vww_96_int8.tflite")
    times = []
    for _ in range(5):
        start = time.process_time()
        assert check_structure(data) == []
        times.append(time.process_time() - start)
    assert min(times) < 0.02
