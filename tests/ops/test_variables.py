"""Resource variables and CALL_ONCE: random programs against TFLM and a simulation, and rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given

from microinterp import Interpreter
from microinterp.errors import PrepareError, UnsupportedError
from microinterp.graph import build
from microinterp.kernels import default_registry
from microinterp.model import load
from microinterp.model_builder import ModelBuilder
from microinterp.prepare import prepare_problems
from microinterp.quant.profile import get_profile
from microinterp.runtimes.tflm import Sample, TflmRuntime
from tests.ops.movement import EVERY_TYPE, assert_refused
from tests.ops.strategies import seeds
from tests.ops.variable_programs import Program, programs
from tests.oracle import compare_with_tflm, random_samples


@given(program=programs(), seed=seeds())
def test_programs_equal_tflm_and_simulation(tflm: TflmRuntime, program: Program, seed: int) -> None:
    interpreter = Interpreter.from_bytes(program.data)
    samples = random_samples(np.random.default_rng(seed), interpreter.graph, 5)
    samples[2:2] = [None]
    result = compare_with_tflm(tflm, program.data, samples, EVERY_TYPE)
    assert result.differing_bytes == 0, result.first
    ours = []
    for sample in samples:
        if sample is None:
            interpreter.reset()
            continue
        for i, array in enumerate(sample):
            interpreter.set_input(array, i)
        interpreter.invoke()
        outputs = range(len(interpreter.graph.main.outputs))
        ours.append([interpreter.get_output(i).tobytes() for i in outputs])
    assert ours == program.simulate(samples)


def counter(once: bool = True) -> bytes:
    """Reads a variable (zero point 3, filled with 7s by CALL_ONCE), then assigns the input."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (2,), "int8", scale=1.0, zero_point=3)
    y = g.tensor("y", (2,), "int8", scale=1.0, zero_point=3)
    handle = g.tensor("handle", (), "resource")
    if once:
        g.op("CALL_ONCE", [], [], init_subgraph_index=1)
    g.op("VAR_HANDLE", [], [handle], shared_name="memory")
    g.op("READ_VARIABLE", [handle], [y])
    g.op("ASSIGN_VARIABLE", [handle, x], [])
    g.output(y)
    init = b.subgraph("init")
    handle = init.tensor("handle", (), "resource")
    init.op("VAR_HANDLE", [], [handle], shared_name="memory")
    sevens = init.constant("sevens", np.array([7, 7], np.int8), scale=1.0, zero_point=3)
    init.op("ASSIGN_VARIABLE", [handle, sevens], [])
    return b.finish()


def step(interpreter: Interpreter, *x: int) -> list[int]:
    interpreter.set_input(np.array(x, np.int8), 0)
    interpreter.invoke()
    values: list[int] = interpreter.get_output(0).tolist()
    return values


def test_by_hand() -> None:
    """CALL_ONCE runs at the first invoke alone: a reset leaves the zero point, not the sevens."""
    interpreter = Interpreter.from_bytes(counter())
    assert [step(interpreter, 1, 2), step(interpreter, 4, 5)] == [[7, 7], [1, 2]]
    interpreter.reset()
    assert [step(interpreter, 1, 2), step(interpreter, 4, 5)] == [[3, 3], [1, 2]]


def test_reset_before_the_first_invoke_keeps_call_once() -> None:
    interpreter = Interpreter.from_bytes(counter())
    interpreter.reset()
    assert step(interpreter, 1, 2) == [7, 7]


def test_run_batch_runs_in_order() -> None:
    interpreter = Interpreter.from_bytes(counter(once=False))
    (outputs,) = interpreter.run_batch(np.array([[1, 2], [4, 5], [6, 7]], np.int8))
    assert outputs.tolist() == [[3, 3], [1, 2], [4, 5]]


def test_fill_is_the_zero_point_cut_to_a_byte(tflm: TflmRuntime) -> None:
    """int16 with zero point 0x102 starts with bytes 02 02: TFLM fills with an int8."""
    data, sample = assigning("int16", (2,), "int16", (2,)), [np.array([1, 2], np.int16)]
    interpreter = Interpreter.from_bytes(data)
    interpreter.set_input(sample[0], 0)
    interpreter.invoke()
    (theirs,) = tflm.run(data, [sample]).outputs[0]
    assert interpreter.get_output(0).tolist() == theirs.tolist() == [0x202, 0x202]


