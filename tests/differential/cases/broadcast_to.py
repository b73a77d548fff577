"""Random BROADCAST_TO and BROADCAST_ARGS models."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from microinterp.graph import Graph
from microinterp.runtimes.tflm import Sample
from tests.differential.case import Case as Row
from tests.ops.movement import Case, Constant, Input, op_model, quantization
from tests.ops.strategies import shapes
from tests.ops.values import ValueCase
from tests.spec_ops import indexing as spec

ANY = ("float32", "int8", "int16", "int32", "int64", "uint8", "uint32", "uint64", "bool")


@st.composite
def broadcasts(draw: st.DrawFn) -> Case:
    """Axes of size 1 grow, and new ones come in front; every element type."""
    dtype = draw(st.sampled_from(ANY))
    out = draw(shapes(1, 5, 4))
    own = tuple(size if draw(st.booleans()) else 1 for size in out)
    own = own[draw(st.integers(0, len(own))) :]
    quant = draw(quantization(dtype))
    wanted = np.array(out, draw(st.sampled_from(("int32", "int64"))))
    data = op_model(
        "BROADCAST_TO",
        [Input(own, dtype, *quant), Constant(wanted)],
        [Input(out, dtype, *quant)],
    )
    return Case(data, lambda inputs: [spec.broadcast(inputs[0], own, out)])


@st.composite
def shape_pairs(draw: st.DrawFn, dtype: str) -> ValueCase:
    """Two shapes of any length; one of them may be constant."""
    lengths = [draw(st.integers(1, 6)) for _ in range(2)]
    data = op_model(
        "BROADCAST_ARGS",
        [Input((length,), dtype) for length in lengths],
        [Input((max(lengths),), dtype)],
    )

    def expected(inputs: list[list[int]]) -> list[int]:
        padded = [[1] * (max(lengths) - len(shape)) + shape for shape in inputs]
        # int64 numbers are cut to 32 bits
        cut = [[(n + 2**31) % 2**32 - 2**31 for n in shape] for shape in padded]
        return [a if b == 1 else b for a, b in zip(*cut, strict=True)]

    return ValueCase(data, expected)


def compatible(rng: np.random.Generator, graph: Graph, count: int) -> list[Sample]:
    """Shapes that broadcast; now and then with numbers that are no sizes at all."""
    samples: list[Sample] = []
    longest = max(t.elements for t in graph.main.inputs)
    for _ in range(count):
        whole = rng.integers(1, 9, longest)
        if rng.integers(4) == 0:
            whole = rng.integers(-(2**40), 2**40, longest)
        sample = []
        for tensor in graph.main.inputs:
            kept = rng.random(tensor.elements) < 0.6
            part = np.where(kept, whole[longest - tensor.elements :], 1)
            sample.append(part.astype(tensor.dtype))
        samples.append(sample)
    return samples


CASES = (
    Row("BROADCAST_TO", "any", broadcasts().map(lambda c: c.data)),
    *(
        Row(
            "BROADCAST_ARGS",
            types,
            shape_pairs(types).map(lambda c: c.data),
            draw=compatible,
            samples=5,
        )
        for types in ("int32", "int64")
    ),
)
