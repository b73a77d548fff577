"""A .tflite file as it is: frozen records read with the `tflite` package, nothing repaired.

The layout is TensorFlow's schema.fbs (version 3). `load` first walks every offset
(structure.py), so that reading afterwards stays inside the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite
from flatbuffers import number_types

from microinterp.errors import ModelError
from microinterp.files import read_bytes
from microinterp.structure import check_structure

_BUILTIN_CODE_SLOT = 10


@dataclass(frozen=True, slots=True)
class Quantization:
    """Affine quantisation: real = scale * (q - zero_point).

    Attributes:
        scale: float32 [1] or [channels].
        zero_point: int64 [1] or [channels].
        axis: the dimension that per-channel scales run along (quantized_dimension).
    """

    scale: npt.NDArray[np.float32]
    zero_point: npt.NDArray[np.int64]
    axis: int


@dataclass(frozen=True, slots=True)
class FileTensor:
    """One entry of a subgraph's tensor list; `shape` is None where the file has no shape."""

    index: int
    name: str
    shape: tuple[int, ...] | None
    type_code: int
    buffer: int
    quantization: Quantization | None
    is_variable: bool
    is_sparse: bool


@dataclass(frozen=True, slots=True)
class OperatorCode:
    """An operator that the file uses.

    Attributes:
        code: max(builtin_code, deprecated_builtin_code), as the runtimes resolve it.
        raw_builtin_code: the newer field alone, 0 in files of before 2021.
        custom_code: name of a custom operator, else None.
        version: recorded by the converter; TFLM ignores it.
    """

    code: int
    raw_builtin_code: int
    custom_code: str | None
    version: int


@dataclass(frozen=True, slots=True)
class Operator:
    """One op: tensor numbers (-1 is an omitted optional input) and its options.

    Attributes:
        options_type: number in the schema's BuiltinOptions union, 0 if none.
        options: flatbuffers Table of the options, None if absent; see `graph.Node.options`.
        custom_options: raw bytes for a custom operator.
    """

    opcode_index: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    intermediates: tuple[int, ...]
    options_type: int
    options: Any = field(repr=False, compare=False)
    custom_options: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SubGraph:
    """Tensors, operators in execution order, and the numbers of input and output tensors."""

    index: int
    name: str
    tensors: tuple[FileTensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[Operator, ...]


@dataclass(frozen=True, slots=True)
class Metadata:
    """A named buffer beside the graph (for example OfflineMemoryAllocation)."""

    name: str
    buffer: int


@dataclass(frozen=True, slots=True)
class Signature:
    """A named entry point: pairs of (name, tensor index) in `subgraph`."""

    key: str
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]
    subgraph: int


@dataclass(frozen=True, slots=True)
class Model:
    """The whole file. `buffers[i]` is a zero-copy view; None where the buffer has no data."""

    data: bytes = field(repr=False)
    version: int
    description: str
    operator_codes: tuple[OperatorCode, ...]
    subgraphs: tuple[SubGraph, ...]
    buffers: tuple[memoryview | None, ...] = field(repr=False)
    metadata: tuple[Metadata, ...]
    signatures: tuple[Signature, ...]


def load_file(path: str | os.PathLike[str]) -> Model:
    """Read and `load` a file. Raises ModelError, also where the path cannot be read."""
    return load(contents_of(path))


