"""Models around CIRCULAR_BUFFER: streams of rows that let the rest run every so often."""

from __future__ import annotations

from hypothesis import strategies as st

from microinterp.model_builder import ModelBuilder
from tests.ops.custom import custom_options
from tests.ops.strategies import zero_points


def streaming_model(
    rows: int, height: int, depth: int, cycles: int | None, zero_point: int = 0, batch: int = 1
) -> bytes:
    """One row in; a buffer of rows; behind it an op that shows what the buffer lets through.

    Outputs: twice the buffer's contents, requantised, and the input's row, copied before it.
    """
    b = ModelBuilder()
    g = b.subgraph("main")
    row = (batch, 1, height, depth)
    x = g.input("row", row, "int8", 0.5, zero_point)
    seen = g.tensor("seen", row, "int8", 0.25, zero_point)
    buffer = g.tensor("buffer", (batch, rows, height, depth), "int8", 0.5, zero_point, 0, True)
    out = g.tensor("out", (batch, rows, height, depth), "int8", 0.25, zero_point)
    g.op("QUANTIZE", [x], [seen])
    options = None if cycles is None else custom_options({"cycles_max": cycles})
    g.custom_op("CIRCULAR_BUFFER", [x], [buffer], options)
    g.op("QUANTIZE", [buffer], [out])
    g.output(out)
    g.output(seen)
    return b.finish()


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Every number of cycles, and the two that TFLM guesses where the file gives none."""
    rows = draw(st.sampled_from((1, 2, 3, 5, 5, 8)))
    height, depth = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    cycles = draw(st.sampled_from((None, None, 0, 1, 1, 2, 3, 4)))
    return streaming_model(rows, height, depth, cycles, draw(zero_points("int8")))
