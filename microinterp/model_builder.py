"""ModelBuilder: real .tflite files in a few lines, for tests, labs and trained models.

    b = ModelBuilder(description="one convolution")
    g = b.subgraph("main")  # the first one is the main graph
    x = g.input("x", (1, 8, 8, 1), "int8", scale=0.5, zero_point=-3)
    w = g.constant("w", weights, scale=[0.1, 0.2], zero_point=0, axis=0)
    bias = g.constant("bias", bias_int32, scale=[0.05, 0.1], zero_point=0)
    y = g.tensor("y", (1, 8, 8, 2), "int8", scale=0.25, zero_point=4)
    g.op("CONV_2D", [x, w, bias], [y], padding="SAME", stride_w=1, stride_h=1)
    g.output(y)
    b.save("conv.tflite")

Only the use of this API is checked, never what the model means: shapes, types, tensor numbers and
quantisation are written as given, so that a test can write a broken model on purpose.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy.typing as npt
import tflite

from microinterp.errors import InputError
from microinterp.files import write_bytes
from microinterp.model_options import OpOptions, op_code, op_options
from microinterp.model_values import (
    Scale,
    Shape,
    ZeroPoint,
    bytes_value,
    constant_data,
    dtype_code,
    int32_vector,
    integer_value,
    quantization_record,
    tensor_numbers,
    text_value,
)
from microinterp.model_writer import (
    ModelRecord,
    OperatorCodeRecord,
    OperatorRecord,
    QuantizationRecord,
    SignatureRecord,
    SubGraphRecord,
    TensorRecord,
    write_model,
)

_NO_DATA = 0  # the buffer of every tensor that is not constant
_UINT32 = 0, 2**32 - 1


class ModelBuilder:
    """Collects a model call by call and writes it as a .tflite file.

    Args:
        description: free text in the file.
        share_equal_constants: constants and metadata of equal bytes point to one buffer.
        old_op_codes: write only the one-byte code field of the schema before version 3a, as
            converters did up to 2020; ops above 127 cannot be told then.
    """

    def __init__(
        self,
        description: str = "",
        *,
        share_equal_constants: bool = False,
        old_op_codes: bool = False,
    ) -> None:
        self._model = ModelRecord(text_value(description, "the description"))
        self._old_op_codes = old_op_codes
        self._share = share_equal_constants
        self._shared: dict[bytes, int] = {}

    def subgraph(self, name: str = "") -> SubGraphBuilder:
        """Add a subgraph; the first one is the main graph."""
        record = SubGraphRecord(text_value(name, "the name of a subgraph"))
        self._model.subgraphs.append(record)
        return SubGraphBuilder(self, record, len(self._model.subgraphs) - 1)

    def metadata(self, name: str, data: bytes) -> None:
        """Add a named block of bytes beside the graph, for example OfflineMemoryAllocation."""
        name = text_value(name, "the name of metadata")
        self._model.metadata.append((name, self.buffer(data)))

    def signature(
        self, key: str, inputs: Mapping[str, int], outputs: Mapping[str, int], subgraph: int = 0
    ) -> None:
        """Name an entry point; `inputs` and `outputs` map argument names to tensor numbers."""
        key = text_value(key, "the key of a signature")
        subgraph = integer_value(subgraph, "subgraph", *_UINT32)
        record = SignatureRecord(key, _pairs(inputs), _pairs(outputs), subgraph)
        self._model.signatures.append(record)

    def buffer(self, data: bytes) -> int:
        """Add bytes that no tensor points to, and return the number of their buffer.

        For data whose number something else in the file mentions, such as the value tables of
        TFLM's compression.
        """
        data = bytes_value(data, "the data of a buffer")
        if self._share and data in self._shared:
            return self._shared[data]
        self._model.buffers.append(data)
        index = len(self._model.buffers) - 1
        self._shared.setdefault(data, index)
        return index

    def finish(self) -> bytes:
        """Return the file. The builder may be added to and finished again."""
        return write_model(self._model)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file to `path`."""
        write_bytes(path, self.finish())

    def _code_record(self, code: int, custom: str | None, version: int) -> OperatorCodeRecord:
        version = integer_value(version, "version")
        return OperatorCodeRecord(code, custom, version, self._old_op_codes)

    def _opcode(self, record: OperatorCodeRecord) -> int:
        codes = self._model.operator_codes
        if record not in codes:
            codes.append(record)
        return codes.index(record)


