"""What several rules need: findings, places, and safe ways to look things up in a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tflite import BuiltinOperator

from microinterp.errors import NOWHERE, Problem, Where
from microinterp.model import FileTensor, Model, Operator, SubGraph

Rule = Callable[[Model], Iterator[Problem]]

INT32_MAX = 2**31 - 1
OMITTED = -1  # number of an optional input that is left out
BUILTIN_NAMES = {
    code: name for name, code in vars(BuiltinOperator).items() if not name.startswith("_")
}


def error(message: str, where: Where = NOWHERE, hint: str = "") -> Problem:
    """A finding that makes the model unusable; verify fills in the rule's name."""
    return Problem("", message, where, hint)


def warning(message: str, where: Where = NOWHERE, hint: str = "") -> Problem:
    """A finding that does not stop the model from running; verify fills in the rule's name."""
    return Problem("", message, where, hint, "warning")


def tensors(model: Model) -> Iterator[tuple[FileTensor, Where]]:
    """Every tensor of every subgraph, with its place."""
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            yield tensor, tensor_where(subgraph, tensor.index)


def operators(model: Model) -> Iterator[tuple[SubGraph, Operator, Where]]:
    """Every op of every subgraph, with its place."""
    for subgraph in model.subgraphs:
        for index, op in enumerate(subgraph.operators):
            yield subgraph, op, op_where(model, subgraph, index)


def tensor_where(subgraph: SubGraph, index: int, **fields: Any) -> Where:
    """Place of tensor `index` (which may not exist), with more fields of Where."""
    known = 0 <= index < len(subgraph.tensors)
    name = subgraph.tensors[index].name if known else None
    return Where(subgraph.index, tensor_index=index, tensor_name=name, **fields)


def op_where(model: Model, subgraph: SubGraph, index: int) -> Where:
    """Place of op `index`."""
    return Where(subgraph.index, index, op_name(model, subgraph.operators[index]))


def role_where(subgraph: SubGraph, index: int, op: Where, role: str) -> Where:
    """Place of tensor `index` in the given role of the op at `op`."""
    return tensor_where(subgraph, index, op_index=op.op_index, op_name=op.op_name, role=role)


def op_name(model: Model, op: Operator) -> str:
    """Name of the op's kind, also where its operator code does not exist."""
    if op.opcode_index >= len(model.operator_codes):
        return f"operator code {op.opcode_index}"
    code = model.operator_codes[op.opcode_index]
    return code.custom_code or BUILTIN_NAMES.get(code.code, f"BUILTIN_{code.code}")


def op_code(model: Model, op: Operator) -> int:
    """Builtin operator number of the op's kind, -1 where its operator code does not exist."""
    known = op.opcode_index < len(model.operator_codes)
    return model.operator_codes[op.opcode_index].code if known else -1


def is_constant(model: Model, tensor: FileTensor) -> bool:
    """True if the file holds the tensor's contents."""
    known = tensor.buffer < len(model.buffers)
    return known and model.buffers[tensor.buffer] is not None


def elements(tensor: FileTensor) -> int | None:
    """Number of elements, None where the shape breaks the rule for shapes."""
    shape = tensor.shape or ()
    if any(size < 0 for size in shape):
        return None
    count = 0 if 0 in shape else 1
    for size in shape:
        count *= size
        if count > INT32_MAX:  # no further: a file can hold shapes of a million dimensions
            return None
    return count
