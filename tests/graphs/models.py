"""Random models of every operator: graphs of 5 to 30 ops with branches, state and subgraphs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from microinterp.compression import METADATA_NAME
from microinterp.model_builder import ModelBuilder
from tests.encoders import lut_metadata
from tests.graphs import elementwise, flow, layers, movement
from tests.graphs.flow import HANDLE, TAPE
from tests.graphs.growing import Growing, Kind, Shared
from tests.ops.strategies import seeds

TABLE = {**elementwise.ENTRIES, **movement.ENTRIES, **layers.ENTRIES, **flow.ENTRIES}
"""One small function per operator."""
FLOW = (*flow.ENTRIES, "RESHAPE", "ADD", "CONCATENATION", "LOGICAL_NOT")
"""For models that are mostly control flow."""
INT8 = (0.5, 3)


@st.composite
def graphs(
    draw: st.DrawFn,
    least: int = 5,
    most: int = 30,
    table: Sequence[str] | None = None,
    first: str | None = None,
) -> bytes:
    """A model of that many ops, those of its subgraphs not counted.

    It takes an int8 and a float image, a row of int32 and of bools; its variables, if it has any,
    are assigned in the main graph or by CALL_ONCE.

    Args:
        table: names of the entries to take the main graph's ops from; None takes all.
        first: name of the entry that makes the first op.
    """
    rng = np.random.default_rng(draw(seeds()))
    shared = Shared(draw, rng, ModelBuilder(), TABLE)
    w = Growing(shared, shared.builder.subgraph("main"))
    sides = tuple(w.integer(1, 4) for _ in range(3))
    w.input(Kind("int8", (1, *sides), *INT8))
    w.calm.add(w.input(Kind("float32", (1, *sides))))
    if w.chance(2):
        w.input(Kind("int16", (1, *sides), 0.03, 0))
    w.input(Kind("int32", (w.integer(1, 4),)))
    w.input(Kind("bool", (TAPE,)))
    if w.chance(2):
        _add_variables(w)
    if first is not None:
        TABLE[first](w)
    w.grow(w.integer(least, most), table)
    computed = [n for n, kind in w.values.items() if kind.dtype != "resource"]
    for number in draw(st.lists(st.sampled_from(computed), max_size=3, unique=True)):
        if number != computed[-1]:
            w.g.output(number)
    w.g.output(computed[-1])
    if shared.compressed:
        shared.builder.metadata(METADATA_NAME, lut_metadata([shared.compressed]))
    return shared.builder.finish()


def _add_variables(w: Growing) -> None:
    w.shared.variables = tuple(f"v{i}" for i in range(w.integer(1, 3)))
    handles = [
        w.op("VAR_HANDLE", [], HANDLE, shared_name=name, container="")
        for name in w.shared.variables
    ]
    if w.chance(2):
        w.shared.table["CALL_ONCE"](w)
        return
    for handle in handles:
        w.op("ASSIGN_VARIABLE", [handle, w.known(w.shared.variable)])