class SubGraphBuilder:
    """One subgraph under construction; made by `ModelBuilder.subgraph`.

    Attributes:
        index: number of the subgraph, for the options of IF, WHILE and CALL_ONCE.
    """

    def __init__(self, model: ModelBuilder, record: SubGraphRecord, index: int) -> None:
        self.index = index
        self._model = model
        self._record = record

    def tensor(
        self,
        name: str,
        shape: Shape,
        dtype: str,
        scale: Scale = None,
        zero_point: ZeroPoint = None,
        axis: int = 0,
        is_variable: bool = False,
    ) -> int:
        """Add a tensor without data (an activation) and return its number.

        Args:
            name: any text.
            shape: dimensions; None writes a tensor without a shape.
            dtype: name in the schema's TensorType, for example "int8", "bool" or "resource".
            scale: one number, or one per channel; None for no quantisation.
            zero_point: one number (repeated for each scale), or a list written as it is.
            axis: the dimension that per-channel scales run along.
            is_variable: the tensor keeps its values from one inference to the next.

        Raises:
            InputError: an argument is of the wrong kind, or there is no such dtype.
        """
        with self._adding_tensor(name):
            quantization = quantization_record(scale, zero_point, axis)
            return self._add(name, shape, dtype_code(dtype), quantization, None, is_variable)

    def input(
        self,
        name: str,
        shape: Shape,
        dtype: str,
        scale: Scale = None,
        zero_point: ZeroPoint = None,
        axis: int = 0,
    ) -> int:
        """Add a tensor and make it the next input of the subgraph; arguments as for `tensor`."""
        index = self.tensor(name, shape, dtype, scale, zero_point, axis)
        self.as_input(index)
        return index

    def as_input(self, tensor: int) -> None:
        """Make a tensor that is there already the next input of the subgraph."""
        self._record.inputs.append(integer_value(tensor, "an input"))

    def output(self, tensor: int) -> None:
        """Make a tensor the next output of the subgraph."""
        self._record.outputs.append(integer_value(tensor, "an output"))

    def constant(
        self,
        name: str,
        values: npt.ArrayLike,
        dtype: str | None = None,
        scale: Scale = None,
        zero_point: ZeroPoint = None,
        axis: int = 0,
        shape: Shape = None,
    ) -> int:
        """Add a tensor with data and return its number.

        Args:
            name: any text.
            values: an array, whose shape and type become the tensor's; or raw bytes, which are
                written as they are.
            dtype: converts `values` first (integers must not change by it). "int4" takes integers
                from -8 to 7 and packs two in a byte, low nibble first.
            scale: as for `tensor`.
            zero_point: as for `tensor`.
            axis: as for `tensor`.
            shape: written instead of the shape of `values`; needed for raw bytes.

        Raises:
            InputError: `values` is no array of numbers, or does not fit `dtype`.
        """
        with self._adding_tensor(name):
            data, own_shape, type_code = constant_data(values, dtype)
            shape = own_shape if shape is None else shape
            quantization = quantization_record(scale, zero_point, axis)
            return self._add(name, shape, type_code, quantization, data)

    def op(
        self,
        name: str,
        inputs: Sequence[int | None],
        outputs: Sequence[int],
        *,
        version: int = 1,
        intermediates: Sequence[int] = (),
        with_options: bool = True,
        **options: Any,
    ) -> int:
        """Add a builtin op and return its place in the order of execution.

        Args:
            name: name in the schema's BuiltinOperator, for example "CONV_2D".
            inputs: tensor numbers; None or -1 is an optional input left out.
            outputs: tensor numbers.
            version: of the operator; TFLM ignores it, LiteRT looks at it.
            intermediates: tensor numbers of hidden tensors (LSTM in LiteRT).
            with_options: False leaves the options table out, which is not sound for most ops.
            **options: the fields of the op's options table in schema.fbs: enums by name ("SAME",
                "RELU", "int32") or number, vectors as lists. Those left out have the schema's
                defaults, which are 0 for strides.

        Raises:
            InputError: an operator, option or enum name that the schema lacks, or a value that
                the option cannot hold.
        """
        with self._adding_op(name):
            code = self._model._code_record(
                op_code(text_value(name, "the name of an op")), None, version
            )
            table = op_options(name, options) if with_options or options else None
            return self._add_op(code, (inputs, outputs, intermediates), table, None)

    def custom_op(
        self,
        name: str,
        inputs: Sequence[int | None],
        outputs: Sequence[int],
        custom_options: bytes | None = None,
        *,
        version: int = 1,
    ) -> int:
        """Add a custom op by its name and return its place; `custom_options` are raw bytes."""
        with self._adding_op(name):
            custom = text_value(name, "the name of a custom op")
            code = self._model._code_record(tflite.BuiltinOperator.CUSTOM, custom, version)
            data = custom_options
            if data is not None:
                data = bytes_value(data, "custom_options")
            return self._add_op(code, (inputs, outputs, ()), None, data)

    def _add(
        self,
        name: str,
        shape: Shape,
        type_code: int,
        quantization: QuantizationRecord | None,
        data: bytes | None,
        is_variable: bool = False,
    ) -> int:
        name = text_value(name, "the name of a tensor")
        dims = None if shape is None else int32_vector(shape, "a shape")
        buffer = _NO_DATA if data is None else self._model.buffer(data)
        tensors = self._record.tensors
        tensors.append(TensorRecord(name, dims, type_code, buffer, quantization, bool(is_variable)))
        return len(tensors) - 1

    def _add_op(
        self,
        code: OperatorCodeRecord,
        tensors: tuple[Sequence[int | None], Sequence[int], Sequence[int]],
        options: OpOptions | None,
        custom_options: bytes | None,
    ) -> int:
        inputs, outputs, intermediates = (tensor_numbers(part) for part in tensors)
        record = OperatorRecord(
            self._model._opcode(code), inputs, outputs, intermediates, options, custom_options
        )
        self._record.operators.append(record)
        return len(self._record.operators) - 1

    @contextmanager
    def _adding_tensor(self, name: object) -> Iterator[None]:
        """Errors inside tell which tensor of which subgraph was being added."""
        try:
            yield
        except InputError as error:
            index = len(self._record.tensors)
            text = name if isinstance(name, str) else None
            raise error.at(subgraph=self.index, tensor_index=index, tensor_name=text) from None

    @contextmanager
    def _adding_op(self, name: object) -> Iterator[None]:
        """Errors inside tell which op of which subgraph was being added."""
        try:
            yield
        except InputError as error:
            index = len(self._record.operators)
            text = name if isinstance(name, str) else None
            raise error.at(subgraph=self.index, op_index=index, op_name=text) from None


def _pairs(tensors: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    what = "a tensor of a signature"
    return tuple(
        (text_value(name, f"the name of {what}"), integer_value(tensor, what, *_UINT32))
        for name, tensor in tensors.items()
    )
