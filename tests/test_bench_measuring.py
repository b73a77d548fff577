"""The benchmark's numbers: medians, comparisons bit by bit, turns, who is left out and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.measuring import (
    ModelResult,
    Rounds,
    Settings,
    Timing,
    Turn,
    compare,
    geometric_mean,
    measure_model,
)
from benchmarks.models import BenchModel, conv_chain
from microinterp.errors import RuntimeUnavailableError

SETTINGS = Settings(rounds=2, turn_seconds=0.0, patience=0.0, batch=4, checked=6, checked_slow=2)


class FakeChild:
    """Answers like a runtime whose outputs are its inputs, changed by `change`."""

    def __init__(self, seconds: float, change: Callable[[Any], Any] = lambda a: a) -> None:
        self.seconds, self.change = seconds, change
        self.waited = 0.0
        self.asked: list[str] = []

    def ask(self, command: str, *arguments: Any) -> Any:
        self.asked.append(command)
        if command == "outputs":
            return [self.change(array.copy()) for array in arguments[0]]
        if command == "seconds":
            return [self.seconds, 100 * self.seconds, self.seconds], self.waited
        return None


class Refusing(FakeChild):
    def ask(self, command: str, *arguments: Any) -> Any:
        raise RuntimeUnavailableError("crashed with SIGSEGV")


def one_byte_wrong(array: Any) -> Any:
    array.reshape(-1)[0] ^= 1
    return array


@pytest.fixture(scope="module")
def model() -> BenchModel:
    return conv_chain(2, 1, side=4)


def test_a_timing_is_the_median_between_its_quartiles() -> None:
    turns = [Turn(5.0, 0.06), Turn(1.0), Turn(2.0, 0.04), Turn(4.0), Turn(3.0)]
    assert Timing.of(turns) == Timing(3.0, 2.0, 4.0, rounds=5, disturbed=1)


def test_geometric_mean() -> None:
    assert geometric_mean([2.0, 8.0]) == pytest.approx(4.0)


def test_outputs_are_compared_over_the_samples_that_both_have() -> None:
    a = np.arange(12, dtype=np.int8).reshape(4, 3)
    b = a[:2].copy()
    b[1, 2] -= 7
    found = compare([a], [b])
    assert (found.samples, found.elements, found.differing, found.largest) == (2, 6, 1, 7.0)


def test_floats_are_compared_by_their_bits() -> None:
    a = np.array([[0.0, np.nan, 1.0]], np.float32)
    assert compare([a], [a.copy()]).differing == 0
    assert compare([a], [np.array([[-0.0, np.nan, 1.0]], np.float32)]).differing == 1


def test_outputs_of_another_kind_are_no_match() -> None:
    with pytest.raises(ValueError, match="differ in kind"):
        compare([np.zeros((2, 3), np.int8)], [np.zeros((2, 3), np.int16)])


def test_turns_alternate_and_a_failure_ends_only_its_own() -> None:
    order: list[str] = []

    def turn(name: str, dies_at: int = 99) -> Callable[[], Turn]:
        def run() -> Turn:
            order.append(name)
            if order.count(name) >= dies_at:
                raise RuntimeUnavailableError("no answer within 1 s")
            return Turn(float(order.count(name)))

        return run

    failures: dict[str, str] = {}
    turns = {"a": turn("a"), "b": turn("b", dies_at=2), "c": turn("c")}
    times = Rounds(replace(SETTINGS, rounds=3)).take(turns, failures)
    assert order == ["a", "b", "c", "a", "b", "c", "a", "c"]
    assert {name: timing.median for name, timing in times.items()} == {"a": 2.0, "c": 2.0}
    assert failures == {"b": "no answer within 1 s"}


def script(*turns: Turn) -> Callable[[], Turn]:
    left = iter(turns)
    return lambda: next(left)


def test_a_disturbed_turn_is_taken_again() -> None:
    turn = script(Turn(9.0, 0.5), Turn(8.0, 0.2), Turn(1.0, 0.01), Turn(2.0))
    timing = Rounds(replace(SETTINGS, patience=60.0)).take({"a": turn}, {})["a"]
    assert (timing.median, timing.low, timing.high) == (1.5, 1.25, 1.75)
    assert (timing.rounds, timing.disturbed) == (2, 0)


def test_on_a_busy_machine_the_least_disturbed_turn_counts_and_says_so() -> None:
    tries = [Turn(9.0, 0.5), Turn(3.0, 0.1), Turn(8.0, 0.2), Turn(7.0, 0.3)]
    turn = script(*tries, Turn(1.0))
    timing = Rounds(replace(SETTINGS, patience=60.0)).take({"a": turn}, {})["a"]
    assert (timing.median, timing.disturbed) == (2.0, 1)


def test_without_patience_a_turn_is_taken_once() -> None:
    timing = Rounds(SETTINGS).take({"a": script(Turn(9.0, 0.5), Turn(7.0))}, {})["a"]
    assert (timing.median, timing.disturbed) == (8.0, 1)


def test_a_model_is_compared_then_timed(model: BenchModel) -> None:
    children: Any = {"fast": FakeChild(1.0), "TFLM": FakeChild(6.0), "plain": FakeChild(12.0)}
    result = measure_model(model, children, SETTINGS, Rounds(SETTINGS))
    assert result.reference == "TFLM"
    assert result.different == []
    assert {name: a.samples for name, a in result.agreement.items()} == {"fast": 6, "plain": 2}
    assert result.times["fast"] == Timing(1.0, 1.0, 1.0, 2, 0)  # each turn gives its median
    assert result.ratio("fast") == 6.0
    assert result.ratio("plain") == 0.5
    assert children["fast"].asked == ["load", "outputs", "seconds", "seconds"]


@pytest.mark.parametrize("wrong", ["plain", "fast", "batched, 1 thread", "batched, 2 threads"])
def test_one_wrong_byte_is_reported(model: BenchModel, wrong: str) -> None:
    children: Any = {"TFLM": FakeChild(1.0), wrong: FakeChild(1.0, one_byte_wrong)}
    result = measure_model(model, children, SETTINGS, Rounds(SETTINGS))
    assert result.different == [wrong]
    assert result.agreement[wrong].differing == 1


def test_litert_may_differ(model: BenchModel) -> None:
    children: Any = {"TFLM": FakeChild(1.0), "XNNPACK, 1 thread": FakeChild(1.0, one_byte_wrong)}
    result = measure_model(model, children, SETTINGS, Rounds(SETTINGS))
    assert result.different == []
    assert result.agreement["XNNPACK, 1 thread"].differing == 1


def test_a_crash_is_a_message_and_ours_are_still_compared(model: BenchModel) -> None:
    children: Any = {
        "plain": FakeChild(1.0),
        "fast": FakeChild(1.0, one_byte_wrong),
        "TFLM": Refusing(1.0),
    }
    result = measure_model(model, children, SETTINGS, Rounds(SETTINGS))
    assert result.failures == {"TFLM": "crashed with SIGSEGV"}
    assert result.reference == "fast"
    assert result.different == ["plain"]
    assert result.ratio("fast") is None


def test_a_batch_of_another_size_is_loaded_for_its_turns(model: BenchModel) -> None:
    child = FakeChild(1.0)
    children: Any = {"XNNPACK batched, 1 thread": child}
    measure_model(model, children, SETTINGS, Rounds(SETTINGS))
    assert child.asked == ["load", "outputs", "load", "seconds", "seconds"]


def test_a_stateful_model_is_not_resized() -> None:
    model = conv_chain(2, 1, side=4)
    stateful = BenchModel(model.name, model.data, model.inputs, 1, model.macs, stateful=True)
    child = FakeChild(1.0)
    result = measure_model(
        stateful, {"XNNPACK batched, 1 thread": child}, SETTINGS, Rounds(SETTINGS)
    )  # type: ignore[dict-item]
    assert child.asked == []
    assert "state" in result.failures["XNNPACK batched, 1 thread"]


def test_nothing_is_compared_where_nothing_runs() -> None:
    result = ModelResult("m", 1, False)
    assert result.different == []
    assert result.ratio("fast") is None
