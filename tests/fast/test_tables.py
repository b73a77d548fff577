"""Tables of one element: every form against the plain kernel for every input, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from microinterp.fast_path import Workspace
from microinterp.kernels.fast.blocks import BLOCK, every
from microinterp.kernels.fast.tables import FEW_INT16, choose, simplest
from microinterp.prepare import Arrays, PreparedNode
from tests.differential.case import Case
from tests.fast.twins import cases_of, check_case, check_twin, fast_twin, only_node, twin_of
from tests.ops.movement import Constant, Input, op_model

OPS = ("ABS", "ELU", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "RELU", "RELU6", "TANH")
CASES = cases_of("QUANTIZE", *OPS)
TABULATED = [c for c in CASES if "int8" in c.types.split(" -> ")[0]]
FAR_OUT = [c for c in CASES if c.types.startswith("int32")]
EDGES = (1, 255, 256, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7)


def relu(elements: int, dtype: str = "int8", ratio: float = 0.7, zero: int = 3) -> PreparedNode:
    """A RELU that rescales by 1 / ratio; with 1 it is a clamp."""
    x, out = (Input((elements,), dtype, s, zero) for s in (0.1, 0.1 * ratio))
    return only_node(op_model("RELU", [x], [out]))


def int16(scale: float, zero: int) -> Input:
    return Input((FEW_INT16,), "int16", scale, zero)


def inputs_of(node: PreparedNode, samples: tuple[int, ...] = ()) -> np.ndarray:
    """Every element of the input's type over and over, in a random order."""
    tensor = node.node.input(0)
    values = np.resize(every(tensor.dtype), (*samples, *tensor.shape))
    np.random.default_rng(1).shuffle(values.reshape(-1))
    return values


@pytest.mark.parametrize("case", TABULATED, ids=lambda case: case.name)
def test_random_models(case: Case) -> None:
    seen = check_case(case)
    assert seen["twins"] == 20, seen


@pytest.mark.parametrize("elements", EDGES)
@pytest.mark.parametrize("ratio", [0.7, 1.0])
def test_every_input_at_the_edges_of_blocks(elements: int, ratio: float) -> None:
    node = relu(elements, ratio=ratio)
    twin = fast_twin(node)
    assert ("clamp" in twin.how) == (ratio == 1.0)
    for shift in (0, 1):
        check_twin(node, twin, [inputs_of(node)], shift=shift)
        check_twin(node, twin, [inputs_of(node, (3,))], shift=shift)


@pytest.mark.parametrize(
    ("op", "out", "how"),
    [
        ("RELU6", Input((300,), "int8", 0.05, -128), "clamp to -128..-8"),
        ("ABS", Input((300,), "int8", 0.05, -128), "clamp to -128..127"),
        ("QUANTIZE", Input((300,), "int8", 0.05, -128), "clamp to -128..127"),
        ("QUANTIZE", Input((300,), "uint8", 0.05, 0), "offset"),
        ("QUANTIZE", Input((300,), "int8", 0.06, -128), "table of all 256"),
        ("QUANTIZE", Input((300,), "int16", 0.05, -128), "table of all 256"),
        ("QUANTIZE", Input((300,), "int32", 0.05, -128), "table of all 256"),
    ],
)
def test_the_simplest_form_is_taken(op: str, out: Input, how: str) -> None:
    node = only_node(op_model(op, [Input((300,), "int8", 0.05, -128)], [out]))
    twin = fast_twin(node)
    assert twin.how.startswith(how)
    check_twin(node, twin, [inputs_of(node)], shift=1)


def test_an_offset_that_saturates_is_none() -> None:
    x, out = Input((9,), "int8", 0.05, -128), Input((9,), "int8", 0.05, -127)
    assert fast_twin(only_node(op_model("QUANTIZE", [x], [out]))).how.startswith("table")


@pytest.mark.parametrize("low", [-128, -127, 0, 126])
@pytest.mark.parametrize("high", [127, 126, 0, -127, -128])
def test_every_clamp(low: int, high: int) -> None:
    inputs = every(np.dtype(np.int8))
    outputs = np.minimum(np.maximum(inputs, np.int8(low)), np.int8(high))
    have = np.full_like(outputs, 99)
    for call in simplest(inputs, outputs).bind(Arrays((inputs,), (have,)), Workspace()):
        call()
    np.testing.assert_array_equal(have, outputs)


@pytest.mark.parametrize("form", ["clamp", "offset"])
@pytest.mark.parametrize("wrong", [0, 100, 255])
def test_one_wrong_output_of_256_makes_it_a_table(form: str, wrong: int) -> None:
    inputs = every(np.dtype(np.int8))
    outputs = np.clip(inputs, -100, 90) if form == "clamp" else inputs + np.int8(5)
    assert simplest(inputs, outputs).how.startswith(form)
    outputs = outputs.copy()
    outputs[wrong] ^= 1
    assert simplest(inputs, outputs).how.startswith("table")


@pytest.mark.parametrize(
    ("op", "x", "out"),
    [
        ("RELU", int16(0.001, 0), int16(0.0013, 0)),
        ("RELU6", int16(0.001, 0), int16(0.001, 0)),
        (
            "LOGISTIC",
            int16(3e-4, 0),
            int16(2**-15, 0),
        ),
        ("TANH", int16(2**-12, 0), int16(2**-15, 0)),
        ("ABS", int16(0.01, 0), int16(0.004, 0)),
        ("QUANTIZE", int16(0.01, 7), Input((FEW_INT16,), "int8", 2.0, -5)),
        ("QUANTIZE", int16(0.01, 7), Input((FEW_INT16,), "int32", 1e-4, 0)),
    ],
)
def test_every_int16(op: str, x: Input, out: Input) -> None:
    """In a batch of 256 samples of 256 elements there is every input."""
    node = only_node(op_model(op, [x], [out]))
    twin = fast_twin(node)
    check_twin(node, twin, [inputs_of(node, (256,))])
    check_twin(node, twin, [inputs_of(node)], shift=1)


def test_few_int16_are_left_to_the_plain_kernel() -> None:
    assert twin_of(relu(FEW_INT16 - 1, "int16", zero=0)) == (
        f"a table of every int16 for only {FEW_INT16 - 1} elements"
    )


@pytest.mark.parametrize("case", FAR_OUT, ids=lambda case: case.name)
def test_int32_is_left_to_the_plain_kernel(case: Case) -> None:
    assert check_case(case, 3) == {"a table of every int32 is too long": 3}


def test_inputs_that_stop_the_invoke_are_left_to_the_plain_kernel() -> None:
    """RSQRT below the zero point is an error; with the least zero point there is no such input."""
    out = Input((64,), "int8", 0.1, 0)
    with_errors = only_node(op_model("RSQRT", [Input((64,), "int8", 0.1, -127)], [out]))
    assert twin_of(with_errors) == "some inputs end the invoke with an error"
    without = only_node(op_model("RSQRT", [Input((64,), "int8", 0.1, -128)], [out]))
    check_twin(without, fast_twin(without), [inputs_of(without, (4,))])


def test_a_constant_input_is_left_to_the_plain_kernel() -> None:
    x = Constant(np.arange(8, dtype=np.int8), 0.1, 3)
    node = only_node(op_model("RELU", [x], [Input((8,), "int8", 0.07, 3)]))
    assert choose(node.node, node.kernel) == "its input is constant"
