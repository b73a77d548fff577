"""The model as a graph: ops in order, tensors as ops see them, constants as read-only arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import tflite

from microinterp.compression import decompressed, lut_tensors
from microinterp.errors import PrepareError, Where
from microinterp.model import FileTensor, Model, Operator, Quantization, SubGraph
from microinterp.tensor_types import BY_CODE, name_of

OptionsT = TypeVar("OptionsT")
_OP_NAMES = {
    code: name for name, code in vars(tflite.BuiltinOperator).items() if not name.startswith("_")
}
_OPTION_NUMBERS = {
    name: code for name, code in vars(tflite.BuiltinOptions).items() if not name.startswith("_")
}


@dataclass(frozen=True, eq=False)
class Part:
    """Where a tensor lies inside another one's memory: what memory passes make of tensors.

    Attributes:
        whole: the other tensor, which may be a part itself.
        index: what of its array [whole.shape] the part is, for NumPy; None: the bytes from its
            start on, under a shape and an element type of their own.
        axes: order of the axes thereafter, None to leave them.
    """

    whole: Tensor
    index: tuple[slice, ...] | None
    axes: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor as ops see it.

    Attributes:
        subgraph, index: its place in the file.
        shape: () for a scalar and for a tensor without a shape.
        type_code: TensorType number; `type_name` says it in words.
        dtype: NumPy type of an element in the arena.
        nbytes: bytes it takes in the arena.
        data: constant contents as a read-only array of `shape` (flat packed bytes for int4),
            None for a tensor that is computed.
        quantization: None where the file has none.
        is_variable: state that lives across invokes.
        is_compressed: the file holds indices into a table; `data` are the values behind them.
        part: where it lies, None where it has memory of its own, as all tensors of a file have.
    """

    subgraph: int
    index: int
    name: str
    shape: tuple[int, ...]
    type_code: int
    dtype: np.dtype[Any]
    nbytes: int
    data: npt.NDArray[Any] | None = field(repr=False)
    quantization: Quantization | None = field(repr=False)
    is_variable: bool
    is_compressed: bool = False
    part: Part | None = field(default=None, repr=False)

    @property
    def type_name(self) -> str:
        """The schema's name of the element type, in lower case."""
        return name_of(self.type_code)

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @cached_property
    def elements(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def is_constant(self) -> bool:
        """True if the file holds its contents."""
        return self.data is not None

    @property
    def scale(self) -> np.float32:
        """The per-tensor scale: the first one, 0 where the file has none (as in TFLM)."""
        scale: np.float32 = self.quantization.scale[0] if self.quantization else np.float32(0)
        return scale

    @property
    def zero_point(self) -> int:
        """The per-tensor zero point: the first one, 0 where the file has none (as in TFLM)."""
        return int(self.quantization.zero_point[0]) if self.quantization else 0

    @property
    def root(self) -> Tensor:
        """The tensor in whose memory this one lies: itself, unless it is a part."""
        return self if self.part is None else self.part.whole.root

    def within(self, root: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """This tensor as a view into the array of its root."""
        if self.part is None:
            return root
        whole = self.part.whole.within(root)
        if self.part.index is None:
            flat = whole.view()
            flat.shape = (-1,)  # raises where a reshape would copy
            own: npt.NDArray[Any] = flat.view(np.uint8)[: self.nbytes].view(self.dtype)
            return own.reshape(self.shape)
        taken = whole[self.part.index]
        return taken if self.part.axes is None else taken.transpose(self.part.axes)

    def __str__(self) -> str:
        return f"{self.type_name}{list(self.shape)}"


@dataclass(frozen=True, eq=False)
class Node:
    """One op of a subgraph, or what a memory pass has made of it.

    Attributes:
        index: its position among the subgraph's nodes.
        inputs: None where an optional input is left out.
        origin: its number in the file where that is another one: passes cut ops into pieces, take
            some away and change their order.
    """

    subgraph: int
    index: int
    name: str
    code: int
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    operator: Operator = field(repr=False)
    origin: int | None = None

    @property
    def file_index(self) -> int:
        """The op's number in the file."""
        return self.index if self.origin is None else self.origin

    @property
    def custom_options(self) -> bytes:
        """Raw options of a custom op."""
        return self.operator.custom_options

    def options(self, kind: type[OptionsT]) -> OptionsT:
        """The op's builtin options as an object of the `tflite` package's class `kind`.

        Raises:
            PrepareError: the file has no such options (TFLM would read an unset struct).
        """
        number = _OPTION_NUMBERS.get(kind.__name__)
        if self.operator.options is None or self.operator.options_type != number:
            raise self.error(
                f"the op has no {kind.__name__}",
                hint="convert the model again; the file is damaged",
            )
        options = kind()
        options.Init(self.operator.options.Bytes, self.operator.options.Pos)  # type: ignore[attr-defined]
        return options

    def where(self, tensor: Tensor | None = None) -> Where:
        """This op's place, with the role of one of its tensors if given."""
        if tensor is None:
            return Where(self.subgraph, self.file_index, self.name)
        role = next((f"input {i}" for i, t in enumerate(self.inputs) if t is tensor), None)
        role = next((f"output {i}" for i, t in enumerate(self.outputs) if t is tensor), role)
        return Where(self.subgraph, self.file_index, self.name, role, tensor.index, tensor.name)

    def error(self, message: str, tensor: Tensor | None = None, hint: str = "") -> PrepareError:
        """A PrepareError at this op (and tensor), to raise."""
        return PrepareError(message, self.where(tensor), hint)

    def require(
        self, condition: bool, message: str, tensor: Tensor | None = None, hint: str = ""
    ) -> None:
        """Raise a PrepareError at this op (and tensor) unless `condition` holds."""
        if not condition:
            raise self.error(message, tensor, hint)

    def input(self, position: int) -> Tensor:
        """Input `position`, which must be there. Raises PrepareError where it is left out."""
        tensor = self.optional_input(position)
        if tensor is None:
            raise self.error(f"input {position} is missing")
        return tensor

    def optional_input(self, position: int) -> Tensor | None:
        """Input `position`, None where it is left out."""
        return self.inputs[position] if position < len(self.inputs) else None

    def output(self, position: int = 0) -> Tensor:
        """Output `position`. Raises PrepareError if the op has fewer outputs."""
        if position >= len(self.outputs):
            raise self.error(f"output {position} is missing")
        return self.outputs[position]

    def require_counts(self, inputs: tuple[int, int], outputs: int = 1) -> None:
        """Raise PrepareError unless the numbers of inputs (at least, at most) and outputs fit."""
        low, high = inputs
        if not low <= len(self.inputs) <= high:
            wanted = f"{low}" if low == high else f"{low} to {high}"
            raise self.error(f"has {len(self.inputs)} inputs, wanted {wanted}")
        if len(self.outputs) != outputs:
            raise self.error(f"has {len(self.outputs)} outputs, wanted {outputs}")


@dataclass(frozen=True, eq=False)
class Subgraph:
    """Nodes in execution order; `inputs` and `outputs` are among `tensors`."""

    index: int
    name: str
    tensors: tuple[Tensor, ...] = field(repr=False)
    nodes: tuple[Node, ...] = field(repr=False)
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class Graph:
    """All subgraphs; the first one is the main graph."""

    model: Model = field(repr=False)
    subgraphs: tuple[Subgraph, ...]

    @property
    def main(self) -> Subgraph:
        """The subgraph that invoke runs."""
        return self.subgraphs[0]

    def nodes(self) -> Iterator[Node]:
        """Every node, subgraph by subgraph: the order in which TFLM prepares them."""
        for subgraph in self.subgraphs:
            yield from subgraph.nodes


def build(model: Model) -> Graph:
    """Turn a verified model into a graph. The model must have passed `verify`."""
    compressed = {
        key: decompressed(model, model.subgraphs[entry.subgraph].tensors[entry.tensor], entry)
        for key, entry in lut_tensors(model).items()
    }
    return Graph(model, tuple(_subgraph(model, i, compressed) for i in range(len(model.subgraphs))))


def _subgraph(
    model: Model, index: int, compressed: Mapping[tuple[int, int], npt.NDArray[Any]]
) -> Subgraph:
    source = model.subgraphs[index]
    scalars = _legacy_scalars(model, source)
    shaped = (replace(t, shape=()) if t.index in scalars else t for t in source.tensors)
    tensors = tuple(_tensor(model, index, t, compressed.get((index, t.index))) for t in shaped)
    nodes = tuple(_node(model, index, i, op, tensors) for i, op in enumerate(source.operators))
    return Subgraph(
        index=index,
        name=source.name,
        tensors=tensors,
        nodes=nodes,
        inputs=tuple(tensors[i] for i in source.inputs),
        outputs=tuple(tensors[i] for i in source.outputs),
    )


def _legacy_scalars(model: Model, source: SubGraph) -> set[int]:
    """Outputs of shape [0] of a RESHAPE without a shape input: scalars, in old converters' words.

    TFLM's RESHAPE rewrites their shape when it is prepared (kernels/reshape_common.cc).
    """
    return {
        op.outputs[0]
        for op in source.operators
        if model.operator_codes[op.opcode_index].code == tflite.BuiltinOperator.RESHAPE
        and (len(op.inputs), len(op.outputs)) == (1, 1)
        and source.tensors[op.outputs[0]].shape == (0,)
    }


def _tensor(
    model: Model, subgraph: int, source: FileTensor, values: npt.NDArray[Any] | None
) -> Tensor:
    element = BY_CODE[source.type_code]
    shape = source.shape or ()
    elements = int(np.prod(shape, dtype=np.int64))
    buffer = model.buffers[source.buffer]
    is_compressed = values is not None
    if values is None and buffer is not None:
        values = _constant(buffer, source, elements)
    if values is not None and source.type_code != tflite.TensorType.INT4:
        values = values.reshape(shape)
    return Tensor(
        subgraph=subgraph,
        index=source.index,
        name=source.name,
        shape=shape,
        type_code=source.type_code,
        dtype=np.dtype(element.dtype),
        nbytes=elements * element.nbytes,
        data=values,
        quantization=source.quantization,
        is_variable=source.is_variable,
        is_compressed=is_compressed,
    )


def _constant(buffer: memoryview, source: FileTensor, elements: int) -> npt.NDArray[Any]:
    if source.type_code == tflite.TensorType.INT4:
        return np.frombuffer(buffer, np.uint8)
    dtype = np.dtype(BY_CODE[source.type_code].dtype)
    return np.frombuffer(buffer, dtype, count=elements)


def _node(
    model: Model, subgraph: int, index: int, op: Operator, tensors: tuple[Tensor, ...]
) -> Node:
    code = model.operator_codes[op.opcode_index]
    return Node(
        subgraph=subgraph,
        index=index,
        name=code.custom_code or _OP_NAMES.get(code.code, f"BUILTIN_{code.code}"),
        code=code.code,
        inputs=tuple(tensors[i] if i >= 0 else None for i in op.inputs),
        outputs=tuple(tensors[i] for i in op.outputs),
        operator=op,
    )
