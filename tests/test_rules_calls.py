"""Rules about control flow: which subgraphs run, how deep and how often, and what is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tflite import BuiltinOptions

from microinterp.model import Model, load
from microinterp.model_builder import ModelBuilder
from microinterp.rules import calls
from tests.verify_cases import sound_model, told


def model_of(*targets: Sequence[int]) -> Model:
    """A subgraph for each argument, that runs the given subgraphs by CALL_ONCE, in that order."""
    b = ModelBuilder()
    for numbers in targets:
        g = b.subgraph()
        for number in numbers:
            g.op("CALL_ONCE", [], [], init_subgraph_index=number)
    return load(b.finish())


def one_call(op: str, **options: Any) -> Model:
    b = ModelBuilder()
    b.subgraph().op(op, [], [], **options)
    return load(b.finish())


@pytest.mark.parametrize(
    ("op", "options", "wanted"),
    [
        ("IF", {"then_subgraph_index": 3, "else_subgraph_index": -2}, (3, -2)),
        ("WHILE", {"cond_subgraph_index": 0, "body_subgraph_index": 7}, (0, 7)),
        ("CALL_ONCE", {"init_subgraph_index": 5}, (5,)),
        ("CALL", {"subgraph": 4}, (4,)),
    ],
)
def test_numbers_of_subgraphs_as_they_stand_in_the_file(
    op: str, options: dict[str, int], wanted: tuple[int, ...]
) -> None:
    model = one_call(op, **options)
    (call,) = model.subgraphs[0].operators
    assert calls.called_subgraphs(model, call) == wanted
    kinds = (BuiltinOptions.NONE, BuiltinOptions.Conv2DOptions, call.options_type - 1)
    for kind in (*kinds, call.options_type + 1, 126):  # options of another kind say nothing
        assert calls.called_subgraphs(model, replace(call, options_type=kind)) == ()
    assert calls.called_subgraphs(model, replace(call, options=None)) == ()
    assert calls.called_subgraphs(model, replace(call, opcode_index=1)) == ()


def test_an_op_that_is_no_call_runs_nothing() -> None:
    model = sound_model()
    (op,) = model.subgraphs[0].operators
    assert op.options is not None
    assert calls.called_subgraphs(model, op) == ()


@pytest.mark.parametrize("number", [-2, -1, 2, 3, 1000])
def test_a_subgraph_that_does_not_exist(number: int) -> None:
    """It is told once, by one rule; the others pass over it."""
    model = model_of([], [0, number])
    assert told(calls.called_subgraphs_exist, model) == [
        f"error: subgraph 1, op 1 CALL_ONCE: runs subgraph {number}, the file has 2"
    ]
    assert told(calls.no_recursion, model) == []
    assert told(calls.calls_bounded, model) == []


@pytest.mark.parametrize("number", [0, 1])
def test_a_subgraph_that_exists(number: int) -> None:
    assert told(calls.called_subgraphs_exist, model_of([], [number])) == []


SELF = "the op runs a subgraph that it is itself part of"


@pytest.mark.parametrize(
    ("targets", "wanted"),
    [
        ([[0]], ["op 0 CALL_ONCE"]),
        ([[1, 0], []], ["op 1 CALL_ONCE"]),
        ([[1], [2], [0]], ["subgraph 2, op 0 CALL_ONCE"]),
        ([[1], [2], [1]], ["subgraph 2, op 0 CALL_ONCE"]),
        ([[], [2], [1]], ["subgraph 2, op 0 CALL_ONCE"]),
        ([[1, 2], [], [0, 1]], ["subgraph 2, op 0 CALL_ONCE"]),
        ([[1], [1], [2]], ["subgraph 1, op 0 CALL_ONCE", "subgraph 2, op 0 CALL_ONCE"]),
    ],
)
def test_circles(targets: list[list[int]], wanted: list[str]) -> None:
    """They are told where they close; depth and runs are not told then."""
    model = model_of(*targets)
    assert told(calls.no_recursion, model) == [f"error: {place}: {SELF}" for place in wanted]
    assert told(calls.calls_bounded, model) == []


@pytest.mark.parametrize(
    "targets",
    [
        [],
        [[]],
        [[1, 1], []],
        [[1, 2], [3], [3], []],
        [[2, 1], [2], []],
        [[], [0], [1, 0]],
    ],
)
def test_no_circle(targets: list[list[int]]) -> None:
    model = model_of(*targets)
    assert told(calls.no_recursion, model) == []
    assert told(calls.calls_bounded, model) == []


def limits(depth: int, runs: int, subgraph: int = 0) -> str:
    place = f"subgraph {subgraph}: " if subgraph else ""
    text = f"the subgraph's calls nest {depth} deep and make {runs} runs"
    return f"error: {place}{text}; at most 16 and 10000 are allowed"


def test_sixteen_subgraphs_may_nest() -> None:
    """A subgraph that runs none is 1 deep."""
    for depth, wanted in ((16, []), (17, [limits(17, 17)])):
        downwards = [[number + 1] for number in range(depth - 1)]
        assert told(calls.calls_bounded, model_of(*downwards, [])) == wanted


def test_subgraphs_may_be_numbered_from_the_innermost() -> None:
    for depth, wanted in ((16, []), (17, [limits(17, 17, subgraph=16)])):
        upwards = [[number] for number in range(depth - 1)]
        assert told(calls.calls_bounded, model_of([], *upwards)) == wanted


def test_a_number_below_0_is_not_counted_from_the_end() -> None:
    """The last of these is 16 deep already."""
    upwards = [[number] for number in range(15)]
    assert told(calls.calls_bounded, model_of([-1], *upwards)) == []


def test_the_deepest_call_counts_wherever_it_stands() -> None:
    """Subgraphs 1 to 16 nest; 17 is run beside them."""
    inner = [[number + 1] for number in range(1, 16)]
    for first in ([1, 17], [17, 1], [17, 1, 17]):
        model = model_of(first, *inner, [], [])
        assert told(calls.calls_bounded, model) == [limits(17, 16 + len(first))]


def test_every_level_that_is_too_deep_is_told() -> None:
    model = model_of(*([number + 1] for number in range(17)), [])
    assert told(calls.calls_bounded, model) == [limits(18, 18), limits(17, 17, subgraph=1)]


@pytest.mark.parametrize(
    ("inner", "outer", "wanted"),
    [
        (98, 101, []),  # 1 + 101 * (1 + 98) = 10,000
        (99, 100, [limits(3, 10_001)]),  # 1 + 100 * (1 + 99)
        (100, 100, [limits(3, 10_001)]),  # 10,101
    ],
)
def test_runs_are_bounded_exactly(inner: int, outer: int, wanted: list[str]) -> None:
    """A subgraph's own run counts; what is above the bound is told as one above it."""
    assert told(calls.calls_bounded, model_of([1] * outer, [2] * inner, [])) == wanted


def test_both_branches_of_an_if_count() -> None:
    """Of a chain of 13 subgraphs, each runs the next one twice: 2 ** 13 - 1 runs; 14 are too many.

    Which branch is taken is not known, so both are counted.
    """
    for depth, wanted in ((13, []), (14, [limits(14, 10_001)])):
        b = ModelBuilder()
        for number in range(1, depth):
            b.subgraph().op("IF", [], [], then_subgraph_index=number, else_subgraph_index=number)
        b.subgraph()
        assert told(calls.calls_bounded, load(b.finish())) == wanted
