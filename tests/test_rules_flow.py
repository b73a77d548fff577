"""Rules about what ops refer to, read and write: each bound, and every finding word for word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tflite import BuiltinOperator

from microinterp.model import Model
from microinterp.rules import dataflow, operators
from tests.verify_cases import sound_model, told

CONSTANT, EMPTY = 1, 0  # buffers of the sound model with and without contents

Op = tuple[Sequence[int], Sequence[int]]


def model_of(*ops: Op, inputs: Sequence[int] = (), outputs: Sequence[int] = ()) -> Model:
    """Tensors t0 to t4 without contents, t5 a constant; FULLY_CONNECTED ops as given."""
    model = sound_model()
    (graph,) = model.subgraphs
    (op,), x = graph.operators, graph.tensors[0]
    buffers = [EMPTY] * 5 + [CONSTANT]
    return replace(
        model,
        subgraphs=(
            replace(
                graph,
                tensors=tuple(
                    replace(x, index=i, name=f"t{i}", buffer=b) for i, b in enumerate(buffers)
                ),
                operators=tuple(replace(op, inputs=tuple(i), outputs=tuple(o)) for i, o in ops),
                inputs=tuple(inputs),
                outputs=tuple(outputs),
            ),
        ),
    )


def with_fields(model: Model, index: int, **fields: Any) -> Model:
    """The model with some fields of a tensor changed."""
    (graph,) = model.subgraphs
    tensors = list(graph.tensors)
    tensors[index] = replace(tensors[index], **fields)
    return replace(model, subgraphs=(replace(graph, tensors=tuple(tensors)),))


def with_code(model: Model, code: int) -> Model:
    entry = replace(model.operator_codes[0], code=code, custom_code="mine")
    return replace(model, operator_codes=(entry,))


def both(model: Model, second: Model) -> Model:
    """The subgraph of another model as a second one."""
    return replace(model, subgraphs=(*model.subgraphs, replace(second.subgraphs[0], index=1)))


FC = "FULLY_CONNECTED"


def test_operator_codes_that_do_not_exist() -> None:
    model = model_of(([], []), ([], []))
    (graph,) = model.subgraphs
    for number in (1, 2, 300):
        ops = (graph.operators[0], replace(graph.operators[1], opcode_index=number))
        changed = replace(model, subgraphs=(replace(graph, operators=ops),))
        assert told(operators.operator_codes_exist, changed) == [
            f"error: op 1 operator code {number}: refers to operator code {number}, the file has 1"
        ]
    assert told(operators.operator_codes_exist, model) == []


@pytest.mark.parametrize("index", [-3, -2, 6, 7, 300])
def test_tensors_of_an_op_that_do_not_exist(index: int) -> None:
    model = model_of(([0, index], [1, index]), inputs=[0])
    (graph,) = model.subgraphs
    op = replace(graph.operators[0], intermediates=(0, index))
    model = replace(model, subgraphs=(replace(graph, operators=(op,)),))
    assert told(operators.op_tensors_exist, model) == [
        f"error: op 0 {FC}, {role} 1, tensor {index}: no such tensor: the subgraph has 6"
        for role in ("input", "output", "intermediate")
    ]
    for rule in (dataflow.written_before_read, dataflow.outputs_writable):
        assert told(rule, model) == []


def test_the_first_and_the_last_tensor_exist_and_inputs_may_be_left_out() -> None:
    model = model_of(([-1, 0, 5], [0, 5]))
    (graph,) = model.subgraphs
    op = replace(graph.operators[0], intermediates=(0, 5))
    model = replace(model, subgraphs=(replace(graph, operators=(op,)),))
    assert told(operators.op_tensors_exist, model) == []


def test_only_inputs_may_be_left_out() -> None:
    model = model_of(([], [-1]))
    (graph,) = model.subgraphs
    op = replace(graph.operators[0], intermediates=(-1,))
    model = replace(model, subgraphs=(replace(graph, operators=(op,)),))
    assert told(operators.op_tensors_exist, model) == [
        f"error: op 0 {FC}, {role} 0, tensor -1: no such tensor: the subgraph has 6"
        for role in ("output", "intermediate")
    ]


@pytest.mark.parametrize("index", [-2, -1, 6, 7, 300])
def test_inputs_and_outputs_of_a_subgraph_that_do_not_exist(index: int) -> None:
    model = model_of(inputs=[0, 5, index], outputs=[0, 5, index])
    assert told(operators.subgraph_tensors_exist, model) == [
        f"error: subgraph {role} 2, tensor {index}: no such tensor: the subgraph has 6"
        for role in ("input", "output")
    ]
    assert told(operators.model_tensor_names_differ, model) == []
    assert told(dataflow.inputs_not_constant, model_of(inputs=[index])) == []
    assert told(dataflow.outputs_written, model_of(outputs=[index])) == []


def test_each_repetition_of_an_input_or_output_is_told() -> None:
    model = model_of(inputs=[1, 0, 1, 1], outputs=[2, 2, 0, 0])
    again = "the tensor is already an earlier"
    assert told(operators.subgraph_tensors_differ, model) == [
        f"error: subgraph input 2, tensor 1 't1': {again} input",
        f"error: subgraph input 3, tensor 1 't1': {again} input",
        f"warning: subgraph output 1, tensor 2 't2': {again} output",
        f"warning: subgraph output 3, tensor 0 't0': {again} output",
    ]
    assert told(operators.subgraph_tensors_differ, model_of(inputs=[0, 1], outputs=[0, 1])) == []


def test_names_of_the_main_subgraphs_inputs_and_outputs_differ() -> None:
    rule = operators.model_tensor_names_differ
    model = with_fields(model_of(inputs=[0, 3], outputs=[3, 0]), 3, name="t0")
    assert told(rule, model) == [
        "error: input, tensor 3 't0': tensor 0, also an input, has the same name",
        "error: output, tensor 0 't0': tensor 3, also an output, has the same name",
    ]
    assert told(rule, with_fields(model_of(inputs=[0], outputs=[3]), 3, name="t0")) == []
    assert told(rule, both(model_of(inputs=[0, 1]), model)) == []
    late = model_of(inputs=[-1, 6, 300, 3, 0])
    assert told(rule, with_fields(late, 3, name="t0")) == [
        "error: input, tensor 0 't0': tensor 3, also an input, has the same name"
    ]


def test_tensors_without_a_name_and_the_same_tensor_twice_have_no_name_in_common() -> None:
    rule = operators.model_tensor_names_differ
    model = with_fields(with_fields(model_of(inputs=[0, 3]), 0, name=""), 3, name="")
    assert told(rule, model) == []
    (graph,) = model.subgraphs
    many = tuple(replace(graph.tensors[0], index=i, name=f"n{i}") for i in range(1001))
    for twice in ((0, 0), (1000, int("1000"))):
        graph = replace(graph, tensors=many, inputs=twice)
        assert told(rule, replace(model, subgraphs=(graph,))) == []


def test_constants_among_the_inputs() -> None:
    text = "a constant cannot be an input of the subgraph"
    model = both(model_of(inputs=[0, 5, 4, 5]), model_of(inputs=[5]))
    assert told(dataflow.inputs_not_constant, model) == [
        f"error: subgraph input 1, tensor 5 't5': {text}",
        f"error: subgraph input 3, tensor 5 't5': {text}",
        f"error: subgraph 1, subgraph input 0, tensor 5 't5': {text}",
    ]


def test_a_tensor_whose_buffer_does_not_exist_is_no_constant() -> None:
    for number in (4, 5, 300):
        model = with_fields(model_of(inputs=[5]), 5, buffer=number)
        assert told(dataflow.inputs_not_constant, model) == []


def test_ops_that_write_constants_and_inputs() -> None:
    model = model_of(([0], [1, 5]), ([1], [0]), ([1], [5, 0, 2]), inputs=[0])
    assert told(dataflow.outputs_writable, model) == [
        f"error: op 0 {FC}, output 1, tensor 5 't5': the op writes a constant",
        f"error: op 1 {FC}, output 0, tensor 0 't0': the op writes an input of the subgraph",
        f"error: op 2 {FC}, output 0, tensor 5 't5': the op writes a constant",
        f"error: op 2 {FC}, output 1, tensor 0 't0': the op writes an input of the subgraph",
    ]


def test_later_writers_are_told_with_the_first() -> None:
    model = model_of(([], [4]), ([], [2, 1]), ([], [0, 1]), ([], [1]))
    assert told(dataflow.one_writer, model) == [
        f"error: op 2 {FC}, output 1, tensor 1 't1': op 1 writes this tensor too",
        f"error: op 3 {FC}, output 0, tensor 1 't1': op 1 writes this tensor too",
    ]
    assert told(dataflow.one_writer, with_fields(model, 1, is_variable=True)) == []
    assert told(dataflow.one_writer, both(model_of(([], [1])), model_of(([], [1])))) == []


UNWRITTEN = "the op reads a tensor that nothing has written before it"


def test_what_is_read_too_early_is_told_once() -> None:
    model = model_of(([4, 0, 0], [1]), ([1, 0, 2], [2]), ([2, 5, -1], [3]), inputs=[4])
    assert told(dataflow.written_before_read, model) == [
        f"error: op 0 {FC}, input 1, tensor 0 't0': {UNWRITTEN}",
        f"error: op 1 {FC}, input 2, tensor 2 't2': {UNWRITTEN}",
    ]


def test_a_constant_that_is_an_input_too_needs_no_writer() -> None:
    """That it is both is told by another rule."""
    model = model_of(([5], [1]), inputs=[5], outputs=[5])
    assert told(dataflow.written_before_read, model) == []
    assert told(dataflow.outputs_written, model) == []


def test_what_another_subgraph_wrote_is_not_written_here() -> None:
    model = both(model_of(([5], [1])), model_of(([1], [2])))
    assert told(dataflow.written_before_read, model) == [
        f"error: subgraph 1, op 0 {FC}, input 0, tensor 1 't1': {UNWRITTEN}"
    ]


@pytest.mark.parametrize(
    ("fields", "is_ready"),
    [
        ({"shape": (0,)}, True),
        ({"shape": (2, 0)}, True),
        ({"is_variable": True}, True),
        ({"buffer": CONSTANT}, True),
        ({"shape": ()}, False),
        ({"shape": None}, False),
        ({"shape": (1,)}, False),
        ({"shape": (-1,)}, False),
        ({"shape": (2**31,)}, False),
    ],
)
def test_tensors_that_need_no_writer(fields: dict[str, Any], is_ready: bool) -> None:
    reads = with_fields(model_of(([2], [3])), 2, **fields)
    text = f"error: op 0 {FC}, input 0, tensor 2 't2': {UNWRITTEN}"
    assert told(dataflow.written_before_read, reads) == ([] if is_ready else [text])
    hands_out = with_fields(model_of(outputs=[2]), 2, **fields)
    text = "error: subgraph output 0, tensor 2 't2': nothing writes this output"
    assert told(dataflow.outputs_written, hands_out) == ([] if is_ready else [text])


@pytest.mark.parametrize(
    ("code", "severity"),
    [
        (BuiltinOperator.CUSTOM, "warning"),
        (BuiltinOperator.CUSTOM - 1, "error"),
        (BuiltinOperator.CUSTOM + 1, "error"),
        (BuiltinOperator.ADD, "error"),
        (BuiltinOperator.GELU, "error"),
    ],
)
def test_only_custom_ops_may_have_scratch_among_their_inputs(code: int, severity: str) -> None:
    model = with_code(model_of(([2], [3])), code)
    assert told(dataflow.written_before_read, model) == [
        f"{severity}: op 0 mine, input 0, tensor 2 't2': {UNWRITTEN}"
    ]


def test_outputs_that_nothing_writes() -> None:
    model = model_of(([4], [1]), ([1], [3]), inputs=[4], outputs=[0, 3, 1, 5, 4, 2])
    assert told(dataflow.outputs_written, model) == [
        "error: subgraph output 0, tensor 0 't0': nothing writes this output",
        "error: subgraph output 5, tensor 2 't2': nothing writes this output",
    ]
