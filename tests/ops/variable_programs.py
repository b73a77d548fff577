"""Random programs of resource variables, with a simulation of what they must read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from microinterp.model_builder import ModelBuilder, SubGraphBuilder
from microinterp.runtimes.tflm import Sample
from tests.ops.movement import random_constant
from tests.ops.strategies import seeds

# Types, with a shape each, that take eight bytes: what may be assigned to one variable.
EIGHT_BYTES = (
    ("int8", (2, 4)),
    ("int16", (4,)),
    ("float32", (1, 2)),
    ("int64", ()),
    ("bool", (8,)),
)


@dataclass
class Value:
    """A tensor of eight bytes: its number, and what it holds if it is a constant."""

    number: int
    zero_point: int
    constant: bytes | None = None
    source: int | None = None


@dataclass
class Program:
    """A random program, and enough of it to simulate: (op, variable, value) per subgraph."""

    data: bytes = b""
    variables: int = 0
    init: list[tuple[int, Value]] | None = None
    main: list[tuple[str, int, Value]] = field(default_factory=list)

    def fills(self) -> list[int]:
        """First byte of each variable: zero point of the first assignment, main graph first."""
        assigned = [(v, value) for op, v, value in self.main if op == "assign"]
        assigned += self.init or []
        return [
            next(value.zero_point & 0xFF for v, value in assigned if v == number)
            for number in range(self.variables)
        ]

    def simulate(self, samples: list[Sample]) -> list[list[bytes]]:
        """Bytes of every read, per invoke."""
        fresh = [bytes([fill] * 8) for fill in self.fills()]
        storage, started, result = list(fresh), False, []
        for sample in samples:
            if sample is None:
                storage = list(fresh)
                continue
            if not started:
                for variable, value in self.init or []:
                    assert value.constant is not None
                    storage[variable] = value.constant
            started = True
            result.append(self._invoke(storage, [array.tobytes() for array in sample]))
        return result

    def _invoke(self, storage: list[bytes], inputs: list[bytes]) -> list[bytes]:
        known: dict[int, bytes] = {}
        reads = []
        for op, variable, value in self.main:
            if op == "read":
                known[value.number] = storage[variable]
                reads.append(storage[variable])
            elif value.constant is not None:
                storage[variable] = value.constant
            else:
                index = value.source
                storage[variable] = inputs[index] if index is not None else known[value.number]
        return reads


class Writer:
    """Writes the random program into a ModelBuilder."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(draw(seeds()))
        self.builder = ModelBuilder()
        self.container = draw(st.sampled_from((None, "", "box")))

    def handles(self, g: SubGraphBuilder, variables: int) -> list[int]:
        found = []
        for number in range(variables):
            container = {} if self.container is None else {"container": self.container}
            handle = g.tensor(f"handle {number}", (), "resource")
            g.op("VAR_HANDLE", [], [handle], shared_name=f"v{number}", **container)
            found.append(handle)
        return found

    def kind(self) -> tuple[str, tuple[int, ...], dict[str, Any]]:
        dtype, shape = self.draw(st.sampled_from(EIGHT_BYTES))
        low, high = {"int8": (-128, 127), "int16": (-999, 999)}.get(dtype, (0, 0))
        if low == high or self.draw(st.integers(0, 3)) == 0:
            return dtype, shape, {}
        return dtype, shape, {"scale": 0.5, "zero_point": self.draw(st.integers(low, high))}

    def constant(self, g: SubGraphBuilder) -> Value:
        dtype, shape, quantization = self.kind()
        array = random_constant(self.rng, shape, dtype)
        number = g.constant("constant", array, **quantization)
        return Value(number, quantization.get("zero_point", 0), array.tobytes())


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """One to three variables, read and assigned in any order; some filled by CALL_ONCE."""
    writer = Writer(draw)
    main = writer.builder.subgraph("main")
    program = Program(variables=draw(st.integers(1, 3)))
    handles = writer.handles(main, program.variables)
    values = []
    for i in range(draw(st.integers(1, 2))):
        dtype, shape, quantization = writer.kind()
        number = main.input(f"in{i}", shape, dtype, **quantization)
        values.append(Value(number, quantization.get("zero_point", 0), source=i))
    once = draw(st.booleans())
    if once:
        main.op("CALL_ONCE", [], [], init_subgraph_index=1)
    for i in range(draw(st.integers(2, 9))):
        variable = draw(st.integers(0, program.variables - 1))
        if draw(st.booleans()):
            dtype, shape, quantization = writer.kind()
            number = main.tensor(f"read {i}", shape, dtype, **quantization)
            value = Value(number, quantization.get("zero_point", 0))
            main.op("READ_VARIABLE", [handles[variable]], [number])
            main.output(number)
            values.append(value)
            program.main.append(("read", variable, value))
        else:
            constant = draw(st.integers(0, 3)) == 0
            value = writer.constant(main) if constant else draw(st.sampled_from(values))
            main.op("ASSIGN_VARIABLE", [handles[variable], value.number], [])
            program.main.append(("assign", variable, value))
    assigned = {v for op, v, _ in program.main if op == "assign"}
    missing = [v for v in range(program.variables) if v not in assigned]
    for variable in missing if not once else []:
        main.op("ASSIGN_VARIABLE", [handles[variable], values[0].number], [])
        program.main.append(("assign", variable, values[0]))
    if once:
        init = writer.builder.subgraph("init")
        own = writer.handles(init, program.variables)
        program.init = [(v, writer.constant(init)) for v in range(program.variables)]
        for variable, value in program.init:
            init.op("ASSIGN_VARIABLE", [own[variable], value.number], [])
    program.data = writer.builder.finish()
    return program
