"""What a side is: runs samples in order, and tells outputs and the tensors asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
from tflite import TensorType

from microinterp.errors import InputError, Where
from microinterp.graph import Tensor
from microinterp.prepare import Prepared

Array: TypeAlias = "npt.NDArray[Any]"
Place: TypeAlias = tuple[int, int, int]
"""A tensor as an op has written it: subgraph, op in it, tensor in it. In a subgraph that runs
several times, or not at all, it is the last one that was written, and zeros before the first."""


@dataclass(frozen=True, eq=False)
class Observed:
    """What came out of n samples.

    Attributes:
        outputs: one array [n, *shape] per output of the model.
        tensors: [n, *shape] for each place that was asked for and that the side can tell.
    """

    outputs: tuple[Array, ...]
    tensors: Mapping[Place, Array] = field(default_factory=dict)


class Side(Protocol):
    """A runtime with a model in it; a context manager, since it may own a process or a port.

    Attributes:
        name: as in `open_side`.
        version: what exactly it is, for people.
    """

    name: str
    version: str

    def run(self, inputs: Sequence[Array], places: Sequence[Place] = ()) -> Observed:
        """Run samples; state goes on from call to call.

        Args:
            inputs: one array [n, *shape] per input; n is 1 for a model without inputs.
            places: tensors to tell.

        Raises:
            InputError: the arrays do not fit the model.
            RuntimeUnavailableError: the runtime fails, or has gone.
        """

    def __enter__(self) -> Side: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@dataclass(frozen=True, eq=False)
class Summed:
    """What came out of n samples, tensors by their CRC32s alone.

    Attributes:
        outputs: as in Observed.
        crcs: uint32 [n] for each place that was asked for and that the side can tell.
    """

    outputs: tuple[Array, ...]
    crcs: Mapping[Place, Array]


@runtime_checkable
class TakesChecksums(Protocol):
    """A side that takes CRC32s where the tensors are, and need not send them."""

    def run_summed(self, inputs: Sequence[Array], places: Sequence[Place]) -> Summed:
        """As Side.run, with CRC32s of tensors in place of their bytes."""


def places_of(prepared: Prepared) -> tuple[Place, ...]:
    """Every tensor with contents that an op writes which an invoke can reach, in order."""
    return tuple(
        (node.subgraph, node.index, tensor.index)
        for subgraph in prepared.reachable()
        for node in prepared.graph.subgraphs[subgraph].nodes
        for tensor in node.outputs
        if tensor.nbytes and tensor.type_code != TensorType.RESOURCE
    )


def sample_count(inputs: Sequence[Array]) -> int:
    """How many samples arrays [n, *shape] hold."""
    return len(inputs[0]) if inputs else 1


def require_samples(tensors: Sequence[Tensor], inputs: Sequence[Array]) -> None:
    """Raise InputError unless `inputs` are [n, *shape] of these inputs' own types."""
    if not isinstance(inputs, Sequence) or not all(isinstance(a, np.ndarray) for a in inputs):
        raise InputError("samples are one NumPy array [n, *shape] per input, or chunks of these")
    if len(inputs) != len(tensors):
        raise InputError(f"the model has {len(tensors)} inputs, got {len(inputs)} arrays")
    counts = {len(array) for array in inputs if array.ndim}
    for tensor, array in zip(tensors, inputs, strict=True):
        if array.dtype != tensor.dtype or array.shape[1:] != tensor.shape or len(counts) != 1:
            where = Where(role="input", tensor_index=tensor.index, tensor_name=tensor.name)
            raise InputError(
                f"takes samples of {tensor}, got {array.dtype}{list(array.shape)}", where
            )


def stacked(rows: Sequence[Sequence[Array]], shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    """Arrays [n, *shape] from rows[sample][number]."""
    return [np.stack([row[i].reshape(shape) for row in rows]) for i, shape in enumerate(shapes)]
