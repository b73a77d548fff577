"""Random FILL, ZEROS_LIKE and SHAPE models.

The outputs of the last two never change, so two CONCATENATIONs of theirs with an input follow.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from microinterp.model_builder import ModelBuilder, SubGraphBuilder
from tests.differential.case import Case as Row
from tests.ops.movement import Case, Constant, Input, op_model, quantization
from tests.ops.strategies import shapes

ANY = ("float32", "int8", "int16", "int32", "int64", "uint8", "uint32", "uint64", "bool")


@st.composite
def fills(draw: st.DrawFn, dtype: str) -> Case:
    """dims of every integer type, value given at run time."""
    shape, quant = draw(shapes(1, 6, 4)), draw(quantization(dtype))
    kind = draw(st.sampled_from(("int8", "int16", "int32", "int64")))
    data = op_model(
        "FILL",
        [Constant(np.array(shape, kind)), Input((), dtype, *quant)],
        [Input(shape, dtype, *quant)],
    )
    return Case(data, lambda inputs: [inputs[0] * int(np.prod(shape))])


def _joined(g: SubGraphBuilder, constant: int, x: int, shape: tuple[int, ...], dtype: str) -> None:
    """Outputs that vary: x beside a tensor that does not, twice."""
    for i in range(2):
        wide = (shape[0] * (i + 2), *shape[1:])
        joined = g.tensor(f"joined{i}", wide, dtype)
        g.op("CONCATENATION", [constant, x], [joined], axis=0)
        g.output(joined)
        constant = joined


@st.composite
def zeros(draw: st.DrawFn, dtype: str) -> Case:
    """int8 with its zero point left out: zero is the byte 0 whatever it says."""
    shape = draw(shapes(1, 5, 4))
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", shape, dtype)
    out = g.tensor("zeros", shape, dtype)
    g.op("ZEROS_LIKE", [x], [out])
    g.output(out)
    _joined(g, out, x, shape, dtype)

    def expected(inputs: list[list[int]]) -> list[list[int]]:
        (x,) = inputs
        none = [0] * len(x)
        return [none, none + x, none + x + x]

    return Case(b.finish(), expected)


@st.composite
def shape_ops(draw: st.DrawFn) -> Case:
    """The shape of a tensor of any type."""
    shape, dtype = draw(shapes(1, 6, 4)), draw(st.sampled_from(ANY))
    b = ModelBuilder()
    g = b.subgraph("main")
    x, other = g.input("x", shape, dtype), g.input("other", (len(shape),), "int32")
    out = g.tensor("shape", (len(shape),), "int32")
    g.op("SHAPE", [x], [out], out_type="int32")
    g.output(out)
    _joined(g, out, other, (len(shape),), "int32")

    def expected(inputs: list[list[int]]) -> list[list[int]]:
        sizes, other = list(shape), inputs[1]
        return [sizes, sizes + other, sizes + other + other]

    return Case(b.finish(), expected)


CASES = (
    *(
        Row("FILL", types, fills(types).map(lambda c: c.data), samples=5)
        for types in ("float32", "int8", "int32")
    ),
    *(
        Row("ZEROS_LIKE", types, zeros(types).map(lambda c: c.data))
        for types in ("float32", "int8", "int32", "int64")
    ),
    Row("SHAPE", "any", shape_ops().map(lambda c: c.data)),
)