def assigning(
    dtype: str, shape: tuple[int, ...], out_dtype: str, out_shape: tuple[int, ...]
) -> bytes:
    """READ_VARIABLE of `out_dtype`, then ASSIGN_VARIABLE of the input, zero point 0x102."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", shape, dtype, scale=1.0, zero_point=0x102)
    handle = g.tensor("handle", (), "resource")
    y = g.tensor("y", out_shape, out_dtype)
    g.op("VAR_HANDLE", [], [handle], shared_name="v")
    g.op("READ_VARIABLE", [handle], [y])
    g.op("ASSIGN_VARIABLE", [handle, x], [])
    g.output(y)
    return b.finish()


def containers(first: str | None, second: str | None) -> bytes:
    """Two handles to the name `v`: the first is assigned, the second one read."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (2,), "int8")
    y = g.tensor("y", (2,), "int8")
    handles = []
    for container in (first, second):
        options = {} if container is None else {"container": container}
        handles.append(g.tensor(f"handle {container}", (), "resource"))
        g.op("VAR_HANDLE", [], [handles[-1]], shared_name="v", **options)
    g.op("ASSIGN_VARIABLE", [handles[0], x], [])
    g.op("READ_VARIABLE", [handles[1]], [y])
    g.output(y)
    return b.finish()


@pytest.mark.parametrize("names", [(None, None), ("", ""), ("a", "a"), ("a", None), ("", None)])
def test_containers_that_match(tflm: TflmRuntime, names: tuple[str | None, str | None]) -> None:
    data, sample = containers(*names), [np.array([4, 5], np.int8)]
    (theirs,) = tflm.run(data, [sample]).outputs[0]
    assert step(Interpreter.from_bytes(data), 4, 5) == theirs.tolist() == [4, 5]


@pytest.mark.parametrize("second", ["", "a"])
def test_container_after_none_refused(second: str) -> None:
    assert_refused(containers(None, second), "after a VAR_HANDLE without one", 3, op=1)


@pytest.mark.parametrize("names", [("", "a"), ("a", "b")])
def test_other_container_is_another_variable(names: tuple[str, str]) -> None:
    assert_refused(containers(*names), "variable 'v' is read but never assigned", 3, op=3)


def test_sizes_refused() -> None:
    wrong = assigning("int16", (2,), "int8", (2,))
    assert_refused(wrong, "int8[2] has 2 bytes, variable 'v' has 4", 2, op=1)
    b = ModelBuilder()
    g = b.subgraph("main")
    handle = g.tensor("handle", (), "resource")
    g.op("VAR_HANDLE", [], [handle], shared_name="v\x00ignored")
    g.op("ASSIGN_VARIABLE", [handle, g.input("a", (2,), "int8")], [])
    again = g.tensor("again", (), "resource")
    g.op("VAR_HANDLE", [], [again], shared_name="v")
    g.op("ASSIGN_VARIABLE", [again, g.input("b", (3,), "int8")], [])
    assert_refused(b.finish(), "int8[3] has 3 bytes, variable 'v' has 2", 3, op=3)


def one_op(op: str, inputs: list[tuple[Any, ...]], outputs: list[tuple[Any, ...]]) -> bytes:
    """One op on tensors given as (shape, dtype); a handle is one that a VAR_HANDLE made."""
    b = ModelBuilder()
    g = b.subgraph("main")
    ins, outs = [], []
    for shape, dtype in inputs:
        if dtype == "resource":
            ins.append(g.tensor("handle", shape, dtype))
            g.op("VAR_HANDLE", [], ins[-1:], shared_name="v")
        else:
            ins.append(g.input(f"in{len(ins)}", shape, dtype))
    for shape, dtype in outputs:
        outs.append(g.tensor(f"out{len(outs)}", shape, dtype))
    g.op(op, ins, outs, **({"shared_name": "v"} if op == "VAR_HANDLE" else {}))
    return b.finish()


HANDLE, VALUE = ((), "resource"), ((2,), "int8")


