"""Running what passes have made: dead bytes poisoned, canaries around the plan, bytes compared."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from microinterp import Interpreter
from microinterp.arena.check import check_plan
from microinterp.arena.extents import schedule
from microinterp.arena.plan import Plan, plan_pieces
from microinterp.arena.poison import Poison
from microinterp.binding import Binding, bind
from microinterp.interpreter import prepare_model
from microinterp.passes import Passed
from microinterp.passes.overlap import _all_rows, _rewritten
from microinterp.prepare import Prepared
from microinterp.runtimes.tflm import Sample
from tests.oracle import random_samples

Outputs = list[list[bytes]]
"""[sample][output], and behind the outputs the variables as the sample has left them."""
SPARE = 256
"""Bytes of the arena that no buffer owns: they hold canaries."""


def samples_for(data: bytes, count: int = 3, seed: int = 0) -> list[Sample]:
    """Random samples for a model."""
    graph = Interpreter.from_bytes(data).graph
    return random_samples(np.random.default_rng(seed), graph, count)


def usual_outputs(data: bytes, samples: Sequence[Sample]) -> Outputs:
    """What the model gives without passes; None among the samples resets."""
    return _outputs(Interpreter.from_bytes(data), samples)


def passed_outputs(data: bytes, samples: Sequence[Sample], **options: Any) -> Outputs:
    """What the interpreter gives with passes; nothing watches it."""
    return _outputs(Interpreter.from_bytes(data, **options), samples)


def _outputs(interpreter: Interpreter, samples: Sequence[Sample]) -> Outputs:
    found = []
    for sample in samples:
        if sample is None:
            interpreter.reset()
            continue
        for i, array in enumerate(sample):
            interpreter.set_input(array, i)
        interpreter.invoke()
        found.append(_results(interpreter._binding))
    return found


def _results(binding: Binding) -> list[bytes]:
    """Outputs and variables."""
    graph = binding.prepared.graph
    variables = (t for subgraph in graph.subgraphs for t in subgraph.tensors if t.is_variable)
    arrays = [*map(binding.of, (*graph.main.outputs, *variables)), *binding._resources]
    return [array.tobytes() for array in arrays]


def poisoned_outputs(prepared: Prepared, plan: Plan, samples: Sequence[Sample]) -> Outputs:
    """The same with every dead byte overwritten after each op, and with canaries behind the head.

    Asserts that no op writes outside the plan.
    """
    need = len(bind(prepared, plan).memory)
    binding = bind(prepared, plan, need + SPARE)
    main, poison, found = prepared.graph.main, Poison(), []
    for sample in samples:
        if sample is None:
            binding.reset(everything=False)
            continue
        for tensor, array in zip(main.inputs, sample, strict=True):
            binding.of(tensor)[...] = array
        binding.run(poison)
        found.append(_results(binding))
    assert poison.trespassed == []
    return found


def check_made(
    made: Prepared, plan: Plan, samples: Sequence[Sample], wanted: Sequence[Sequence[bytes]]
) -> None:
    """A sound plan, and the wanted bytes with poison and canaries."""
    problems = check_plan(made, plan)
    assert problems == [], problems[:3]
    assert poisoned_outputs(made, plan, samples) == wanted


def check_pieces(
    made: Prepared,
    samples: Sequence[Sample],
    wanted: Sequence[Sequence[bytes]],
    most_tries: int = 300,
) -> Plan:
    """check_made of what a single pass gave; its plan."""
    plan = plan_pieces(made, most_tries)
    check_made(made, plan, samples, wanted)
    return plan


def check_passed(
    passed: Passed, samples: Sequence[Sample], wanted: Sequence[Sequence[bytes]]
) -> None:
    """check_made of what run_passes gave."""
    check_made(passed.prepared, passed.plan, samples, wanted)


def prepared_of(data: bytes) -> Prepared:
    """A model as passes take it."""
    return prepare_model(data)


def cut_rows(prepared: Prepared, backwards: Collection[int] = ()) -> Prepared:
    """Every op that can runs row by row, needed or not; those at `backwards` from the last row."""
    rows = _all_rows(prepared, schedule(prepared))
    return _rewritten(prepared, rows, set(backwards))
