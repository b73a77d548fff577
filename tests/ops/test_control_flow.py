"""IF and WHILE: worked by hand, what is passed through them, what is refused."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.binding import Step
from microinterp.errors import ModelError, PrepareError, UnsupportedError
from microinterp.model_builder import ModelBuilder, SubGraphBuilder
from microinterp.runtimes.tflm import RuntimeUnavailableError, Sample, TflmRuntime
from microinterp.trace import Trace
from tests.ops.movement import EVERY_TYPE, assert_refused
from tests.oracle import compare_with_tflm

Fill = Callable[[SubGraphBuilder], None]
TAPE = 4


def adder(amount: int, dtype: str = "int32", shape: tuple[int, ...] = (2,)) -> Fill:
    """A subgraph that adds a number to its input."""

    def fill(g: SubGraphBuilder) -> None:
        x = g.input("x", shape, dtype)
        y = g.tensor("y", shape, dtype)
        g.op("ADD", [x, g.constant("amount", np.full(shape, amount), dtype)], [y])
        g.output(y)

    return fill


def passing(*shapes: tuple[int, ...], dtype: str = "int32", outputs: int | None = None) -> Fill:
    """A subgraph whose inputs are its outputs, or some of them."""

    def fill(g: SubGraphBuilder) -> None:
        inputs = [g.input(f"in{i}", shape, dtype) for i, shape in enumerate(shapes)]
        for tensor in inputs[:outputs]:
            g.output(tensor)

    return fill


def branches(then: Fill, otherwise: Fill, inputs: int = 1, **options: Any) -> bytes:
    """IF on a bool, with int32 [2] inputs and one output."""
    b = ModelBuilder(old_op_codes=options.pop("old_op_codes", False))
    g = b.subgraph("main")
    condition = g.input("condition", options.pop("condition", (1,)), options.pop("type", "bool"))
    values = [g.input(f"value{i}", (2,), "int32") for i in range(inputs)]
    y = g.tensor("y", (2,), "int32")
    numbers = {"then_subgraph_index": 1, "else_subgraph_index": 2} | options
    g.op("IF", [condition, *values], [y], **numbers)
    g.output(y)
    then(b.subgraph("then"))
    otherwise(b.subgraph("else"))
    return b.finish()


def run(interpreter: Interpreter, *arrays: Any) -> list[Any]:
    for i, array in enumerate(arrays):
        interpreter.set_input(array, i)
    interpreter.invoke()
    outputs = range(len(interpreter.graph.main.outputs))
    return [interpreter.get_output(i).tolist() for i in outputs]


def test_if_by_hand() -> None:
    interpreter = Interpreter.from_bytes(branches(adder(5), adder(-1)))
    x = np.array([10, 20], np.int32)
    assert run(interpreter, np.array([True]), x) == [[15, 25]]
    assert run(interpreter, np.array([False]), x) == [[9, 19]]


@pytest.mark.parametrize("old_op_codes", [False, True])
@pytest.mark.parametrize("otherwise", [1, 2])
def test_if_equals_tflm(tflm: TflmRuntime, otherwise: int, old_op_codes: bool) -> None:
    """Both branches may be one subgraph; files of 2020 have their lifetimes planned otherwise."""
    data = branches(adder(5), adder(-1), else_subgraph_index=otherwise, old_op_codes=old_op_codes)
    samples: list[Sample] = [
        [np.array([i % 2 == 0]), np.array([i, 3 * i], np.int32)] for i in range(4)
    ]
    result = compare_with_tflm(tflm, data, samples, EVERY_TYPE)
    assert result.differing_bytes == 0, result.first
    assert Interpreter.from_bytes(data).arena.head_bytes == tflm.arena(data).head_bytes


def counting(body: Fill | None = None) -> bytes:
    """WHILE the tape starts with True: drop that, add 3 to the number."""
    b = ModelBuilder()
    g = b.subgraph("main")
    ins = [g.input("tape", (TAPE,), "bool"), g.input("x", (2,), "int32")]
    outs = [g.tensor("rest", (TAPE,), "bool"), g.tensor("y", (2,), "int32")]
    g.op("WHILE", ins, outs, cond_subgraph_index=1, body_subgraph_index=2)
    for tensor in outs:
        g.output(tensor)
    test = b.subgraph("condition")
    tape = test.input("tape", (TAPE,), "bool")
    test.input("x", (2,), "int32")
    test.output(part(test, tape, 0, 1))
    (body or drop_and_add)(b.subgraph("body"))
    return b.finish()


def part(g: SubGraphBuilder, row: int, begin: int, size: int) -> int:
    """Some bools of a row."""
    out = g.tensor("part", (size,), "bool")
    limits = [g.constant(f"limit{i}", np.array([i], np.int32)) for i in (begin, size)]
    g.op("SLICE", [row, *limits], [out])
    return out


def drop_and_add(g: SubGraphBuilder) -> None:
    tape, x = g.input("tape", (TAPE,), "bool"), g.input("x", (2,), "int32")
    rest, y = g.tensor("rest", (TAPE,), "bool"), g.tensor("y", (2,), "int32")
    end = g.constant("end", np.array([False]))
    g.op("CONCATENATION", [part(g, tape, 1, TAPE - 1), end], [rest], axis=0)
    g.op("ADD", [x, g.constant("three", np.array([3], np.int32))], [y])
    g.output(rest)
    g.output(y)


@pytest.mark.parametrize("trues", range(TAPE + 1))
def test_while_by_hand(trues: int) -> None:
    """No run of the body leaves the inputs as they are."""
    tape = np.arange(TAPE) < trues
    rest, y = run(Interpreter.from_bytes(counting()), tape, np.array([1, -1], np.int32))
    assert rest == [False] * TAPE
    assert y == [1 + 3 * trues, -1 + 3 * trues]


def test_while_equals_tflm(tflm: TflmRuntime) -> None:
    data = counting()
    samples: list[Sample] = [
        [np.arange(TAPE) < i, np.array([i, -i], np.int32)] for i in (2, 0, TAPE, 1)
    ]
    result = compare_with_tflm(tflm, data, samples, EVERY_TYPE)
    assert result.differing_bytes == 0, result.first
    assert Interpreter.from_bytes(data).arena.head_bytes == tflm.arena(data).head_bytes


def test_run_batch_goes_sample_by_sample() -> None:
    tapes = np.arange(TAPE) < np.array([[0], [3], [1]])
    interpreter = Interpreter.from_bytes(counting())
    _, y = interpreter.run_batch(tapes, np.zeros((3, 2), np.int32))
    assert y.tolist() == [[0, 0], [9, 9], [3, 3]]


def endless() -> bytes:
    """WHILE whose condition is its input, which the body leaves as it is."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x, y = g.input("x", (1,), "bool"), g.tensor("y", (1,), "bool")
    g.op("WHILE", [x], [y], cond_subgraph_index=1, body_subgraph_index=2)
    g.output(y)
    for name in ("condition", "body"):
        passing((1,), dtype="bool")(b.subgraph(name))
    return b.finish()


