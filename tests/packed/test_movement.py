"""Packed ops that move elements: random models of every type, host and board."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ops import (
    test_concatenation,
    test_pad,
    test_reshape,
    test_slice,
    test_split,
    test_strided_slice,
)
from tests.ops.movement import Case, Constant, Input, op_model
from tests.ops.strategies import seeds, shapes
from tests.packed.compare import Family


@st.composite
def transposes(draw: st.DrawFn) -> Case:
    dtype, shape = draw(st.sampled_from(("float32", "int8", "int16"))), draw(shapes(0, 5, 6))
    order = draw(st.permutations(range(len(shape))))
    out = tuple(shape[axis] for axis in order)
    inputs = [Input(shape, dtype), Constant(np.array(order, np.int32))]
    return Case(op_model("TRANSPOSE", inputs, [Input(out, dtype)]), lambda _: [])


CASES = {
    "CONCATENATION": test_concatenation.concatenations(),
    "EXPAND_DIMS": test_reshape.expansions(),
    "PAD": test_pad.pads(),
    "PADV2": test_pad.pads_with_value(),
    "RESHAPE": test_reshape.reshapes(),
    "SLICE": test_slice.slices(),
    "SPLIT": test_split.splits("SPLIT"),
    "SPLIT_V": test_split.splits("SPLIT_V"),
    "SQUEEZE": test_reshape.squeezes(),
    "STRIDED_SLICE": test_strided_slice.strided_slices(),
    "TRANSPOSE": transposes(),
}


@pytest.mark.parametrize("op", CASES)
def test_packed_equals_the_interpreter(op: str, tmp_path: Path) -> None:
    family = Family()

    @given(case=CASES[op], seed=seeds())
    def check(case: Case, seed: int) -> None:
        family.add(case.data, seed)

    check()
    family.finish(tmp_path, share=0.6)
