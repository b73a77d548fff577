"""A variable that the file's offline plan lays into the arena: state there, reset there, packed."""

from __future__ import annotations

import numpy as np

from microinterp import Interpreter
from microinterp.arena.plan import plan
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from microinterp.packed import PackedInterpreter, load, pack
from microinterp.runtimes.tflm import TflmRuntime

ZERO, OFFSETS = 3, (0, 32, 16)  # of x, the variable, y
SAMPLES = np.array([[1, -2, 3, 4], [5, 5, 5, 5], [-9, 0, 2, 7]], np.int8)


def summing_model() -> bytes:
    """y = x + memory, of which x becomes the next value."""
    b = ModelBuilder()
    g = b.subgraph("main")
    numbers = {"scale": 1.0, "zero_point": ZERO}
    x = g.input("x", (4,), "int8", **numbers)
    memory = g.tensor("memory", (4,), "int8", **numbers, is_variable=True)
    y = g.tensor("y", (4,), "int8", **numbers)
    g.op("ADD", [x, memory], [y])
    g.op("QUANTIZE", [x], [memory])
    g.output(y)
    b.metadata("OfflineMemoryAllocation", np.array([1, 0, 3, *OFFSETS], np.int32).tobytes())
    return b.finish()


def wanted() -> list[list[int]]:
    """Raw numbers: a variable starts as zeros, which are ZERO."""
    before = np.vstack([np.full((1, 4), ZERO), SAMPLES[:-1]])
    return (SAMPLES.astype(int) + before - ZERO).tolist()  # type: ignore[no-any-return]


def outputs(it: Interpreter | PackedInterpreter) -> list[list[int]]:
    """Of each sample, one after the other."""
    found = []
    for sample in SAMPLES:
        it.set_input(sample, 0)
        it.invoke()
        found.append(it.get_output(0).tolist())
    return found


def test_it_lies_in_the_arena_and_starts_anew_when_reset() -> None:
    it = Interpreter.from_bytes(summing_model())
    assert it.arena.offsets[1] == OFFSETS[1]
    for _ in range(2):
        assert outputs(it) == wanted()
        assert bytes(it.arena.memory[32:36]) == SAMPLES[-1].tobytes()
        it.reset()
        assert bytes(it.arena.memory[32:36]) == bytes([ZERO] * 4)


def test_tflm_does_the_same(tflm: TflmRuntime) -> None:
    run = tflm.run(summing_model(), [[sample] for sample in SAMPLES])
    assert [outputs[0].tolist() for outputs in run.outputs] == wanted()


def test_boards_do_the_same() -> None:
    prepared = prepare_model(summing_model(), kernels="plain")
    packed = pack(prepared, plan(prepared))
    (state,) = load(packed).state
    assert (state.offset, state.nbytes, state.value, state.resets) == (OFFSETS[1], 4, ZERO, True)
    it = PackedInterpreter.from_bytes(packed)
    for _ in range(2):
        assert outputs(it) == wanted()
        it.reset()