def contents_of(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file, whatever they are. Raises ModelError if the path cannot be read."""
    return read_bytes(path, kind=ModelError)


def load(data: bytes | bytearray | memoryview) -> Model:
    """Read a .tflite file from its bytes.

    Raises:
        ModelError: an offset, length or table leaves the file; `problems` lists all of them.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise ModelError(
            f"a model is bytes, not {type(data).__name__}",
            hint="Interpreter.from_file takes a path",
        )
    data = bytes(data)
    problems = check_structure(data)
    if problems:
        raise ModelError.from_problems(problems)
    root = tflite.Model.GetRootAs(data, 0)
    return Model(
        data=data,
        version=root.Version(),
        description=_text(root.Description()),
        operator_codes=_each(root.OperatorCodesLength, root.OperatorCodes, _operator_code),
        subgraphs=tuple(_subgraph(i, root.Subgraphs(i)) for i in range(root.SubgraphsLength())),
        buffers=_each(root.BuffersLength, root.Buffers, lambda buffer: _buffer(data, buffer)),
        metadata=_each(
            root.MetadataLength, root.Metadata, lambda m: Metadata(_text(m.Name()), m.Buffer())
        ),
        signatures=_each(root.SignatureDefsLength, root.SignatureDefs, _signature),
    )


def _each(length: Callable[[], int], get: Callable[[int], Any], read: Callable[[Any], Any]) -> Any:
    return tuple(read(get(i)) for i in range(length()))


def _text(raw: bytes | None) -> str:
    """Names are untrusted bytes: invalid UTF-8 is kept visible, never an error."""
    return "" if raw is None else bytes(raw).decode("utf-8", errors="backslashreplace")


def _ints(length: int, as_numpy: Callable[[], Any]) -> tuple[int, ...]:
    return tuple(as_numpy().tolist()) if length else ()


def _operator_code(code: Any) -> OperatorCode:
    # Not code.BuiltinCode(): the `tflite` package answers with the deprecated field below 127.
    raw = code._tab.GetSlot(_BUILTIN_CODE_SLOT, 0, number_types.Int32Flags)
    builtin = max(raw, code.DeprecatedBuiltinCode())
    is_custom = builtin == tflite.BuiltinOperator.CUSTOM
    custom = _text(code.CustomCode()) if is_custom else None
    return OperatorCode(builtin, raw, custom, code.Version())


def _buffer(data: bytes, buffer: Any) -> memoryview | None:
    if buffer is None or not buffer.DataLength():
        return None
    table = buffer._tab
    start = table.Vector(table.Offset(4))
    return memoryview(data)[start : start + buffer.DataLength()]


def _subgraph(index: int, graph: Any) -> SubGraph:
    return SubGraph(
        index=index,
        name=_text(graph.Name()),
        tensors=tuple(_tensor(i, graph.Tensors(i)) for i in range(graph.TensorsLength())),
        inputs=_ints(graph.InputsLength(), graph.InputsAsNumpy),
        outputs=_ints(graph.OutputsLength(), graph.OutputsAsNumpy),
        operators=_each(graph.OperatorsLength, graph.Operators, _operator),
    )


def _tensor(index: int, tensor: Any) -> FileTensor:
    shape = None if tensor.ShapeIsNone() else _ints(tensor.ShapeLength(), tensor.ShapeAsNumpy)
    return FileTensor(
        index=index,
        name=_text(tensor.Name()),
        shape=shape,
        type_code=tensor.Type(),
        buffer=tensor.Buffer(),
        quantization=_quantization(tensor.Quantization()),
        is_variable=tensor.IsVariable(),
        is_sparse=tensor.Sparsity() is not None,
    )


def _quantization(params: Any) -> Quantization | None:
    """TFLM takes quantisation as present only if both arrays are (micro_allocator.cc)."""
    if params is None or not params.ScaleLength() or not params.ZeroPointLength():
        return None
    return Quantization(
        params.ScaleAsNumpy(), params.ZeroPointAsNumpy(), params.QuantizedDimension()
    )


def _operator(op: Any) -> Operator:
    custom = op.CustomOptionsAsNumpy().tobytes() if op.CustomOptionsLength() else b""
    return Operator(
        opcode_index=op.OpcodeIndex(),
        inputs=_ints(op.InputsLength(), op.InputsAsNumpy),
        outputs=_ints(op.OutputsLength(), op.OutputsAsNumpy),
        intermediates=_ints(op.IntermediatesLength(), op.IntermediatesAsNumpy),
        options_type=op.BuiltinOptionsType(),
        options=op.BuiltinOptions(),
        custom_options=custom,
    )


def _signature(signature: Any) -> Signature:
    def pair(entry: Any) -> tuple[str, int]:
        return _text(entry.Name()), entry.TensorIndex()

    return Signature(
        key=_text(signature.SignatureKey()),
        inputs=_each(signature.InputsLength, signature.Inputs, pair),
        outputs=_each(signature.OutputsLength, signature.Outputs, pair),
        subgraph=signature.SubgraphIndex(),
    )
