"""The registry: names, kinds, and an operator written in Python."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from microinterp import Interpreter, UnsupportedError
from microinterp.graph import Node
from microinterp.kernels import default_registry
from microinterp.model_builder import ModelBuilder
from microinterp.prepare import Arrays, Context, Kernel, State
from microinterp.registry import OWN, Op, Registry


def custom_model(name: str, options: bytes = b"") -> bytes:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 4), "int8", scale=1.0, zero_point=0)
    y = g.tensor("y", (1, 4), "int8", scale=1.0, zero_point=0)
    g.custom_op(name, [x], [y], custom_options=options)
    g.output(y)
    return b.finish()


@dataclass(frozen=True)
class Step:
    by: int


def add_constant(p: Step, arrays: Arrays) -> None:
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    out[...] = x + np.int8(p.by)


def prepare_add_constant(node: Node, context: Context) -> Kernel:
    return Kernel(add_constant, Step(node.custom_options[0]))


def count_calls(p: None, arrays: Arrays) -> None:
    (count,) = arrays.state
    arrays.outputs[0][...] = count[0]
    count += 1


def prepare_count(node: Node, context: Context) -> Kernel:
    return Kernel(count_calls, state=(State(1, fill=7),))


def test_an_op_written_in_python_runs_single_and_batched() -> None:
    op = Op("ADD_CONSTANT", prepare_add_constant, ("int8",), is_custom=True)
    registry = default_registry().with_op(op)
    it = Interpreter.from_bytes(custom_model("ADD_CONSTANT", b"\x05"), registry=registry)
    batch = np.arange(8, dtype=np.int8).reshape(2, 1, 4)
    it.set_input(batch[0], 0)
    it.invoke()
    assert it.get_output(0).tolist() == [[5, 6, 7, 8]]
    assert np.array_equal(it.run_batch(batch)[0], batch + 5)
    assert op not in list(default_registry())  # with_op makes a new registry


def test_what_is_called_exact_is_proved_here() -> None:
    """An op that a user adds is not, unless it says what it was compared with."""
    mine = Op("MINE", prepare_count, ("int8", "float32"), is_custom=True)
    compared = replace(mine, name="COMPARED", exactness="exact against firmware 1.2")
    registry = default_registry().with_op(mine).with_op(compared)
    found = {op.name: op for op in registry}
    assert found["MINE"].exactness_of("int8") == OWN
    assert found["MINE"].exactness_of("float32") == OWN
    assert found["COMPARED"].exactness_of("int8") == "exact against firmware 1.2"
    assert found["COMPARED"].exactness_of("float32") == OWN
    assert found["CONV_2D"].exactness == "exact"
    assert "exact" not in OWN


def test_state_lives_across_invokes_until_reset() -> None:
    registry = default_registry().with_op(Op("COUNT", prepare_count, ("int8",), is_custom=True))
    it = Interpreter.from_bytes(custom_model("COUNT"), registry=registry)
    it.set_input(np.zeros((1, 4), np.int8), 0)
    seen = []
    for _ in range(3):
        it.invoke()
        seen.append(it.get_output(0)[0, 0])
    it.reset()
    it.invoke()
    assert [*seen, it.get_output(0)[0, 0]] == [7, 8, 9, 7]
    (batched,) = it.run_batch(np.zeros((3, 1, 4), np.int8))
    assert batched[:, 0, 0].tolist() == [8, 9, 10]


def test_a_custom_op_with_a_builtins_name_is_not_the_builtin() -> None:
    with pytest.raises(UnsupportedError, match="op 0 CONV_2D: operator is not supported"):
        Interpreter.from_bytes(custom_model("CONV_2D"))


def test_names_are_found() -> None:
    assert "CONV_2D" in default_registry()
    assert "CONV_2DD" not in default_registry()


def test_operators_are_loaded_when_they_are_needed() -> None:
    loaded = []

    def load() -> Op:
        loaded.append("LATE")
        return Op("LATE", prepare_count, is_custom=True)

    early = Op("EARLY", prepare_count, is_custom=True)
    registry = Registry([early], {(True, "LATE"): load, (True, "EARLY"): load}).with_op(
        Op("NEW", prepare_count, is_custom=True)
    )
    assert "LATE" in registry
    assert registry.named("EARLY") is early
    assert registry.named("MISSING") is None
    assert not loaded
    assert registry.named("LATE") is not None
    assert [op.name for op in registry] == ["EARLY", "NEW", "LATE"]
    assert loaded == ["LATE", "LATE"]
