"""Rules about numbers that refer to something: operator codes and tensors."""

from __future__ import annotations

from collections.abc import Iterator

from microinterp.errors import Problem, Where
from microinterp.model import Model
from microinterp.rules.common import OMITTED, error, operators, role_where, tensor_where, warning


def operator_codes_exist(model: Model) -> Iterator[Problem]:
    """Every op refers to an operator code of the file."""
    count = len(model.operator_codes)
    for _, op, where in operators(model):
        if op.opcode_index >= count:
            yield error(f"refers to operator code {op.opcode_index}, the file has {count}", where)


def op_tensors_exist(model: Model) -> Iterator[Problem]:
    """What an op reads and writes are tensors of its subgraph; an input may be left out (-1)."""
    for subgraph, op, where in operators(model):
        count = len(subgraph.tensors)
        for role, indices in (
            ("input", op.inputs),
            ("output", op.outputs),
            ("intermediate", op.intermediates),
        ):
            least = OMITTED if role == "input" else 0
            for position, index in enumerate(indices):
                if not least <= index < count:
                    place = role_where(subgraph, index, where, f"{role} {position}")
                    yield error(f"no such tensor: the subgraph has {count}", place)


def subgraph_tensors_exist(model: Model) -> Iterator[Problem]:
    """Inputs and outputs of a subgraph are tensors of it."""
    for subgraph in model.subgraphs:
        count = len(subgraph.tensors)
        for role, indices in (("input", subgraph.inputs), ("output", subgraph.outputs)):
            for position, index in enumerate(indices):
                if not 0 <= index < count:
                    place = tensor_where(subgraph, index, role=f"subgraph {role} {position}")
                    yield error(f"no such tensor: the subgraph has {count}", place)


def subgraph_tensors_differ(model: Model) -> Iterator[Problem]:
    """No tensor is an input of its subgraph twice; one that is an output twice is suspect."""
    for subgraph in model.subgraphs:
        for role, indices, report in (
            ("input", subgraph.inputs, error),
            ("output", subgraph.outputs, warning),
        ):
            seen: set[int] = set()
            for position, index in enumerate(indices):
                if index in seen:
                    place = tensor_where(subgraph, index, role=f"subgraph {role} {position}")
                    yield report(f"the tensor is already an earlier {role}", place)
                seen.add(index)


def model_tensor_names_differ(model: Model) -> Iterator[Problem]:
    """Different inputs of the main subgraph have different names, and so do its outputs."""
    for subgraph in model.subgraphs[:1]:
        for role, indices in (("input", subgraph.inputs), ("output", subgraph.outputs)):
            names: dict[str, int] = {}
            for index in indices:
                if not 0 <= index < len(subgraph.tensors):
                    continue
                name = subgraph.tensors[index].name
                if name and names.setdefault(name, index) != index:
                    place: Where = tensor_where(subgraph, index, role=role)
                    yield error(f"tensor {names[name]}, also an {role}, has the same name", place)
