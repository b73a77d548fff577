"""in-place: who may write over an input, and that each elementwise kernel stands it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from microinterp.arena.plan import plan_pieces
from microinterp.errors import MicrointerpError
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from microinterp.passes.crop import ELEMENTWISE
from microinterp.passes.in_place import in_place
from microinterp.prepare import Prepared
from tests.passes.checking import (
    check_pieces,
    prepared_of,
    samples_for,
    usual_outputs,
)
from tests.passes.nets import ImageNet

SIZE = (6, 5, 4)
BYTES = 6 * 5 * 4
TYPES = ("int8", "uint8", "int16", "int32", "float32")


def replaced(prepared: Prepared) -> list[int | None]:
    """For each op the input that its output takes the place of."""
    return [item.in_place for item in prepared.subgraphs[0]]


def checked(data: bytes) -> Prepared:
    """The model after the pass; its outputs are as they were."""
    made, samples = in_place(prepared_of(data)), samples_for(data, 4)
    check_pieces(made, samples, usual_outputs(data, samples))
    return made


def test_a_chain_lives_in_one_buffer() -> None:
    """And that is the model's input: 120 bytes, 128 aligned."""
    net = ImageNet(SIZE)
    for _ in range(4):
        net.relu()
    made = checked(net.finish())
    assert replaced(made) == [0, 0, 0, 0]
    assert plan_pieces(made).head_bytes == 128


def test_a_tensor_added_to_itself() -> None:
    net = ImageNet(SIZE)
    net.add(net.at)
    net.add(net.at)
    assert replaced(checked(net.finish())) == [0, 0]


def test_an_input_that_is_read_later_stays() -> None:
    """x is read by the last op: the first one may not write over it, the last one may."""
    net = ImageNet(SIZE)
    net.relu()
    net.made("LEAKY_RELU", [net.at], net.size, alpha=0.3)
    net.add(0)
    assert replaced(checked(net.finish())) == [None, 0, 0]


def test_the_other_operand_is_taken_where_the_first_is_needed() -> None:
    net = ImageNet(SIZE)
    first = net.relu()
    second = net.made("LEAKY_RELU", [first], net.size, alpha=0.3)
    net.made("ADD", [first, second], net.size)
    net.made("MUL", [first, net.at], net.size)
    made = checked(net.finish(first))
    assert replaced(made) == [0, None, 1, 1]


def test_outputs_of_the_model_are_not_written_over() -> None:
    net = ImageNet(SIZE)
    first = net.relu()
    net.made("LEAKY_RELU", [net.at], net.size, alpha=0.3)
    assert replaced(checked(net.finish(first))) == [0, None]


def test_an_input_that_is_an_output_too_is_not_written_over() -> None:
    net = ImageNet(SIZE)
    net.relu()
    assert replaced(checked(net.finish(0))) == [None]


def test_operands_that_broadcast() -> None:
    """The output takes the place of the operand that is as large as it, never of the row."""
    net = ImageNet(SIZE)
    whole = net.conv(4, 3)
    row = net.made("MAX_POOL_2D", [whole], (1, 1, 4), **pool_options(6, 5))
    net.made("MUL", [row, whole], SIZE)
    assert replaced(checked(net.finish()))[2:] == [1]


def pool_options(rows: int, columns: int) -> dict[str, Any]:
    """Of a pool over everything."""
    sides = {"filter_height": rows, "filter_width": columns}
    return {"padding": "VALID", "stride_h": 1, "stride_w": 1, **sides}


