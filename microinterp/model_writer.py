"""Plain records of a model to write, and their flatbuffers form (schema.fbs version 3).

The records hold exactly what goes into the file and nothing here checks what it means: a broken
model is written as it was asked for. `model_builder` is the way to make these records.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
import tflite

from microinterp.flatbuffer_parts import tables
from microinterp.model_options import OpOptions

_IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3
_DATA_ALIGNMENT = 16  # force_align of Buffer.data in schema.fbs: runtimes use the bytes in place
_OLD_CODE_LIMIT = 127  # the older op-code field is one signed byte


@dataclass(frozen=True, slots=True)
class QuantizationRecord:
    """Quantisation as it goes into the file: either list may be None (absent) or of any length."""

    scale: npt.NDArray[np.float32] | None
    zero_point: npt.NDArray[np.int64] | None
    axis: int


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """A tensor to write; `shape` None leaves the field out, `buffer` 0 is the empty buffer."""

    name: str
    shape: npt.NDArray[np.int32] | None
    type_code: int
    buffer: int
    quantization: QuantizationRecord | None
    is_variable: bool


@dataclass(frozen=True, slots=True)
class OperatorCodeRecord:
    """One operator that the model uses, with the version that the converter would record.

    Attributes:
        old_field_only: leave out the newer of the two fields for the code.
    """

    code: int
    custom_code: str | None
    version: int
    old_field_only: bool


@dataclass(frozen=True, slots=True)
class OperatorRecord:
    """An op to write: tensor numbers, and either an options table or a custom op's bytes."""

    opcode_index: int
    inputs: npt.NDArray[np.int32]
    outputs: npt.NDArray[np.int32]
    intermediates: npt.NDArray[np.int32]
    options: OpOptions | None
    custom_options: bytes | None


@dataclass(slots=True)
class SubGraphRecord:
    """A subgraph to write; the lists grow while it is being built."""

    name: str
    tensors: list[TensorRecord] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    operators: list[OperatorRecord] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SignatureRecord:
    """A named entry point: (name, tensor number) pairs in one subgraph."""

    key: str
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]
    subgraph: int


@dataclass(slots=True)
class ModelRecord:
    """A whole model to write. `buffers[0]` stays empty: it is where tensors without data point."""

    description: str
    operator_codes: list[OperatorCodeRecord] = field(default_factory=list)
    subgraphs: list[SubGraphRecord] = field(default_factory=list)
    buffers: list[bytes | None] = field(default_factory=lambda: [None])
    metadata: list[tuple[str, int]] = field(default_factory=list)
    signatures: list[SignatureRecord] = field(default_factory=list)


def write_model(model: ModelRecord) -> bytes:
    """Return the .tflite file of a model; equal records give equal bytes."""
    builder = flatbuffers.Builder(1024)
    root = _table(
        builder,
        "Model",
        Version=_SCHEMA_VERSION,
        OperatorCodes=tables(builder, model.operator_codes, _operator_code),
        Subgraphs=tables(builder, model.subgraphs, _subgraph),
        Description=_string(builder, model.description),
        Buffers=tables(builder, model.buffers, _buffer),
        Metadata=tables(builder, model.metadata, _metadata),
        SignatureDefs=tables(builder, model.signatures, _signature),
    )
    builder.Finish(root, _IDENTIFIER)
    return bytes(builder.Output())


def _table(builder: Any, table: str, **fields: Any) -> int:
    """Write one table from finished field values (CamelCase as in the generated Add functions)."""
    getattr(tflite, f"{table}Start")(builder)
    for name, value in fields.items():
        if value is not None:
            getattr(tflite, f"{table}Add{name}")(builder, value)
    return int(getattr(tflite, f"{table}End")(builder))


def _string(builder: Any, text: str) -> int:
    """Write a name; lone surrogates stand for bytes that are not UTF-8 (PEP 383)."""
    return int(builder.CreateString(text, "utf-8", "surrogateescape"))


def _numbers(builder: Any, numbers: npt.NDArray[Any]) -> int:
    return int(builder.CreateNumpyVector(numbers))


