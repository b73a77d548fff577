"""Damaged models that still run must compute what TFLM computes: strange, but never wrong."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from microinterp import Interpreter
from microinterp.binding import Step
from microinterp.errors import MicrointerpError, RuntimeUnavailableError
from microinterp.runtimes.tflm import TflmRuntime
from microinterp.trace import Trace
from tests.fuzz import noise
from tests.fuzz_models import BUILT_MODELS, model_bytes, model_names
from tests.mutations import Mutator

SMALL = [*BUILT_MODELS, *(name for name in model_names() if name == "hello_world")]


class EndlessError(Exception):
    """A damaged loop that goes on and on, as it would in TFLM."""


class Limit(Trace):
    """Ends an invoke after so many ops: far more than any of these models has."""

    def __init__(self, ops: int = 20_000) -> None:
        self.ops = ops

    def before(self, step: Step) -> None:
        self.ops -= 1
        if self.ops < 0:
            raise EndlessError


def compare(tflm: TflmRuntime, name: str, seed: int, count: int, folder: Path) -> Counter[str]:
    """How many mutants we refuse, only we run, and both run; fails where both run and differ."""
    mutator, outcomes = Mutator(model_bytes(name)), Counter[str]()
    for number in range(count):
        data = mutator.mutant(seed, number)
        try:
            inputs, ours = run(data, random.Random(number))
        except MicrointerpError:
            outcomes["refused"] += 1
            continue
        except EndlessError:
            outcomes["endless"] += 1
            continue
        try:
            theirs = tflm.run(data, [inputs]).outputs[0]
        except RuntimeUnavailableError as error:
            if "crashed" in str(error):
                pytest.fail(f"mutant {number} of seed {seed} of {name} runs here, crashes TFLM")
            outcomes["only ours"] += 1
            continue
        outcomes["both"] += 1
        same = [a.tobytes() for a in ours] == [b.tobytes() for b in theirs]
        if not same:
            path = folder / f"{name}-{seed}-{number}.tflite"
            path.write_bytes(data)
            pytest.fail(f"mutant {number} of seed {seed} of {name} differs; saved as {path}")
    return outcomes


def run(data: bytes, rng: random.Random) -> tuple[list[Any], list[Any]]:
    """Random inputs, and our outputs for them."""
    interpreter = Interpreter.from_bytes(data)
    main = interpreter.graph.main
    inputs = [noise(tensor.shape, tensor.dtype, rng) for tensor in main.inputs]
    for i, array in enumerate(inputs):
        interpreter.set_input(array, i)
    interpreter.invoke(Limit())
    return inputs, [interpreter.get_output(i) for i in range(len(main.outputs))]


@pytest.mark.parametrize("name", SMALL)
def test_what_still_runs_equals_tflm(tflm: TflmRuntime, name: str, tmp_path: Path) -> None:
    outcomes = compare(tflm, name, seed=6, count=300, folder=tmp_path)
    assert outcomes["both"] >= 15
    assert outcomes["only ours"] <= 3


@pytest.mark.thorough
@pytest.mark.parametrize("name", model_names())
def test_much_of_what_still_runs_equals_tflm(tflm: TflmRuntime, name: str, tmp_path: Path) -> None:
    outcomes = compare(tflm, name, seed=7, count=3000, folder=tmp_path)
    assert outcomes["both"] >= 150
    assert outcomes["only ours"] <= 30