def test_an_endless_loop_can_be_interrupted() -> None:
    """Even one whose subgraphs have no op; and the interpreter is as usable as before."""
    interpreter = Interpreter.from_bytes(endless())
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    with pytest.raises(KeyboardInterrupt):
        run(interpreter, np.array([True]))
    assert run(interpreter, np.array([False])) == [[False]]


class Limit(Trace):
    """Ends an invoke after so many ops (docs/control_flow.md)."""

    def __init__(self, ops: int) -> None:
        self.left = ops

    def before(self, step: Step) -> None:
        self.left -= 1
        if self.left < 0:
            raise TimeoutError(f"still running at {step.node.node.where()}")


def test_a_trace_can_end_an_endless_loop() -> None:
    """The tape of all True is never dropped from, but the number is counted up."""

    def add_only(g: SubGraphBuilder) -> None:
        tape, x = g.input("tape", (TAPE,), "bool"), g.input("x", (2,), "int32")
        y = g.tensor("y", (2,), "int32")
        g.op("ADD", [x, g.constant("three", np.array([3], np.int32))], [y])
        g.output(tape)
        g.output(y)

    interpreter = Interpreter.from_bytes(counting(add_only))
    interpreter.set_input(np.ones(TAPE, np.bool_), 0)
    interpreter.set_input(np.zeros(2, np.int32), 1)
    with pytest.raises(TimeoutError, match="op 0 "):
        interpreter.invoke(Limit(100))
    assert run(interpreter, np.zeros(TAPE, np.bool_), np.array([4, 5], np.int32))[1] == [4, 5]


def wants_bytes(size: int) -> Fill:
    return passing((size,), dtype="int8")


