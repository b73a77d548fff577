"""GATHER, GATHER_ND and EMBEDDING_LOOKUP against spec loops, by hand, and what is refused.

tests/differential/cases/gather.py compares them with TFLM.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import SearchStrategy

from microinterp import Interpreter
from microinterp.errors import InputError, UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.case import Draw
from tests.differential.cases.gather import DRAW, LOOKUP_DRAW, gather_nds, gathers, lookups
from tests.ops.expected import assert_both_refuse, assert_fails_at_invoke, check_bits
from tests.ops.movement import Case, Constant, Input, assert_refused, op_model, run_one
from tests.ops.strategies import seeds


@pytest.mark.parametrize(
    ("cases", "draw"),
    [
        pytest.param(gathers("float32"), DRAW, id="GATHER float32"),
        pytest.param(gathers("int8"), DRAW, id="GATHER int8"),
        pytest.param(gather_nds("float32"), DRAW, id="GATHER_ND float32"),
        pytest.param(gather_nds("int8"), DRAW, id="GATHER_ND int8"),
        pytest.param(lookups("float32", "float32"), LOOKUP_DRAW, id="EMBEDDING_LOOKUP float32"),
        pytest.param(lookups("int8", "int8"), LOOKUP_DRAW, id="EMBEDDING_LOOKUP int8"),
        pytest.param(lookups("int8", "float32"), LOOKUP_DRAW, id="EMBEDDING_LOOKUP int8 x float32"),
    ],
)
def test_equals_spec(cases: SearchStrategy[Case], draw: Draw) -> None:
    @given(case=cases, seed=seeds())
    def check(case: Case, seed: int) -> None:
        check_bits(case, seed, draw)

    check()


TABLE = Constant(np.array([[1, 2], [3, 4], [5, 6]], np.int8))


def ids(*values: Any) -> np.ndarray:
    return np.array(values, np.int32)


def test_gather_by_hand() -> None:
    data = op_model("GATHER", [TABLE, Input((2,), "int32")], [Input((2, 2))])
    assert run_one(data, ids(2, 0)).tolist() == [[5, 6], [1, 2]]
    data = op_model("GATHER", [TABLE, Input((), "int32")], [Input((3,))], axis=-1)
    assert run_one(data, np.array(1, np.int32)).tolist() == [2, 4, 6]
    data = op_model(
        "GATHER", [TABLE, Input((3, 1), "int32")], [Input((3, 1))], axis=1, batch_dims=1
    )
    assert run_one(data, ids([1], [0], [1])).tolist() == [[2], [3], [6]]


def test_gather_nd_by_hand() -> None:
    data = op_model("GATHER_ND", [TABLE, Input((2, 2), "int32")], [Input((2,))])
    assert run_one(data, ids([2, 1], [0, 0])).tolist() == [6, 1]
    data = op_model("GATHER_ND", [TABLE, Input((1, 1), "int32")], [Input((1, 2))])
    assert run_one(data, ids([1])).tolist() == [[3, 4]]


def test_gather_nd_looks_only_at_the_place_in_memory(tflm: TflmRuntime) -> None:
    """An index beside its axis that still points into the table is taken, as in TFLM."""
    data = op_model("GATHER_ND", [TABLE, Input((2, 2), "int32")], [Input((2,))])
    sample = [ids([1, -1], [0, 5])]
    assert run_one(data, *sample).tolist() == [2, 6]
    assert tflm.run(data, [sample]).outputs[0][0].tolist() == [2, 6]


def test_lookup_by_hand() -> None:
    data = op_model("EMBEDDING_LOOKUP", [Input((2,), "int32"), TABLE], [Input((2, 2))])
    assert run_one(data, ids(1, 1)).tolist() == [[3, 4], [3, 4]]
    table = Constant(TABLE.values, 0.5, 0)
    out = Input((1, 2), "float32")
    data = op_model("EMBEDDING_LOOKUP", [Input((1,), "int32"), table], [out])
    assert run_one(data, ids(2)).tolist() == [[2.5, 3.0]]


@pytest.mark.parametrize("index", [3, -1, 2**31 - 1, -(2**31)])
def test_indices_outside(tflm: TflmRuntime, index: int) -> None:
    two, text = Input((2,), "int32"), f"index {index} is outside the table, wanted 0 to 2"
    data = op_model("GATHER", [TABLE, two], [Input((2, 2))])
    assert_fails_at_invoke(tflm, data, [ids(1, index)], text, 1)
    data = op_model("EMBEDDING_LOOKUP", [two, TABLE], [Input((2, 2))])
    assert_fails_at_invoke(tflm, data, [ids(1, index)], text, 0)
    data = op_model("GATHER_ND", [TABLE, Input((2, 1), "int32")], [Input((2, 2))])
    if index != -(2**31):  # TFLM multiplies it by 2 in int32
        assert_fails_at_invoke(tflm, data, [ids([1], [index])], text, 1)
    else:
        with pytest.raises(InputError, match=text):
            run_one(data, ids([1], [index]))


def test_the_interpreter_survives_an_index_outside() -> None:
    interpreter = Interpreter.from_bytes(
        op_model("GATHER", [TABLE, Input((1,), "int32")], [Input((1, 2))])
    )
    for index, expected in ((0, [[1, 2]]), (9, None), (2, [[5, 6]])):
        interpreter.set_input(ids(index), 0)
        if expected is None:
            with pytest.raises(InputError, match="index 9 is outside"):
                interpreter.invoke()
        else:
            interpreter.invoke()
            assert interpreter.get_output(0).tolist() == expected


X, IDS = Input((3, 2)), Input((2,), "int32")


@pytest.mark.parametrize(
    ("inputs", "output", "options", "text", "tensor"),
    [
        ([X], Input((2, 2)), {}, "has 1 inputs, wanted 2", None),
        ([X, IDS], Input((2, 2)), {"axis": 2}, "axis 2 is outside rank 2", None),
        ([X, IDS], Input((2, 2)), {"axis": -3}, "axis -3 is outside rank 2", None),
        ([X, IDS], Input((2, 2)), {"batch_dims": 1}, "batch_dims 1, wanted at most", None),
        ([X, IDS], Input((2, 2)), {"batch_dims": -2}, "batch_dims -2, wanted at most", None),
        (
            [X, IDS],
            Input((2,)),
            {"axis": 1, "batch_dims": 1},
            "int32[2] does not begin with the batch axes [3]",
            1,
        ),
        ([Input(()), IDS], Input((2,)), {}, "axis 0 is outside rank 0", None),
    ],
)
def test_gather_refused_as_tflm_does(
    tflm: TflmRuntime,
    inputs: list[Input],
    output: Input,
    options: dict[str, int],
    text: str,
    tensor: int | None,
) -> None:
    assert_both_refuse(tflm, op_model("GATHER", inputs, [output], **options), text, tensor)


def test_gather_refused() -> None:
    assert_refused(op_model("GATHER", [X, IDS], [Input((3, 2))]), "shape [3, 2], wanted [2, 2]", 2)
    empty = op_model("GATHER", [Input((0, 2)), IDS], [Input((2, 2))])
    assert_refused(empty, "the table int8[0, 2] is empty", 0)


@pytest.mark.parametrize(
    ("inputs", "text", "tensor"),
    [
        ([X, Input((2, 3), "int32")], "indices of 3 numbers into rank 2", 1),
        ([Input((1,) * 6), Input((2, 6), "int32")], "TFLM takes up to 5", 1),
        ([X, Input((), "int32")], "rank 0, wanted", 1),
        ([Input(()), Input((2, 1), "int32")], "rank 0, wanted", 0),
    ],
)
def test_gather_nd_refused_as_tflm_does(
    tflm: TflmRuntime, inputs: list[Input], text: str, tensor: int
) -> None:
    assert_both_refuse(tflm, op_model("GATHER_ND", inputs, [Input((2,))]), text, tensor)


def test_gather_nd_refused() -> None:
    data = op_model("GATHER_ND", [X, Input((2, 1), "int32")], [Input((2, 3))])
    assert_refused(data, "shape [2, 3], wanted [2, 2]", 2)
    data = op_model("GATHER_ND", [Input((0, 2)), Input((2, 1), "int32")], [Input((2, 2))])
    assert_refused(data, "the table int8[0, 2] is empty", 0)


def test_lookup_refused(tflm: TflmRuntime) -> None:
    table = Input((3, 2), "int8", 0.5, 1)
    data = op_model("EMBEDDING_LOOKUP", [IDS, table], [Input((2, 2), "float32")])
    assert_both_refuse(tflm, data, "zero point 1, wanted 0 for int8", 1)
    data = op_model("EMBEDDING_LOOKUP", [IDS, Input((3,))], [Input((2,))])
    assert_both_refuse(tflm, data, "rank 1, wanted", 1)
    data = op_model("EMBEDDING_LOOKUP", [Input((1, 2), "int32"), X], [Input((1, 2, 2))])
    assert_both_refuse(tflm, data, "rank 2, wanted 1", 0)
    data = op_model("EMBEDDING_LOOKUP", [IDS, X], [Input((2, 3))])
    assert_refused(data, "shape [2, 3], wanted [2, 2]", 2)
    data = op_model("EMBEDDING_LOOKUP", [IDS, Input((0, 2))], [Input((2, 2))])
    assert_refused(data, "the table int8[0, 2] is empty", 1)


@pytest.mark.parametrize(
    ("table", "index", "out"),
    [
        ("int16", "int32", "int16"),
        ("int32", "int32", "int32"),
        ("bool", "int32", "bool"),
        ("int8", "int64", "int8"),
    ],
)
def test_types_refused(tflm: TflmRuntime, table: str, index: str, out: str) -> None:
    x, rows, result = Input((3, 2), table), Input((2,), index), Input((2, 2), out)
    text = f"element types {table} x {index} x {out} are not supported"
    data = op_model("GATHER", [x, rows], [result])
    assert_both_refuse(tflm, data, text, kind=UnsupportedError)
    data = op_model("GATHER_ND", [x, Input((2, 1), index)], [result])
    assert_both_refuse(tflm, data, text, kind=UnsupportedError)
    text = f"element types {index} x {table} x {out} are not supported"
    data = op_model("EMBEDDING_LOOKUP", [rows, x], [result])
    assert_both_refuse(tflm, data, text, kind=UnsupportedError)
