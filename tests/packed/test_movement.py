"""Packed ops that move elements: random models of every type, host and board."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.differential.cases import (
    concatenation,
    pad,
    reshape,
    slice,
    split,
    strided_slice,
)
from tests.ops.movement import Case, Constant, Input, op_model
from tests.ops.strategies import seeds, shapes
from tests.packed.compare import Family


@st.composite
def transposes(draw: st.DrawFn) -> Case:
    dtype, shape = draw(st.sampled_from(("float32", "int8", "int16"))), draw(shapes(1, 5, 6))
    order = draw(st.permutations(range(len(shape))))
    out = tuple(shape[axis] for axis in order)
    inputs = [Input(shape, dtype), Constant(np.array(order, np.int32))]
    return Case(op_model("TRANSPOSE", inputs, [Input(out, dtype)]), lambda _: [])


CASES = {
    "CONCATENATION": concatenation.concatenations(),
    "EXPAND_DIMS": reshape.expansions(),
    "PAD": pad.pads("PAD"),
    "PADV2": pad.pads_with_value("PADV2"),
    "RESHAPE": reshape.reshapes(),
    "SLICE": slice.slices(),
    "SPLIT": split.splits("SPLIT"),
    "SPLIT_V": split.splits("SPLIT_V"),
    "SQUEEZE": reshape.squeezes(),
    "STRIDED_SLICE": strided_slice.strided_slices(),
    "TRANSPOSE": transposes(),
}


@pytest.mark.parametrize("op", CASES)
def test_packed_equals_the_interpreter(op: str, tmp_path: Path) -> None:
    family = Family()

    @settings(max_examples=50)
    @given(case=CASES[op], seed=seeds())
    def check(case: Case, seed: int) -> None:
        family.add(case.data, seed)

    check()
    family.finish(tmp_path, share=0.6)