@pytest.mark.parametrize("size", [8, 9])
def test_values_are_copied_as_bytes(tflm: TflmRuntime, size: int) -> None:
    """int32 [2] goes into int8 [8] and back, but not into int8 [9]: there TFLM fails at invoke."""
    data = branches(adder(1), wants_bytes(size))
    sample: list[Sample] = [[np.array([False]), np.array([-2, 7], np.int32)]]
    if size == 8:
        assert run(Interpreter.from_bytes(data), *sample[0] or ()) == [[-2, 7]]
        assert tflm.run(data, sample).outputs[0][0].tolist() == [-2, 7]
        return
    assert_refused(data, "int32[2] has 8 bytes, int8[9] has 9", 1)
    with pytest.raises(RuntimeUnavailableError):
        tflm.run(data, sample)


BOTH = (adder(1), adder(2))
REFUSED_IFS = {
    "condition bool[2] is not one bool": (branches(*BOTH, condition=(2,)), 0),
    "condition int32[1] is not one bool": (branches(*BOTH, type="int32"), 0),
    "inputs of subgraph 1: 2 tensors for 1": (branches(*BOTH, inputs=2), None),
    "outputs of subgraph 1: 0 tensors for 1": (branches(passing((2,), outputs=0), BOTH[1]), None),
}


@pytest.mark.parametrize("text", REFUSED_IFS)
def test_if_refused(tflm: TflmRuntime, text: str) -> None:
    data, tensor = REFUSED_IFS[text]
    assert_refused(data, text, tensor)
    with pytest.raises(RuntimeUnavailableError):
        tflm.arena(data)


def test_the_else_branch_is_checked_too() -> None:
    """TFLM checks it when it is taken."""
    data = branches(BOTH[0], passing((2,), (2,), outputs=1))
    assert_refused(data, "inputs of subgraph 2: 1 tensors for 2")
    data = branches(BOTH[0], passing((2,), outputs=0))
    assert_refused(data, "outputs of subgraph 2: 0 tensors for 1")


def test_branches_that_do_not_exist_are_refused() -> None:
    for number in (-1, 3):
        with pytest.raises(ModelError, match=f"runs subgraph {number}"):
            Interpreter.from_bytes(branches(*BOTH, else_subgraph_index=number))
    with pytest.raises(ModelError, match="itself part of"):
        Interpreter.from_bytes(branches(*BOTH, else_subgraph_index=0))


