"""What ends early inside IF, WHILE and CALL_ONCE ends them too; and shapes that are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.errors import MicrointerpError
from microinterp.kernels.control_flow import evaluate_call_once, evaluate_if, evaluate_while
from microinterp.model_builder import ModelBuilder
from microinterp.prepare import Arrays, Status
from microinterp.runtimes.tflm import TflmRuntime


class Called:
    """A subgraph that copies its input plus `step`, and whose runs end as they are told to."""

    def __init__(self, ends: Sequence[Status] = (), step: int = 0, dtype: str = "int8") -> None:
        self.inputs, self.outputs = [np.zeros(1, np.int8)], [np.zeros(1, dtype)]
        self._ends, self._step, self.runs = list(ends), step, 0

    def run(self) -> Status:
        """Count, compute, and end."""
        self.runs += 1
        self.outputs[0][...] = self.inputs[0] + self._step
        return self._ends.pop(0) if self._ends else Status.OK


def arrays_of(inputs: Sequence[Any], *called: Called) -> Any:
    state = [np.zeros(1, np.uint8)]
    return Arrays(inputs, [np.full(1, 99, np.int8)], state=state, subgraphs=called)  # type: ignore[arg-type]


def test_while_ends_with_its_subgraphs() -> None:
    """Counting from -2 up to 0: the condition is that the value is not 0."""
    for cond_ends, body_ends, runs, value in (
        ([], [], (3, 2), 0),
        ([Status.ABORT], [], (1, 0), -2),
        ([], [Status.ERROR], (1, 1), -2),
        ([], [Status.OK, Status.ABORT], (2, 2), -1),
        ([Status.OK, Status.ERROR], [], (2, 1), -1),
    ):
        condition, body = Called(cond_ends, 0, "bool"), Called(body_ends, 1)
        arrays = arrays_of([np.full(1, -2, np.int8)], condition, body)
        wanted = [*(s for s in (*cond_ends, *body_ends) if s), Status.OK][0]
        assert evaluate_while(None, arrays) is wanted
        assert (condition.runs, body.runs) == runs
        assert arrays.outputs[0].tolist() == [value]


def test_if_ends_with_its_branch() -> None:
    for status, value in ((Status.OK, 12), (Status.ERROR, 99)):
        then, other = Called([status], 5), Called(step=6)
        arrays = arrays_of([np.array([True]), np.full(1, 7, np.int8)], then, other)
        assert evaluate_if(None, arrays) is status
        assert (then.runs, other.runs) == (1, 0)
        assert arrays.outputs[0].tolist() == [value]


def test_call_once_tries_again_until_its_subgraph_has_run_to_its_end() -> None:
    called = Called([Status.ERROR])
    arrays = arrays_of([], called)
    found = [evaluate_call_once(None, arrays) for _ in range(3)]
    assert found == [Status.ERROR, Status.OK, Status.OK]
    assert called.runs == 2


@pytest.mark.parametrize(("ours", "theirs"), [((2, 3, 4), (3, 4, 5)), ((2, 2, 3, 4), (3, 1, 4, 5))])
def test_stacks_of_matrices_must_broadcast(ours: tuple[int, ...], theirs: tuple[int, ...]) -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x, y = g.input("x", ours, "float32"), g.input("y", theirs, "float32")
    z = g.tensor("z", (2, 3, 5), "float32")
    g.op("BATCH_MATMUL", [x, y], [z])
    g.output(z)
    with pytest.raises(MicrointerpError, match=r"shape \[3, .*\] does not broadcast with"):
        Interpreter.from_bytes(b.finish())


def once_model() -> bytes:
    """CALL_ONCE of a subgraph with an input that nobody sets; it starts a variable."""
    b = ModelBuilder()
    g, once = b.subgraph("main"), b.subgraph("once")
    once.input("given", (2,), "int8", 1.0, 0)
    value = once.constant("value", np.int8([5, 6]), None, 1.0, 0)
    held = once.tensor("held", (), "resource")
    once.op("VAR_HANDLE", [], [held], container="", shared_name="kept")
    once.op("ASSIGN_VARIABLE", [held, value], [])
    x = g.input("x", (2,), "int8", 1.0, 0)
    handle = g.tensor("handle", (), "resource")
    kept, y = (g.tensor(name, (2,), "int8", 1.0, 0) for name in ("kept", "y"))
    g.op("CALL_ONCE", [], [], init_subgraph_index=once.index)
    g.op("VAR_HANDLE", [], [handle], container="", shared_name="kept")
    g.op("READ_VARIABLE", [handle], [kept])
    g.op("ADD", [x, kept], [y])
    g.output(y)
    return b.finish()


def test_a_subgraph_that_call_once_runs_may_have_inputs(tflm: TflmRuntime) -> None:
    sample = np.int8([1, 2])
    it = Interpreter.from_bytes(once_model())
    for _ in range(2):
        it.set_input(sample, 0)
        it.invoke()
        assert it.get_output(0).tolist() == [6, 8]
    (outputs,) = tflm.run(once_model(), [[sample]]).outputs
    assert outputs[0].tolist() == [6, 8]
