"""IF, WHILE, CALL_ONCE: run other subgraphs.

IF and WHILE copy tensors, as bytes, into the subgraph's inputs and from its outputs. CALL_ONCE
copies nothing: its subgraph fills resource variables at the first invoke and then never again; a
reset does not make it run again, so that variables keep their zero point from then on. A WHILE
whose condition stays true runs for ever, as on the chip; Ctrl-C ends it. An op in the subgraph that
aborts (CIRCULAR_BUFFER) aborts the op here, and so the subgraph around it.
Source: TFLM kernels/if.cc, while.cc, call_once.cc and kernel_util.cc.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy.typing as npt
import tflite

from microinterp.errors import UnsupportedError
from microinterp.graph import Node, Subgraph, Tensor
from microinterp.kernels.common import bytes_of
from microinterp.prepare import Arrays, Context, Kernel, State, Status
from microinterp.registry import Op


def evaluate_if(p: None, arrays: Arrays) -> Status:
    """condition bool [1], values -> what the branch makes of the values."""
    condition, *values = arrays.inputs
    branch = arrays.subgraphs[0 if _is_true(condition) else 1]
    _copy(values, branch.inputs)
    if status := branch.run():
        return status
    _copy(branch.outputs, arrays.outputs)
    return Status.OK


def evaluate_while(p: None, arrays: Arrays) -> Status:
    """values -> the values after the last run of the body, which are its next inputs."""
    condition, body = arrays.subgraphs
    values = arrays.outputs
    _copy(arrays.inputs, values)
    _copy(values, condition.inputs)
    if status := condition.run():
        return status
    while _is_true(condition.outputs[0]):
        _copy(values, body.inputs)
        if status := body.run():
            return status
        _copy(body.outputs, values)
        _copy(values, condition.inputs)
        if status := condition.run():
            return status
    return Status.OK


def evaluate_call_once(p: None, arrays: Arrays) -> Status:
    """state[0][0] tells whether the subgraph has run to its end."""
    (has_run,) = arrays.state
    if not has_run[0]:
        if status := arrays.subgraphs[0].run():
            return status
        has_run[0] = 1
    return Status.OK


def prepare_if(node: Node, context: Context) -> Kernel:
    """The condition is one bool; both branches take the other inputs and make the outputs."""
    node.require(len(node.inputs) > 0, "has no condition")
    _check_condition(node, node.input(0))
    options = node.options(tflite.IfOptions)
    branches = (options.ThenSubgraphIndex(), options.ElseSubgraphIndex())
    values = [node.input(i) for i in range(1, len(node.inputs))]
    for number in branches:
        branch = _subgraph(node, context, number)
        _check_copies(node, context, values, branch.inputs, f"inputs of subgraph {number}")
        _check_copies(node, context, branch.outputs, node.outputs, f"outputs of subgraph {number}")
    return Kernel(evaluate_if, subgraphs=branches)


def prepare_while(node: Node, context: Context) -> Kernel:
    """Condition and body take all values; the body makes as many, the condition one bool."""
    options = node.options(tflite.WhileOptions)
    values = [node.input(i) for i in range(len(node.inputs))]
    numbers = (options.CondSubgraphIndex(), options.BodySubgraphIndex())
    condition, body = (_subgraph(node, context, number) for number in numbers)
    _check_copies(node, context, values, node.outputs, "outputs of the op")
    for number, subgraph in zip(numbers, (condition, body), strict=True):
        _check_copies(node, context, node.outputs, subgraph.inputs, f"inputs of subgraph {number}")
    _check_copies(node, context, body.outputs, node.outputs, f"outputs of subgraph {numbers[1]}")
    node.require(len(condition.outputs) > 0, f"subgraph {numbers[0]} makes no condition")
    _check_condition(node, condition.outputs[0])
    return Kernel(evaluate_while, subgraphs=numbers)


def prepare_call_once(node: Node, context: Context) -> Kernel:
    """The subgraph is run as it is: inputs that it may have are left as they are in the arena."""
    node.require_counts((0, 0), outputs=0)
    number = node.options(tflite.CallOnceOptions).InitSubgraphIndex()
    for tensor in _subgraph(node, context, number).inputs:
        context.resources.leave_unset(tensor)
    has_run = State(1, resets=False)
    return Kernel(evaluate_call_once, state=(has_run,), subgraphs=(number,))


def _is_true(condition: npt.NDArray[Any] | None) -> bool:
    assert condition is not None
    return bool(bytes_of(condition)[0])


def _copy(sources: Iterable[npt.NDArray[Any] | None], targets: Iterable[npt.NDArray[Any]]) -> None:
    for source, target in zip(sources, targets, strict=True):
        assert source is not None
        bytes_of(target)[...] = bytes_of(source)


def _subgraph(node: Node, context: Context, number: int) -> Subgraph:
    count = len(context.graph.subgraphs)
    node.require(0 < number < count, f"runs subgraph {number}, wanted one of 1 to {count - 1}")
    return context.graph.subgraphs[number]


def _check_condition(node: Node, tensor: Tensor) -> None:
    node.require(
        tensor.type_code == tflite.TensorType.BOOL and tensor.elements == 1,
        f"condition {tensor} is not one bool",
        tensor,
    )


def _check_copies(
    node: Node,
    context: Context,
    sources: Sequence[Tensor],
    targets: Sequence[Tensor],
    what: str,
) -> None:
    """Each source has as many bytes as its target. int4 is left out: TFLM counts it in two ways."""
    node.require(len(sources) == len(targets), f"{what}: {len(sources)} tensors for {len(targets)}")
    for source, target in zip(sources, targets, strict=True):
        for tensor in (source, target):
            if tensor.type_code == tflite.TensorType.INT4:
                raise UnsupportedError("int4 values are not supported", node.where(tensor))
        node.require(
            source.nbytes == target.nbytes,
            f"{source} has {source.nbytes} bytes, {target} has {target.nbytes}",
            source,
        )
        context.resources.copy(source, target)


COPIES = "int4 values left out; sizes in bytes equal on both sides of a copy"
OPS = (
    Op("CALL_ONCE", prepare_call_once, ("any",)),
    Op("IF", prepare_if, ("bool, any",), limits=("one condition", COPIES)),
    Op("WHILE", prepare_while, ("any",), limits=("one bool as condition", COPIES)),
)
