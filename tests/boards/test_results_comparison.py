"""Two runs side by side, by figures worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from microinterp.errors import InputError
from microinterp_boards.results.comparison import Change, Comparison, compare, obstacles
from microinterp_boards.results.plots import change_text
from microinterp_boards.results.record import Figure, checked
from tests.boards.bench_results import CONV, POOL, counted, op, result


def of(before: dict[str, Any], after: dict[str, Any], anyway: bool = False) -> Comparison:
    return compare(checked(before), checked(after), anyway)


def test_the_invoke_and_each_op() -> None:
    found = of(result(1000), result(1100, ops=[CONV | {"time": 740}, op(1, "MAX_POOL_2D", 360)]))
    assert found.unit == "us"
    assert (found.invoke.before, found.invoke.after) == (
        Figure(1000, 990, 1010),
        Figure(1100, 1090, 1110),
    )
    assert found.invoke.percent == pytest.approx(10)
    assert not found.invoke.within_spread
    conv, pool = found.ops
    assert (conv.place, conv.name, conv.percent) == ((0, 0), "CONV_2D", pytest.approx(40 / 7))
    assert conv.within_spread  # 650..750 in both
    assert (pool.place, pool.percent, pool.within_spread) == ((0, 1), pytest.approx(20), False)


@pytest.mark.parametrize(("after", "within"), [(1020, True), (1021, False), (980, True), (979, 0)])
def test_ranges_that_touch_are_within_the_spread(after: float, within: bool) -> None:
    assert of(result(1000, 10), result(after, 10)).invoke.within_spread == bool(within)


@pytest.mark.parametrize(
    ("before", "after", "limit", "regression"),
    [
        (1000, 1100, 10, False),  # exactly at the limit
        (1000, 1100.5, 10, True),
        (3, 3.3, 10, False),  # 3 * 1.1 is 3.3000000000000003 in floats
        (30, 33, 10, False),
        (70, 77, 10, False),  # 70 * 1.1 is 77.00000000000001
        (1000, 1001, 0.1, False),
        (1000, 1000, 0, False),
        (1000, 1001, 0, True),
        (1000, 500, 0, False),
        (0, 0, 5, False),
        (0, 1, 5, True),
    ],
)
def test_regressions(before: float, after: float, limit: float, regression: bool) -> None:
    assert of(result(before, 0), result(after, 0)).is_regression(limit) == regression


def test_no_percentage_of_nothing() -> None:
    found = of(result(0, 0), result(5, 0, ops=[CONV]))
    assert found.invoke.percent is None
    pool = found.ops[1]
    assert (pool.before, pool.after, pool.percent) == (Figure(300, 290, 310), None, None)
    assert not pool.within_spread
    assert of(result(5e-324, 0), result(1e38, 0)).invoke.percent is None


def test_ops_are_matched_by_place_and_name() -> None:
    other = [op(0, "CONV_2D", 1), op(1, "ADD", 2), op(0, "ADD", 3, subgraph=1)]
    found = of(result(), result(ops=other))
    assert [(each.place, each.name) for each in found.ops] == [
        ((0, 0), "CONV_2D"),
        ((0, 1), "ADD"),
        ((0, 1), "MAX_POOL_2D"),
        ((1, 0), "ADD"),
    ]
    assert [each.before is None for each in found.ops] == [False, True, False, True]


@pytest.mark.parametrize("side", ["before", "after"])
def test_an_invoke_that_one_run_lacks_is_no_regression(side: str) -> None:
    found = of(result(1000), result(9000))
    assert found.is_regression(10)
    found = replace(found, invoke=replace(found.invoke, **{side: None}))
    assert not found.is_regression(10)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (200, 250, "+25.0 %"),
        (200, 200, "+0.0 %"),
        (0, 0, "+0.0 %"),
        (0, 5, "from 0"),
        (None, 5, "new"),
        (5, None, "gone"),
    ],
)
def test_changes_in_words(before: float | None, after: float | None, told: str) -> None:
    one, other = (None if each is None else Figure(each, each, each) for each in (before, after))
    assert change_text(Change("ADD", (0, 3), one, other, False)) == told


def test_memory_and_what_else_is_different() -> None:
    after = result(
        model__arena_bytes=2368,
        model__passes=["overlap"],
        heap_free__model_loaded=151_000,
        runtime__kernels="viper",
        runtime__mpy_set="viper-armv6m",
        board__frequency=200_000_000,
        git=None,
        seed=3,
    )
    found = of(result(), after)
    assert found.memory == (
        ("packed model", 9584, 9584),
        ("arena", 3264, 2368),
        ("heap, loaded", 20_000, 19_000),
    )
    assert found.differences == (
        ("passes", "none", "overlap"),
        ("frequency", "125 MHz", "200 MHz"),
        ("kernels", "armv6m (armv6m)", "viper (viper-armv6m)"),
        ("seed", "0", "3"),
        ("commit", "0123456", "none"),
    )
    assert of(result(), result()).differences == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__tflite_sha256": "b" * 64}, "different models: digits (sha256 aaaaaaaaaaaa) and"),
        ({"board__machine": "ESP32"}, "different boards: 'Pico with RP2040' and 'ESP32'"),
        ({"board__platform": "linux"}, "different boards"),
    ],
)
def test_other_models_and_boards_are_refused(changes: dict[str, Any], message: str) -> None:
    before, after = result(), result(2000, **changes)
    with pytest.raises(InputError) as raised:
        of(before, after)
    assert message in raised.value.message
    assert "--anyway" in raised.value.hint
    assert of(before, after, anyway=True).invoke.percent == pytest.approx(100)


def test_a_board_that_runs_on_the_host_is_the_hosts() -> None:
    hosted = {"board__machine": "linux", "board__platform": "linux"}
    one, other = checked(result(**hosted)), checked(result(**hosted, host__cpu="Other CPU"))
    assert obstacles(one, other) == [
        "the board's times are the host's, and the hosts are different: 'Some CPU' and 'Other CPU'"
    ]
    assert obstacles(checked(result()), checked(result(host__cpu="Other CPU"))) == []


def test_units_are_never_mixed() -> None:
    for anyway in (False, True):
        with pytest.raises(InputError, match="one run has us, the other instructions"):
            of(result(), counted(), anyway)


def test_ops_of_instructions() -> None:
    """The range over inputs is no noise: a change in it is one."""
    found = of(counted(1000), counted(1001, [CONV | {"time": 701}, POOL]))
    assert found.unit == "instructions"
    assert found.invoke.percent == pytest.approx(0.1)
    assert [each.within_spread for each in (found.invoke, *found.ops)] == [False] * 3