def loop(test: Fill, body: Fill, outputs: int = 1) -> bytes:
    """WHILE on int32 [2]."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (2,), "int32")
    outs = [g.tensor(f"y{i}", (2,), "int32") for i in range(outputs)]
    g.op("WHILE", [x], outs, cond_subgraph_index=1, body_subgraph_index=2)
    test(b.subgraph("condition"))
    body(b.subgraph("body"))
    return b.finish()


def constant_condition(dtype: str = "bool", count: int = 1) -> Fill:
    def fill(g: SubGraphBuilder) -> None:
        g.input("x", (2,), "int32")
        g.output(g.constant("false", np.zeros(count), dtype))

    return fill


def test_while_refused(tflm: TflmRuntime) -> None:
    good = constant_condition()
    for data, text in (
        (loop(good, adder(1), outputs=2), "outputs of the op: 1 tensors for 2"),
        (loop(passing(()), adder(1)), "int32[2] has 8 bytes, int32[] has 4"),
        (loop(passing((2,), (2,)), adder(1)), "inputs of subgraph 1: 1 tensors for 2"),
        (loop(good, passing((2,), (2,))), "inputs of subgraph 2: 1 tensors for 2"),
        (loop(good, passing((2,), outputs=0)), "outputs of subgraph 2: 0 tensors for 1"),
        (loop(passing((2,), outputs=0), adder(1)), "subgraph 1 makes no condition"),
        (loop(constant_condition("int32"), adder(1)), "condition int32[1] is not one bool"),
        (loop(constant_condition(count=2), adder(1)), "condition bool[2] is not one bool"),
    ):
        with pytest.raises(PrepareError) as caught:
            Interpreter.from_bytes(data)
        assert text in str(caught.value)
        assert caught.value.where.op_index == 0


def test_int4_values_are_refused() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x, y = g.input("x", (2,), "int4"), g.tensor("y", (2,), "int4")
    g.op("IF", [g.input("c", (), "bool"), x], [y], then_subgraph_index=1, else_subgraph_index=1)
    passing((2,), dtype="int4")(b.subgraph("branch"))
    assert_refused(b.finish(), "int4 values are not supported", x, UnsupportedError)


def chosen_variable(kind: str, own: bool = True, swapped: bool = False) -> bytes:
    """IF takes the handles of two variables and hands one of them out, which is read and assigned.

    Args:
        kind: type of the handles inside of the branches; "state" is an int32 variable tensor.
        own: both variables are assigned in the main graph as well, so that they have storage.
        swapped: an int32 that no VAR_HANDLE made goes in instead of the second handle.
    """
    b = ModelBuilder()
    g = b.subgraph("main")
    condition, x = g.input("condition", (), "bool"), g.input("x", (2,), "int8")
    handles = []
    for name in ("a", "b"):
        handles.append(g.tensor(f"handle {name}", (), "resource"))
        g.op("VAR_HANDLE", [], handles[-1:], shared_name=name)
    if swapped:
        handles[1] = g.input("number", (), "int32")
    is_variable, kind = kind == "state", kind.replace("state", "int32")
    handed = g.tensor("handed", (), kind, is_variable=is_variable)
    g.op("IF", [condition, *handles], [handed], then_subgraph_index=1, else_subgraph_index=2)
    y = g.tensor("y", (2,), "int8")
    g.op("READ_VARIABLE", [handed], [y])
    g.op("ASSIGN_VARIABLE", [handed, x], [])
    if own:
        g.op("CALL_ONCE", [], [], init_subgraph_index=3)
    g.output(y)
    for number in (0, 1):
        branch = b.subgraph(f"branch {number}")
        inputs = [branch.input(f"handle {i}", (), kind) for i in (0, 1)]
        branch.output(inputs[number])
    if own:
        init = b.subgraph("init")
        for value, name in enumerate("ab"):
            handle = init.tensor(f"handle {name}", (), "resource")
            init.op("VAR_HANDLE", [], [handle], shared_name=name)
            number = init.constant(name, np.full(2, value, np.int8), scale=1.0, zero_point=value)
            init.op("ASSIGN_VARIABLE", [handle, number], [])
    return b.finish()


@pytest.mark.parametrize("kind", ["resource", "int32"])
def test_handles_are_passed(tflm: TflmRuntime, kind: str) -> None:
    """Each invoke reads what the last one with the same condition has assigned.

    CALL_ONCE runs behind them at the first invoke, and undoes its assignment.
    """
    data = chosen_variable(kind)
    samples: list[Sample] = [
        [np.array(i % 3 == 0), np.array([10 * i, 10 * i + 1], np.int8)] for i in range(6)
    ]
    ours = Interpreter.from_bytes(data)
    got = [run(ours, *sample or ())[0] for sample in samples]
    assert got == [[0, 0], [1, 1], [10, 11], [0, 0], [20, 21], [40, 41]]
    theirs = [outputs[0].tolist() for outputs in tflm.run(data, samples).outputs]
    assert got == theirs
    assert ours.arena.head_bytes == tflm.arena(data).head_bytes


def test_handles_without_a_variable_are_refused() -> None:
    unassigned = "variable 'a' is read but never assigned"
    assert_refused(chosen_variable("resource", own=False), unassigned, 4, op=3)
    assert_refused(
        chosen_variable("int32", swapped=True), "does not come from a VAR_HANDLE", 5, op=3
    )


def test_a_variable_tensor_is_no_handle() -> None:
    """It may hold any number, since several ops may write it."""
    assert_refused(chosen_variable("state"), "does not come from a VAR_HANDLE", 4, op=3)


def test_a_constant_may_be_a_handle(tflm: TflmRuntime) -> None:
    """It holds the variable's number: 1 is the second one."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x, y = g.input("x", (2,), "int8"), g.tensor("y", (2,), "int8")
    for name in "ab":
        handle = g.tensor(f"handle {name}", (), "resource")
        g.op("VAR_HANDLE", [], [handle], shared_name=name)
    g.op("ASSIGN_VARIABLE", [handle, x], [])
    g.op("READ_VARIABLE", [g.constant("one", np.array(1, np.int32))], [y])
    g.output(y)
    data, x = b.finish(), np.array([3, 4], np.int8)
    assert run(Interpreter.from_bytes(data), x) == [[3, 4]]
    assert tflm.run(data, [[x]]).outputs[0][0].tolist() == [3, 4]