def converted(source: dict[str, Any], target: dict[str, Any], op: str) -> bytes:
    """x -> op -> y, of two types."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, *SIZE), **source)
    y = g.tensor("y", (1, *SIZE), **target)
    g.op(op, [x], [y])
    g.output(y)
    return b.finish()


INT8 = {"dtype": "int8", "scale": 0.05, "zero_point": 3}
INT16 = {"dtype": "int16", "scale": 0.001, "zero_point": 0}
FLOAT = {"dtype": "float32"}


@pytest.mark.parametrize(
    ("source", "target", "op", "fits"),
    [
        (INT8, FLOAT, "DEQUANTIZE", False),
        (INT16, FLOAT, "DEQUANTIZE", False),
        (INT8, INT16, "QUANTIZE", False),
        (FLOAT, INT8, "QUANTIZE", True),
        (FLOAT, INT16, "QUANTIZE", True),
        (INT16, INT8, "QUANTIZE", True),
        (INT8, INT8 | {"scale": 0.07}, "QUANTIZE", True),
    ],
    ids=lambda value: value["dtype"] if isinstance(value, dict) else str(value),
)
def test_elements_may_shrink_but_not_grow(
    source: dict[str, Any], target: dict[str, Any], op: str, fits: bool
) -> None:
    made = checked(converted(source, target, op))
    assert replaced(made) == [0 if fits else None]
    if fits:
        widest = max(t.nbytes for t in made.graph.main.tensors)
        assert plan_pieces(made).head_bytes == -(-widest // 16) * 16


def test_an_elementwise_op_behind_one_that_shrank() -> None:
    """float32 -> int8 -> int8 -> int16: the last one is larger than the int8s, and goes elsewhere.

    The buffer has the room (it was float32), but elements would be written over unread ones.
    """
    b = ModelBuilder()
    g = b.subgraph("main")
    kinds = (FLOAT, INT8, INT8, INT16)
    tensors = [g.input("x", (1, *SIZE), **FLOAT)]
    for i, kind in enumerate(kinds[1:]):
        tensors.append(g.tensor(f"t{i}", (1, *SIZE), **kind))
        g.op("RELU" if i == 1 else "QUANTIZE", tensors[-2:-1], tensors[-1:])
    g.output(tensors[-1])
    assert replaced(checked(b.finish())) == [0, 0, None]


def reshapes(last: str) -> bytes:
    """Shapes change in a chain of one buffer, with an op between that computes."""
    b = ModelBuilder()
    g = b.subgraph("main")
    numbers = {"dtype": "int8", "scale": 0.05, "zero_point": 3}
    x = g.input("x", (1, 6, 5, 4), **numbers)
    shapes = [(1, 30, 4), (1, 1, 30, 4), (30, 4)]
    tensors = [g.tensor(f"t{i}", shape, **numbers) for i, shape in enumerate(shapes)]
    g.op("RESHAPE", [x], [tensors[0]], new_shape=list(shapes[0]))
    g.op("EXPAND_DIMS", [tensors[0], g.constant("axis", np.array([1], np.int32))], [tensors[1]])
    g.op("SQUEEZE", [tensors[1]], [tensors[2]], squeeze_dims=[0, 1])
    y = g.tensor("y", (30, 4), **numbers)
    g.op(last, [tensors[2]], [y])
    g.output(y)
    return b.finish()


def test_reshapes_in_a_chain() -> None:
    made = checked(reshapes("RELU"))
    assert replaced(made) == [0, 0, 0, 0]
    assert plan_pieces(made).head_bytes == 128


def test_a_reshape_whose_input_is_needed_is_a_copy() -> None:
    net = ImageNet(SIZE)
    start = net.conv(4)
    flat = net.made("RESHAPE", [start], (30, 1, 4), new_shape=[1, 30, 1, 4])
    back = net.made("RESHAPE", [flat], SIZE, new_shape=[1, *SIZE])
    net.made("ADD", [back, start], SIZE)
    assert replaced(checked(net.finish())) == [None, None, 0, 0]


def test_a_shape_that_is_computed_is_not_taken_for_data() -> None:
    """RESHAPE's second input has four int32, its output four int8, which would fit there."""
    b = ModelBuilder()
    g = b.subgraph("main")
    numbers = {"dtype": "int8", "scale": 0.05, "zero_point": 3}
    x = g.input("x", (2, 2), **numbers)
    shape = g.input("shape", (4,), "int32")
    y, z = g.tensor("y", (1, 1, 2, 2), **numbers), g.tensor("z", (2, 2), **numbers)
    g.op("RESHAPE", [x, shape], [y], new_shape=[1, 1, 2, 2])
    g.op("RELU", [x], [z])
    g.output(y)
    g.output(z)
    data = b.finish()
    assert replaced(in_place(prepared_of(data))) == [None, 0]


def elementwise_model(op: str, dtype: str) -> bytes:
    """The op over one computed tensor, or two; all elements vary."""
    b = ModelBuilder()
    g = b.subgraph("main")
    numbers: dict[str, Any] = {
        "int8": {"scale": 0.05, "zero_point": 3},
        "uint8": {"scale": 0.05, "zero_point": 130},
        "int16": {"scale": 0.001, "zero_point": 0},
    }.get(dtype, {})
    out_numbers = dict(numbers)
    if op in ("LOGISTIC", "TANH") and numbers:
        bits = 16 if dtype == "int16" else 8
        steps = 1 << (bits - (op == "TANH" or dtype == "int16"))
        is_low = op == "LOGISTIC" and dtype == "int8"
        out_numbers = {"scale": 1 / steps, "zero_point": -128 if is_low else 0}
    out_type = {"DEQUANTIZE": "float32"}.get(op, dtype)
    is_binary = op in {"ADD", "MUL", "SUB", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"}
    inputs = [g.input(f"x{i}", (1, *SIZE), dtype, **numbers) for i in range(1 + is_binary)]
    y = g.tensor("y", (1, *SIZE), out_type, **(out_numbers if out_type == dtype else {}))
    g.op(op, inputs, [y])
    g.output(y)
    return b.finish()


def _is_supported(op: str, dtype: str) -> bool:
    try:
        return bool(prepare_model(elementwise_model(op, dtype)))
    except MicrointerpError:
        return False


KERNELS = [(op, d) for op in sorted(ELEMENTWISE) for d in TYPES if _is_supported(op, d)]


def test_every_elementwise_operator_has_a_case() -> None:
    assert {op for op, _ in KERNELS} == ELEMENTWISE
    assert len(KERNELS) == 52


@pytest.mark.parametrize("kernels", ["auto", "plain"])
@pytest.mark.parametrize(("op", "dtype"), KERNELS)
def test_each_kernel_reads_an_element_before_it_writes_it(
    op: str, dtype: str, kernels: str
) -> None:
    """Over every input, whichever way its twin or its plain kernel goes through the elements."""
    data = elementwise_model(op, dtype)
    prepared = prepare_model(data, kernels=kernels)
    samples = samples_for(data, 3)
    wanted = usual_outputs(data, samples)
    made = in_place(prepared)
    assert replaced(made) == [None if op == "DEQUANTIZE" and dtype != "float32" else 0]
    check_pieces(made, samples, wanted)
    assert len({output for outputs in wanted for output in outputs}) == 3