@pytest.mark.parametrize(
    ("op", "inputs", "outputs", "text", "tensor", "place"),
    [
        ("VAR_HANDLE", [], [], "has 0 outputs, wanted 1", None, 0),
        ("VAR_HANDLE", [VALUE], [HANDLE], "has 1 inputs, wanted 0", None, 0),
        ("VAR_HANDLE", [], [((2,), "resource")], "resource[2] is no resource handle", 0, 0),
        ("VAR_HANDLE", [], [((), "int32")], "int32[] is no resource handle", 0, 0),
        ("READ_VARIABLE", [HANDLE], [VALUE], "is read but never assigned", 0, 1),
        ("READ_VARIABLE", [((), "int32")], [VALUE], "does not come from a VAR_HANDLE", 0, 0),
        ("READ_VARIABLE", [((), "int64")], [VALUE], "int64[] is no resource handle", 0, 0),
        ("READ_VARIABLE", [HANDLE], [], "has 0 outputs, wanted 1", None, 1),
        ("ASSIGN_VARIABLE", [HANDLE], [], "has 1 inputs, wanted 2", None, 1),
        ("ASSIGN_VARIABLE", [HANDLE, VALUE], [VALUE], "has 1 outputs, wanted 0", None, 1),
        ("ASSIGN_VARIABLE", [VALUE, VALUE], [], "int8[2] is no resource handle", 0, 0),
    ],
)
def test_refused(
    op: str,
    inputs: list[tuple[Any, ...]],
    outputs: list[tuple[Any, ...]],
    text: str,
    tensor: int | None,
    place: int,
) -> None:
    assert_refused(one_op(op, inputs, outputs), text, tensor, op=place)


def test_int4_refused() -> None:
    data = one_op("ASSIGN_VARIABLE", [HANDLE, ((2,), "int4")], [])
    assert_refused(data, "variables of type int4", 1, UnsupportedError, op=1)


def test_handles_are_no_data() -> None:
    """An op that would compute with a handle's number is refused, and so is handing one over."""
    data = one_op("RESHAPE", [HANDLE], [((1,), "resource")])
    assert_refused(data, "cannot take a resource handle", 0, UnsupportedError, op=1)
    b = ModelBuilder()
    g = b.subgraph("main")
    g.output(g.input("handle", (), "resource"))
    assert_refused(b.finish(), "inputs or outputs of the model", 0, UnsupportedError, op=None)


def test_nameless_variable_refused() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    g.op("VAR_HANDLE", [], [g.tensor("handle", (), "resource")])
    assert_refused(b.finish(), "the variable has no name")


def test_unknown_handle_refused() -> None:
    """A handle tensor that no VAR_HANDLE of this subgraph has made."""
    b = ModelBuilder()
    g = b.subgraph("main")
    handle = g.constant("handle", np.zeros(4, np.uint8).tobytes(), dtype="resource", shape=())
    g.op("ASSIGN_VARIABLE", [handle, g.input("x", (2,), "int8")], [])
    assert_refused(b.finish(), "does not come from a VAR_HANDLE", 0)


def test_call_once_refused() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (2,), "int8")
    g.op("CALL_ONCE", [x], [], init_subgraph_index=1)
    b.subgraph("init")
    assert_refused(b.finish(), "has 1 inputs, wanted 0")


def test_verify_tells_every_wrong_op() -> None:
    graph = build(load(one_op("READ_VARIABLE", [HANDLE], [VALUE])))
    (problem,) = prepare_problems(graph, default_registry(), get_profile("tflm"))
    assert isinstance(problem, PrepareError)
    assert "never assigned" in problem.message


def storage_of(interpreter: Interpreter) -> npt.NDArray[np.uint8]:
    """The last bytes of the arena: the first variable's storage, at its end."""
    return np.frombuffer(interpreter.arena.memory, np.uint8)[-16:-14]


def test_storage_lies_in_the_arena() -> None:
    interpreter = Interpreter.from_bytes(counter(once=False))
    assert storage_of(interpreter).tolist() == [3, 3]
    step(interpreter, 8, 9)
    assert storage_of(interpreter).tolist() == [8, 9]


@pytest.mark.parametrize(
    ("dtype", "zero_point", "start"),
    [
        ("int8", 5, 5),
        ("int8", -7, -7),
        *((dtype, 3, 0) for dtype in ("bool", "int16", "int32", "int64", "uint8", "float32")),
    ],
)
def test_variable_tensors(tflm: TflmRuntime, dtype: str, zero_point: int, start: int) -> None:
    """A tensor that is itself a variable: only int8 starts, and restarts, at its zero point."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (2,), dtype)
    memory = g.tensor("memory", (2,), dtype, scale=1.0, zero_point=zero_point, is_variable=True)
    y = g.tensor("y", (2,), dtype)
    g.op("RESHAPE", [memory], [y], new_shape=[2])
    g.op("RESHAPE", [x], [memory], new_shape=[2])
    g.output(y)
    data = b.finish()
    samples: list[Sample] = [[np.array([1, i], dtype)] for i in range(1, 4)]
    samples.insert(2, None)
    result = compare_with_tflm(tflm, data, samples, EVERY_TYPE)
    assert result.differing_bytes == 0, result.first
    theirs = [outputs[0].tolist() for outputs in tflm.run(data, samples).outputs]
    assert theirs == [[start, start], [1, 1], [start, start]]
