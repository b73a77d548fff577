"""Random UNIDIRECTIONAL_SEQUENCE_LSTM layers, and their models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from microinterp.model_builder import ModelBuilder
from tests.ops.strategies import scales, seeds
from tests.spec_ops.lstm import Gate, IntegerLstm, Lstm

Array = npt.NDArray[Any]
X, HIDDEN, CELL, OUT = 0, 18, 19, 24
WX, WH, BIAS = range(1, 5), range(5, 9), range(12, 16)
ABSENT = (*range(9, 12), 16, 17, *range(20, 24))
KINDS = {
    "float32": ("float32", "float32", "float32", "float32"),
    "int8 x int8, int16 cell": ("int8", "int8", "int32", "int16"),
    "int16 x int8, int16 cell": ("int16", "int8", "int64", "int16"),
}
"""Types of input, filters, biases and cell."""


@dataclass(frozen=True)
class Layer:
    """One LSTM.

    Attributes:
        shape: batches, steps, inputs, states.
        contents: of filters and biases, by their number among the op's inputs.
        quantization: scale and zero point, by the same numbers; OUT for the output.
        state_shapes: of hidden and cell.
        changes: arguments of a tensor that replace its own; None leaves it out.
    """

    types: str
    shape: tuple[int, int, int, int]
    contents: Mapping[int, Array]
    quantization: Mapping[int, tuple[float, int]] = field(default_factory=dict)
    time_major: bool = False
    activation: str = "TANH"
    clip: float = 0.0
    state_shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    changes: Mapping[int, Mapping[str, Any] | None] = field(default_factory=dict)

    def sequence(self, last: int) -> tuple[int, int, int]:
        """Shape of input or output."""
        batches, steps, *_ = self.shape
        return (steps, batches, last) if self.time_major else (batches, steps, last)

    def data(self, **options: Any) -> bytes:
        """The model; tensors are numbered by `numbers`."""
        dtype, _, _, cell_type = KINDS[self.types]
        batches, _, inputs, states = self.shape
        hidden, cell = self.state_shapes or ((batches, states),) * 2
        made: dict[int, dict[str, Any]] = {
            X: {"shape": self.sequence(inputs), "dtype": dtype},
            **{number: {"values": values} for number, values in self.contents.items()},
            HIDDEN: {"shape": hidden, "dtype": dtype, "is_variable": True},
            CELL: {"shape": cell, "dtype": cell_type, "is_variable": True},
            OUT: {"shape": self.sequence(states), "dtype": dtype},
        }
        b = ModelBuilder()
        g = b.subgraph("main")
        tensors: list[int | None] = [None] * 25
        for number, arguments in made.items():
            change = self.changes.get(number, {})
            if change is None:
                continue
            scale, zero = self.quantization.get(number, (None, None))
            full = {"scale": scale, "zero_point": zero, **arguments, **change}
            is_input = number == X or full.get("is_variable") is False
            if full.get("values", 0) is None:  # computed: an input of the model
                del full["values"]
                is_input = True
            if is_input:
                full.pop("is_variable", None)
            make = g.constant if "values" in full else g.input if is_input else g.tensor
            tensors[number] = make(f"t{number}", **full)
        for number in set(self.changes) & set(ABSENT):
            tensors[number] = g.constant(f"t{number}", np.zeros(states, np.int16))
        out = tensors.pop()
        assert out is not None
        own = {
            "time_major": self.time_major,
            "fused_activation_function": self.activation,
            "cell_clip": self.clip,
        }
        g.op("UNIDIRECTIONAL_SEQUENCE_LSTM", tensors, [out], **(options or own))
        g.output(out)
        return b.finish()

    def specs(self) -> list[Lstm]:
        """One per batch, as at start."""
        gates = []
        for wx, wh, bias in zip(WX, WH, BIAS, strict=True):
            rows = [self.contents[i].tolist() for i in (wx, wh, bias)]
            given = (self.quantization.get(i, (1.0, 0)) for i in (wx, wh))
            gates.append(Gate(*rows, *given))
        batches, _, _, states = self.shape
        start = self.quantization[HIDDEN][1] if self.types.startswith("int8") else 0
        common = (self.activation == "TANH", self.clip)
        if self.types == "float32":
            return [Lstm(gates, [0.0] * states, [0.0] * states, *common) for _ in range(batches)]
        numbers = {
            "x": self.quantization[X],
            "hidden": self.quantization[HIDDEN],
            "cell_scale": self.quantization[CELL][0],
            "dtype": KINDS[self.types][0],
        }
        return [
            IntegerLstm(gates, [start] * states, [0] * states, *common, **numbers)
            for _ in range(batches)
        ]


@st.composite
def layers(draw: st.DrawFn, types: str) -> Layer:
    """Small sizes, both orders, clips, scales of the cell that are no power of two."""
    rng = np.random.default_rng(draw(seeds()))
    batches, steps, inputs, states = (draw(st.integers(1, n)) for n in (3, 4, 6, 5))
    sizes = {**dict.fromkeys(WX, (states, inputs)), **dict.fromkeys(WH, (states, states))}
    contents: dict[int, Array] = {}
    quantization: dict[int, tuple[float, int]] = {}
    if types == "float32":
        for number, size in {**sizes, **dict.fromkeys(BIAS, (states,))}.items():
            contents[number] = (rng.standard_normal(size) * 0.7).astype(np.float32)
    else:
        quantization = draw(quantizations(types, inputs, states))
        for number, size in sizes.items():
            contents[number] = rng.integers(-128, 128, size).astype(np.int8)
        for number, wx in zip(BIAS, WX, strict=True):
            reach = max(1, int(1.5 / (quantization[X][0] * quantization[wx][0])))
            bias = rng.integers(-reach, reach + 1, states)
            contents[number] = bias.astype(KINDS[types][2])
            quantization[number] = (1.0, 0)
    flat = (batches * states,)
    return Layer(
        types,
        (batches, steps, inputs, states),
        contents,
        quantization,
        time_major=draw(st.booleans()),
        activation=draw(st.sampled_from(("TANH", "TANH", "TANH", "NONE", "RELU6"))),
        clip=draw(st.sampled_from((0.0, 0.0, 0.3, 1.0, 1e6, -1.0))),
        state_shapes=(
            draw(st.sampled_from(((batches, states), (batches, states, 1)))),
            draw(st.sampled_from(((batches, states), flat))),
        ),
    )


@st.composite
def quantizations(
    draw: st.DrawFn, types: str, inputs: int, states: int
) -> dict[int, tuple[float, int]]:
    """Scales with which gates neither saturate nor stay in the middle."""
    dtype = KINDS[types][0]
    reach, ends = (74, (-128, 127)) if dtype == "int8" else (19000, (-20, 20))
    zeros = st.integers(*ends) if dtype == "int8" else st.sampled_from((0, 0, 0, *ends))
    x = draw(scales(1e-5, 0.05))
    hidden = draw(st.sampled_from((1.0, 0.8, 0.3))) * 2.0 ** (-7 if dtype == "int8" else -15)
    cell = draw(st.one_of(st.integers(-15, -9), st.floats(-15, -9)))
    found = {X: (x, draw(zeros)), HIDDEN: (hidden, draw(zeros)), CELL: (2.0**cell, 0)}
    for numbers, scale, terms in ((WX, x, inputs), (WH, hidden, states)):
        for number in numbers:
            spread = draw(st.floats(0.5, 3))
            w = spread / (scale * reach * 74 * np.sqrt(terms))
            zero = draw(st.sampled_from((0, 0, 0, 0, 3, -128)))
            found[number] = (float(np.float32(w)), zero)
    found[OUT] = draw(st.sampled_from((found[HIDDEN], (0.1, 7))))
    return {number: (float(np.float32(s)), z) for number, (s, z) in found.items()}
