"""Rules about each tensor by itself: type, shape, contents."""

from __future__ import annotations

from collections.abc import Iterator

from tflite import TensorType

from microinterp.compression import lut_tensors
from microinterp.errors import Problem
from microinterp.model import FileTensor, Model
from microinterp.rules.common import (
    INT32_MAX,
    elements,
    error,
    is_constant,
    tensors,
    warning,
)
from microinterp.tensor_types import BY_CODE, name_of

MAX_RANK = 8
KERNEL_RANK = 6  # RuntimeShape::kMaxSmallSize: what TFLM's kernels hold


def tensor_types_supported(model: Model) -> Iterator[Problem]:
    """Every tensor has an element type of the schema that TFLM can hold."""
    for tensor, where in tensors(model):
        entry = BY_CODE.get(tensor.type_code)
        if entry is None:
            yield error(f"element type {tensor.type_code} is not in the schema", where)
        elif entry.dtype is None:
            hint = "convert the model without tensors of this type"
            yield error(f"TFLM has no tensors of type {entry.name}", where, hint)


def shapes_fit(model: Model) -> Iterator[Problem]:
    """No dimension is negative, and elements and bytes of a tensor fit TFLM's int32."""
    for tensor, where in tensors(model):
        shape = tensor.shape or ()
        if any(size < 0 for size in shape):
            hint = "convert the model with fixed shapes"
            yield error(f"shape {_short(shape)} has a negative dimension", where, hint)
        elif _widest(shape) * _element_bytes(tensor) > INT32_MAX:
            yield error(f"shape {_short(shape)} makes more than {INT32_MAX} bytes", where)


def ranks_fit(model: Model) -> Iterator[Problem]:
    """A tensor has at most 8 dimensions; TFLM's kernels hold 6."""
    for tensor, where in tensors(model):
        rank = len(tensor.shape or ())
        if rank > MAX_RANK:
            yield error(f"has {rank} dimensions, at most {MAX_RANK} are supported", where)
        elif rank > KERNEL_RANK:
            yield warning(f"has {rank} dimensions, TFLM's kernels hold {KERNEL_RANK}", where)


def buffers_exist(model: Model) -> Iterator[Problem]:
    """Every tensor refers to a buffer of the file."""
    count = len(model.buffers)
    for tensor, where in tensors(model):
        if tensor.buffer >= count:
            yield error(f"refers to buffer {tensor.buffer}, the file has {count}", where)


def constants_complete(model: Model) -> Iterator[Problem]:
    """A constant's buffer has exactly the bytes of its shape and type (int4: two per byte)."""
    compressed = lut_tensors(model)
    for tensor, where in tensors(model):
        count = elements(tensor)
        known = tensor.buffer < len(model.buffers) and _element_bytes(tensor)
        data = model.buffers[tensor.buffer] if known else None
        if data is None or count is None or (where.subgraph or 0, tensor.index) in compressed:
            continue
        wanted = _constant_bytes(tensor, count)
        shape = f"{name_of(tensor.type_code)}{_short(tensor.shape or ())} takes {wanted}"
        if len(data) < wanted:
            hint = "the model is damaged: convert it again"
            yield error(f"buffer {tensor.buffer} has {len(data)} bytes, {shape}", where, hint)
        elif len(data) > wanted:
            yield warning(f"buffer {tensor.buffer} has {len(data)} bytes, {shape}", where)


def variables_without_contents(model: Model) -> Iterator[Problem]:
    """A variable has no contents in the file: the runtimes start it from its zero point."""
    for tensor, where in tensors(model):
        if tensor.is_variable and is_constant(model, tensor):
            hint = "assign initial values in the graph, with CALL_ONCE and ASSIGN_VARIABLE"
            yield error(f"a variable with contents, in buffer {tensor.buffer}", where, hint)


def no_sparse_tensors(model: Model) -> Iterator[Problem]:
    """No tensor is sparse: TFLM reads the contents as if they were dense."""
    for tensor, where in tensors(model):
        if tensor.is_sparse:
            hint = "convert the model without sparsity, or insert DENSIFY before deployment"
            yield error("sparse tensors are not supported", where, hint)


def _element_bytes(tensor: FileTensor) -> int:
    entry = BY_CODE.get(tensor.type_code)
    return entry.nbytes if entry else 0


def _constant_bytes(tensor: FileTensor, count: int) -> int:
    if tensor.type_code == TensorType.INT4:
        return (count + 1) // 2
    return count * _element_bytes(tensor)


def _widest(shape: tuple[int, ...]) -> int:
    """The product without zeros, which is what an int32 holds on the way to the product."""
    product = 1
    for size in shape:
        product *= max(size, 1)
        if product > INT32_MAX:
            break
    return product


def _short(shape: tuple[int, ...]) -> str:
    return str([*shape]) if len(shape) <= MAX_RANK else f"of {len(shape)} dimensions"
