"""The recorded vectors: met here without TFLM's wheel, and still what the wheel computes."""

from __future__ import annotations

from collections import Counter

import pytest

from microinterp import Interpreter
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential import vectors
from tests.differential.cases import all_cases
from tests.differential.check import require_equal

CASES = {case.name: case for case in all_cases()}
PROVENANCE, VECTORS = vectors.load()


@pytest.mark.parametrize("name", sorted(CASES))
def test_vectors_are_met(name: str) -> None:
    found = [vector for vector in VECTORS if vector.case == name]
    assert found, f"no vector: {vectors.COMMAND}"
    for vector in found:
        ours = Interpreter.from_bytes(vector.model)
        wanted = iter(vector.outputs)
        for sample in vector.samples:
            if sample is None:
                ours.reset()
                continue
            for i, array in enumerate(sample):
                ours.set_input(array, i)
            ours.invoke()
            for i, want in enumerate(next(wanted)):
                tensor = ours.graph.main.outputs[i]
                require_equal(tensor, ours.get_output(i), want, CASES[name].ulps, f"output {i}")


def test_the_wheel_still_says_so(tflm: TflmRuntime) -> None:
    for vector in VECTORS:
        theirs = tflm.run(vector.model, vector.samples).outputs
        for have, want in zip(theirs, vector.outputs, strict=True):
            assert [a.tobytes() for a in have] == [a.tobytes() for a in want], vector.case


def test_they_say_where_they_come_from() -> None:
    assert PROVENANCE["runtime"].startswith("tflite-micro 0.dev")
    assert PROVENANCE["command"] == vectors.COMMAND
    assert PROVENANCE["seed"] == vectors.SEED


def test_most_outputs_say_something() -> None:
    """Outputs with more than one value, or more than one over the invokes."""
    seen: Counter[bool] = Counter()
    for vector in VECTORS:
        values = {
            value for outputs in vector.outputs for a in outputs for value in a.ravel().tolist()
        }
        seen[len(values) > 1] += 1
    assert seen[True] > 4 * seen[False]
