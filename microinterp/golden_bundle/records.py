"""What is in a golden bundle, as frozen records, and how a graph is described by them."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

import microinterp
from microinterp.graph import Graph, Node, Tensor
from microinterp.tensor_types import BY_CODE

Array: TypeAlias = "npt.NDArray[Any]"
VERSION = 2
"""Of the format. Writers write it, readers refuse any other by name."""


def little_endian(code: int) -> np.dtype[Any]:
    """NumPy type of an element in the file, by its number in the schema's TensorType."""
    little: np.dtype[Any] = np.dtype(BY_CODE[code].dtype).newbyteorder("<")
    return little


@dataclass(frozen=True, slots=True)
class BundleTensor:
    """An input or an output; `type` is a number of the schema's TensorType."""

    name: str
    index: int
    type: int
    shape: tuple[int, ...]
    nbytes: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy type of an element in the file."""
        return little_endian(self.type)


@dataclass(frozen=True, slots=True)
class Check:
    """A tensor, written by an op, whose CRC32 is recorded for each sample; `type` as above."""

    subgraph: int
    op: int
    op_name: str
    tensor: int
    type: int
    shape: tuple[int, ...]
    nbytes: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy type of an element in the file."""
        return little_endian(self.type)

    @property
    def name(self) -> str:
        """Where the tensor comes from, for messages."""
        return f"{self.op_name} {self.subgraph}:{self.op}, tensor {self.tensor}"


def tool_versions() -> str:
    """Who writes bundles here: "microinterp 0.1.0, numpy 2.4.0, python 3.11.2"."""
    own, python = microinterp.__version__, platform.python_version()
    return f"microinterp {own}, numpy {np.__version__}, python {python}"


@dataclass(frozen=True, slots=True)
class BundleHeader:
    """Where a bundle comes from, and what its samples consist of.

    Attributes:
        model_sha256: of the .tflite file, in hexadecimal.
        profile: numeric profile in which the host is to compute the same.
        runtime, runtime_version: what computed the outputs.
        inputs, outputs: of the main subgraph.
        checks: tensors with a CRC32 per sample; may be empty.
        has_tensors: the bytes of these tensors are kept, too.
        seed: of random inputs, None for given ones.
        tool: who wrote it.
    """

    model_sha256: str
    profile: str
    runtime: str
    runtime_version: str
    inputs: tuple[BundleTensor, ...]
    outputs: tuple[BundleTensor, ...]
    checks: tuple[Check, ...] = ()
    has_tensors: bool = False
    seed: int | None = None
    tool: str = field(default_factory=tool_versions)

    @property
    def computed_by(self) -> str:
        """Runtime, version and profile in words; the host's version tells its profile already."""
        told, profile = f"{self.runtime} {self.runtime_version}", f", profile {self.profile}"
        return told if told.endswith(profile) else told + profile

    @property
    def kept(self) -> tuple[Check, ...]:
        """The checks whose bytes are kept."""
        return self.checks if self.has_tensors else ()

    @property
    def sample_bytes(self) -> int:
        """Bytes that a sample takes."""
        tensors: list[BundleTensor | Check] = [*self.inputs, *self.outputs, *self.kept]
        return sum(tensor.nbytes for tensor in tensors) + 4 * len(self.checks)


@dataclass(frozen=True)
class Chunk:
    """Consecutive samples.

    Attributes:
        first: number of the first one.
        inputs, outputs: one array [samples, *shape] per tensor.
        crcs: uint32 [samples, checks].
        tensors: one array [samples, *shape] per check, if their bytes are kept.
    """

    first: int
    samples: int
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    crcs: npt.NDArray[np.uint32]
    tensors: tuple[Array, ...] = ()


def describe(
    graph: Graph,
    profile: str,
    runtime: str,
    runtime_version: str,
    checks: Sequence[Check] = (),
    seed: int | None = None,
    has_tensors: bool = False,
) -> BundleHeader:
    """The header of a bundle for a model."""
    return BundleHeader(
        model_sha256=hashlib.sha256(graph.model.data).hexdigest(),
        profile=profile,
        runtime=runtime,
        runtime_version=runtime_version,
        inputs=tuple(_tensor(tensor) for tensor in graph.main.inputs),
        outputs=tuple(_tensor(tensor) for tensor in graph.main.outputs),
        checks=tuple(checks),
        has_tensors=has_tensors,
        seed=seed,
    )


def check_of(node: Node, tensor: Tensor) -> Check:
    """The check of one tensor that `node` writes."""
    code, shape = tensor.type_code, tensor.shape
    return Check(node.subgraph, node.index, node.name, tensor.index, code, shape, tensor.nbytes)


def _tensor(tensor: Tensor) -> BundleTensor:
    return BundleTensor(tensor.name, tensor.index, tensor.type_code, tensor.shape, tensor.nbytes)