def _data(builder: Any, data: bytes) -> int:
    builder.StartVector(1, len(data), _DATA_ALIGNMENT)
    builder.head -= len(data)  # StartVector has made room; one slice is as CreateByteVector does it
    builder.Bytes[builder.head : builder.head + len(data)] = data
    return int(builder.EndVector())


def _buffer(builder: Any, data: bytes | None) -> int:
    return _table(builder, "Buffer", Data=None if data is None else _data(builder, data))


def _operator_code(builder: Any, record: OperatorCodeRecord) -> int:
    custom = None if record.custom_code is None else _string(builder, record.custom_code)
    return _table(
        builder,
        "OperatorCode",
        DeprecatedBuiltinCode=min(record.code, _OLD_CODE_LIMIT),
        CustomCode=custom,
        Version=record.version,
        BuiltinCode=None if record.old_field_only else record.code,
    )


def _subgraph(builder: Any, graph: SubGraphRecord) -> int:
    return _table(
        builder,
        "SubGraph",
        Tensors=tables(builder, graph.tensors, _tensor),
        Inputs=_numbers(builder, np.asarray(graph.inputs, np.int32)),
        Outputs=_numbers(builder, np.asarray(graph.outputs, np.int32)),
        Operators=tables(builder, graph.operators, _operator),
        Name=_string(builder, graph.name),
    )


def _tensor(builder: Any, tensor: TensorRecord) -> int:
    shape, quantization = tensor.shape, tensor.quantization
    return _table(
        builder,
        "Tensor",
        Shape=None if shape is None else _numbers(builder, shape),
        Type=tensor.type_code,
        Buffer=tensor.buffer,
        Name=_string(builder, tensor.name),
        Quantization=None if quantization is None else _quantization(builder, quantization),
        IsVariable=tensor.is_variable,
    )


def _quantization(builder: Any, record: QuantizationRecord) -> int:
    scale, zero_point = record.scale, record.zero_point
    return _table(
        builder,
        "QuantizationParameters",
        Scale=None if scale is None else _numbers(builder, scale),
        ZeroPoint=None if zero_point is None else _numbers(builder, zero_point),
        QuantizedDimension=record.axis,
    )


def _operator(builder: Any, op: OperatorRecord) -> int:
    options, custom = op.options, op.custom_options
    return _table(
        builder,
        "Operator",
        OpcodeIndex=op.opcode_index,
        Inputs=_numbers(builder, op.inputs),
        Outputs=_numbers(builder, op.outputs),
        BuiltinOptionsType=None if options is None else options.table.code,
        BuiltinOptions=None if options is None else _options(builder, options),
        CustomOptions=None if custom is None else _data(builder, custom),
        Intermediates=_numbers(builder, op.intermediates) if op.intermediates.size else None,
    )


def _options(builder: Any, options: OpOptions) -> int:
    ready = {name: _option(builder, value) for name, value in options.values.items()}
    table = options.table
    table.module.Start(builder)
    for name, value in ready.items():
        table.fields[name].add(builder, value)
    return int(table.module.End(builder))


def _option(builder: Any, value: Any) -> Any:
    """Strings and vectors are written before the table that holds their offsets."""
    if isinstance(value, str):
        return _string(builder, value)
    return _numbers(builder, value) if isinstance(value, np.ndarray) else value


def _metadata(builder: Any, record: tuple[str, int]) -> int:
    name, buffer = record
    return _table(builder, "Metadata", Name=_string(builder, name), Buffer=buffer)


def _signature(builder: Any, record: SignatureRecord) -> int:
    return _table(
        builder,
        "SignatureDef",
        Inputs=tables(builder, record.inputs, _tensor_map),
        Outputs=tables(builder, record.outputs, _tensor_map),
        SignatureKey=_string(builder, record.key),
        SubgraphIndex=record.subgraph,
    )


def _tensor_map(builder: Any, pair: tuple[str, int]) -> int:
    name, index = pair
    return _table(builder, "TensorMap", Name=_string(builder, name), TensorIndex=index)
