"""Options of custom ops: kinds of numbers, defaults, and bytes of any kind."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from flatbuffers import flexbuffers
from hypothesis import given
from hypothesis import strategies as st

from microinterp.custom_options import Options
from microinterp.errors import PrepareError
from microinterp.graph import Node, build
from microinterp.model import load
from tests.ops.custom import custom_model
from tests.ops.movement import Input


def node(options: Any) -> Node:
    one = Input((1,), "int8")
    (found,) = build(load(custom_model("X", [one], [one], options))).nodes()
    return found


def test_numbers() -> None:
    options = Options(node({"a": 3, "b": -7, "c": 2.5, "d": True, "e": 2**40 + 5}))
    assert [options.integer(name) for name in "abde"] == [3, -7, 1, 5]
    assert [options.real(name) for name in "abc"] == [3.0, -7.0, 2.5]
    assert [options.boolean(name) for name in "ad"] == [True, True]
    assert options.boolean("z", default=False) is False
    assert options.integer("z", default=4) == 4


def test_null_is_taken_for_what_is_left_out() -> None:
    options = Options(node({"n": None}))
    assert options.integer("n", default=4) == 4
    assert options.boolean("n", default=True) is True


def test_unsigned_numbers_are_read_as_signed_ones_of_their_width() -> None:
    builder = flexbuffers.Builder()
    with builder.Map():
        builder.UInt("x", 200)
    assert Options(node(bytes(builder.Finish()))).integer("x") == -56


def test_refusals() -> None:
    options = Options(node({"t": "text", "l": [1, 2], "n": None}))
    for name in "tln":
        with pytest.raises(PrepareError, match=f"have no number as {name}"):
            options.integer(name)
    with pytest.raises(PrepareError, match="lack z"):
        options.real("z")
    with pytest.raises(PrepareError, match="wanted a, b"):
        Options(node({"a": 1, "c": 2}), ("a", "b"))
    with pytest.raises(PrepareError, match="are no map of a, b"):
        Options(node({"a": 1}), ("a", "b"))


@given(st.binary(min_size=1, max_size=60) | st.binary(min_size=1, max_size=12))
def test_any_bytes(data: bytes) -> None:
    read_everything(data)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=4))
def test_damaged_maps(changes: list[tuple[int, int]]) -> None:
    data = bytearray(flexbuffers.Dumps({"T": 7, "fft_length": 512, "x": 1.5}))
    for place, value in changes:
        data[place % len(data)] = value
    read_everything(bytes(data))


def read_everything(data: bytes) -> None:
    """Numbers or PrepareErrors, nothing else."""
    for names in ((), ("T", "fft_length")):
        for read in ("integer", "boolean", "real"):
            with suppress(PrepareError):
                getattr(Options(node(data), names), read)("T")
