"""VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE: named storage that outlives an invoke.

VAR_HANDLE's output is the number of a variable, which is known when the model is prepared; IF and
WHILE may pass it on. Values are copied as bytes, whatever their type. How storage appears and what
it starts with: microinterp.resources.
Source: TFLM kernels/var_handle.cc, read_variable.cc, assign_variable.cc and
micro_resource_variable.cc.
"""

from __future__ import annotations

import tflite

from microinterp.errors import UnsupportedError
from microinterp.graph import Node, Tensor
from microinterp.kernels.common import bytes_of
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op


def evaluate_handle(p: None, arrays: Arrays) -> None:
    """Nothing to compute: the number was there when the model was prepared."""


def evaluate_read(p: None, arrays: Arrays) -> None:
    """handle [1] -> out, any type and shape of as many bytes as the variable has."""
    (handle,) = arrays.inputs
    (out,) = arrays.outputs
    assert handle is not None
    bytes_of(out)[...] = arrays.variables[int(handle.reshape(-1)[0])]


def evaluate_assign(p: None, arrays: Arrays) -> None:
    """handle [1], value of as many bytes as the variable has, which are overwritten."""
    handle, value = arrays.inputs
    assert handle is not None
    assert value is not None
    arrays.variables[int(handle.reshape(-1)[0])][...] = bytes_of(value)


def prepare_handle(node: Node, context: Context) -> Kernel:
    """VAR_HANDLE: find the variable of this container and name, or declare it."""
    node.require_counts((0, 0))
    handle = node.output()
    _check_handle(node, handle, ("resource",))
    node.require(not handle.is_variable, "a handle cannot be a variable itself", handle)
    options = node.options(tflite.VarHandleOptions)
    name = _text(options.SharedName())
    if name is None:
        raise node.error("the variable has no name (shared_name)")
    context.resources.declare(node, handle, _text(options.Container()), name)
    return Kernel(evaluate_handle)


def prepare_read(node: Node, context: Context) -> Kernel:
    """READ_VARIABLE: the output must have as many bytes as what is assigned."""
    node.require_counts((1, 1))
    handle, out = node.input(0), node.output()
    _check_handle(node, handle)
    _check_value(node, out)
    context.resources.read(node, handle, out)
    return Kernel(evaluate_read)


def prepare_assign(node: Node, context: Context) -> Kernel:
    """ASSIGN_VARIABLE: the first one that is prepared gives the variable its storage."""
    node.require_counts((2, 2), outputs=0)
    handle, value = node.input(0), node.input(1)
    _check_handle(node, handle)
    _check_value(node, value)
    context.resources.assign(node, handle, value)
    return Kernel(evaluate_assign)


def _text(raw: bytes | None) -> str | None:
    """A C string of the file: it ends at the first NUL. None where the field is absent."""
    return None if raw is None else raw.split(b"\0")[0].decode("utf-8", "surrogateescape")


def _check_handle(
    node: Node, handle: Tensor, types: tuple[str, ...] = ("resource", "int32")
) -> None:
    """Old converters make handles int32 inside of subgraphs."""
    node.require(
        handle.type_name in types and handle.elements == 1,
        f"{handle} is no resource handle",
        handle,
    )


def _check_value(node: Node, value: Tensor) -> None:
    """int4 is left out: TFLM counts two elements per byte here, and one elsewhere."""
    if value.type_code in (tflite.TensorType.RESOURCE, tflite.TensorType.INT4):
        raise UnsupportedError(
            f"variables of type {value.type_name} are not supported", node.where(value)
        )


OPS = (
    Op("VAR_HANDLE", prepare_handle, ("resource",)),
    Op("READ_VARIABLE", prepare_read, ("any",)),
    Op("ASSIGN_VARIABLE", prepare_assign, ("any",)),
)
