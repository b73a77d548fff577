"""Rules about who writes a tensor and who reads it, in execution order."""

from __future__ import annotations

from collections.abc import Iterator

from tflite import BuiltinOperator

from microinterp.errors import Problem
from microinterp.model import Model, SubGraph
from microinterp.rules.common import (
    elements,
    error,
    is_constant,
    op_code,
    op_where,
    role_where,
    tensor_where,
    warning,
)


def inputs_not_constant(model: Model) -> Iterator[Problem]:
    """An input of a subgraph has no contents in the file."""
    for subgraph in model.subgraphs:
        constants = _constants(model, subgraph)
        for position, index in enumerate(subgraph.inputs):
            if index in constants:
                place = tensor_where(subgraph, index, role=f"subgraph input {position}")
                yield error("a constant cannot be an input of the subgraph", place)


def outputs_writable(model: Model) -> Iterator[Problem]:
    """No op writes a constant or an input of its subgraph."""
    for subgraph in model.subgraphs:
        constants, inputs = _constants(model, subgraph), set(subgraph.inputs)
        for number, op in enumerate(subgraph.operators):
            for position, index in enumerate(op.outputs):
                if index not in constants and index not in inputs:
                    continue
                where = op_where(model, subgraph, number)
                place = role_where(subgraph, index, where, f"output {position}")
                what = "a constant" if index in constants else "an input of the subgraph"
                yield error(f"the op writes {what}", place)


def one_writer(model: Model) -> Iterator[Problem]:
    """Only one op of a subgraph writes a tensor, unless it is a variable."""
    for subgraph in model.subgraphs:
        writers: dict[int, int] = {}
        variables = {t.index for t in subgraph.tensors if t.is_variable}
        for number, op in enumerate(subgraph.operators):
            for position, index in enumerate(op.outputs):
                if index in writers and index not in variables:
                    where = op_where(model, subgraph, number)
                    place = role_where(subgraph, index, where, f"output {position}")
                    yield error(f"op {writers[index]} writes this tensor too", place)
                writers.setdefault(index, number)


def written_before_read(model: Model) -> Iterator[Problem]:
    """What an op reads is a constant, a variable, an input, or written by an op before it.

    A custom op may have scratch memory among its inputs (as Ethos-U has), so there it is a warning.
    """
    for subgraph in model.subgraphs:
        ready = _ready_at_start(model, subgraph)
        count = len(subgraph.tensors)
        for number, op in enumerate(subgraph.operators):
            for position, index in enumerate(op.inputs):
                if 0 <= index < count and index not in ready:
                    where = op_where(model, subgraph, number)
                    place = role_where(subgraph, index, where, f"input {position}")
                    is_custom = op_code(model, op) == BuiltinOperator.CUSTOM
                    report = warning if is_custom else error
                    yield report("the op reads a tensor that nothing has written before it", place)
                    ready.add(index)  # tell it once
            ready.update(op.outputs)


def outputs_written(model: Model) -> Iterator[Problem]:
    """An output of a subgraph is a constant, a variable, an input, or written by an op."""
    for subgraph in model.subgraphs:
        ready = _ready_at_start(model, subgraph)
        ready.update(index for op in subgraph.operators for index in op.outputs)
        for position, index in enumerate(subgraph.outputs):
            if 0 <= index < len(subgraph.tensors) and index not in ready:
                place = tensor_where(subgraph, index, role=f"subgraph output {position}")
                yield error("nothing writes this output", place)


def _constants(model: Model, subgraph: SubGraph) -> set[int]:
    return {tensor.index for tensor in subgraph.tensors if is_constant(model, tensor)}


def _ready_at_start(model: Model, subgraph: SubGraph) -> set[int]:
    """Tensors that need no writer. One without elements needs none either (a scalar's shape)."""
    ready = _constants(model, subgraph) | set(subgraph.inputs)
    ready.update(t.index for t in subgraph.tensors if t.is_variable or elements(t) == 0)
    return ready
