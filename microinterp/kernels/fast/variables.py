"""Fast READ_VARIABLE and ASSIGN_VARIABLE: bytes seen as such once; VAR_HANDLE, which does nothing.

The number in a handle is looked up on each invoke, since IF and WHILE may pass on another one.
"""

from __future__ import annotations

from microinterp.fast_path import Call, Fast, Workspace
from microinterp.graph import Node
from microinterp.kernels.common import bytes_of
from microinterp.prepare import Arrays, Kernel


def choose_handle(node: Node, kernel: Kernel) -> Fast:
    """The twin of variables.evaluate_handle."""
    return Fast("nothing to compute", lambda arrays, workspace: [])


def choose_read(node: Node, kernel: Kernel) -> Fast:
    """The twin of variables.evaluate_read."""
    return Fast("the same bytes, views made once", _bind_read)


def choose_assign(node: Node, kernel: Kernel) -> Fast:
    """The twin of variables.evaluate_assign."""
    return Fast("the same bytes, views made once", _bind_assign)


def _bind_read(arrays: Arrays, workspace: Workspace) -> list[Call]:
    handle, out, variables = arrays.inputs[0], bytes_of(arrays.outputs[0]), arrays.variables
    assert handle is not None
    number = handle.reshape(-1).item

    def read() -> None:
        out[...] = variables[number()]

    return [read]


def _bind_assign(arrays: Arrays, workspace: Workspace) -> list[Call]:
    (handle, value), variables = arrays.inputs, arrays.variables
    assert handle is not None
    assert value is not None
    number, source = handle.reshape(-1).item, bytes_of(value)

    def assign() -> None:
        variables[number()][...] = source

    return [assign]
