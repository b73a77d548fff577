"""What a kernel may ask for when it is prepared, and the pass that prepares every op of a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from tflite import BuiltinOperator, TensorType

from microinterp.errors import (
    MicrointerpError,
    PrepareError,
    UnsupportedError,
    Where,
    printable,
)
from microinterp.graph import Graph, Node, Tensor
from microinterp.quant.profile import Profile
from microinterp.registry import Registry

_HANDLE_OPS = frozenset({"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"})


class BoundSubgraph(Protocol):
    """A subgraph as a control-flow kernel sees it at run time."""

    inputs: tuple[npt.NDArray[Any], ...]
    outputs: tuple[npt.NDArray[Any], ...]

    def run(self) -> None:
        """Run the subgraph's ops once."""


@dataclass(frozen=True, slots=True)
class Arrays:
    """What one op sees at run time: views into the arena and into the file.

    A kernel counts axes from the right: run_batch hands it arrays with one more leading axis
    (constants keep their own shape).

    Attributes:
        inputs: as in the node; None where an optional input is left out. For a resource handle
            it is the variable's storage, uint8 [nbytes].
        outputs: to be filled in place.
        scratch: uint8 [nbytes] per request, in the arena, undefined at entry.
        state: uint8 [nbytes] per request, kept between invokes.
        subgraphs: those that Kernel.subgraphs names.
    """

    inputs: tuple[npt.NDArray[Any] | None, ...]
    outputs: tuple[npt.NDArray[Any], ...]
    scratch: tuple[npt.NDArray[np.uint8], ...] = ()
    state: tuple[npt.NDArray[np.uint8], ...] = ()
    subgraphs: tuple[BoundSubgraph, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """Bytes that outlive an invoke; filled with `fill` at start and, if `resets`, by reset()."""

    nbytes: int
    fill: int = 0
    resets: bool = True


@dataclass(frozen=True, slots=True)
class Kernel:
    """What prepare returns for one op.

    Attributes:
        evaluate: called as evaluate(params, arrays) on each invoke; it has nothing to complain of.
        params: frozen, integers already folded.
        scratch: bytes of each scratch buffer that TFLM's kernel requests, in its order: they are
            planned into the arena whether or not our evaluate needs them.
        state: persistent buffers.
        subgraphs: those that the op invokes, in TFLM's order.
    """

    evaluate: Callable[[Any, Arrays], None]
    params: Any = None
    scratch: tuple[int, ...] = ()
    state: tuple[State, ...] = ()
    subgraphs: tuple[int, ...] = ()


@dataclass(slots=True)
class Resource:
    """A resource variable: storage appears at the first ASSIGN_VARIABLE that TFLM prepares.

    Attributes:
        container, shared_name: its key.
        nbytes: bytes of storage, None until an assignment has been prepared.
        fill: the byte that it starts with, and returns to on reset: the first assigned tensor's
            zero point cut to int8, whatever the element type (micro_resource_variable.cc).
    """

    container: str | None
    shared_name: str
    nbytes: int | None = None
    fill: int = 0


@dataclass(slots=True)
class Resources:
    """The resource variables of a model, the tensors that are handles to them, and who reads."""

    variables: list[Resource] = field(default_factory=list)
    handles: dict[tuple[int, int], int] = field(default_factory=dict)
    reads: list[tuple[Node, Tensor, Tensor]] = field(default_factory=list)

    def declare(self, node: Node, handle: Tensor, container: str | None, shared_name: str) -> None:
        """Make `handle` (an output of VAR_HANDLE) stand for the variable of that key.

        A handle without a container takes the first variable of that name.

        Raises:
            PrepareError: it has a container, and a variable declared before has none.
        """
        number = 0
        for variable in self.variables:
            if container is not None and variable.container is None:
                raise node.error(
                    f"container '{printable(container)}' after a VAR_HANDLE without one",
                    handle,
                    "TFLM compares the two and crashes: give all handles a container, or none",
                )
            if container in (None, variable.container) and variable.shared_name == shared_name:
                break
            number += 1
        else:
            self.variables.append(Resource(container, shared_name))
        self.handles[handle.subgraph, handle.index] = number

    def of(self, node: Node, handle: Tensor) -> Resource:
        """The variable behind `handle`, an input of `node`. Raises PrepareError if unknown."""
        number = self.handles.get((handle.subgraph, handle.index))
        if number is None:
            raise node.error(
                "the resource handle does not come from a VAR_HANDLE that was prepared before",
                handle,
                "put VAR_HANDLE for this variable into the same subgraph",
            )
        return self.variables[number]

    def assign(self, node: Node, handle: Tensor, value: Tensor) -> None:
        """Count an assignment: the first one fixes size and fill of the variable's storage.

        Raises:
            PrepareError: the handle is unknown, or `value` has another size.
        """
        variable = self.of(node, handle)
        if variable.nbytes is None:
            variable.nbytes = value.nbytes
            variable.fill = value.zero_point & 0xFF
        _require_size(node, value, variable)

    def read(self, node: Node, handle: Tensor, value: Tensor) -> None:
        """Count a read into `value`; `check_reads` looks at it when all ops are prepared.

        Raises:
            PrepareError: the handle is unknown.
        """
        self.of(node, handle)
        self.reads.append((node, handle, value))

    def check_reads(self) -> None:
        """Raise PrepareError where a variable is never assigned, or read in another size.

        TFLM would crash on the first and write outside the tensor on the second.
        """
        for node, handle, value in self.reads:
            variable = self.of(node, handle)
            if variable.nbytes is None:
                name = printable(variable.shared_name)
                raise node.error(f"variable '{name}' is read but never assigned", handle)
            _require_size(node, value, variable)


def _require_size(node: Node, value: Tensor, variable: Resource) -> None:
    node.require(
        value.nbytes == variable.nbytes,
        f"{value} has {value.nbytes} bytes, variable '{printable(variable.shared_name)}' has "
        f"{variable.nbytes}",
        value,
    )


@dataclass(frozen=True, slots=True)
class Context:
    """What prepare functions share: the graph, the numeric profile, the resource variables."""

    graph: Graph
    profile: Profile
    resources: Resources = field(default_factory=Resources)


@dataclass(frozen=True, slots=True)
class PreparedNode:
    """A node with its kernel."""

    node: Node
    kernel: Kernel


@dataclass(frozen=True, eq=False)
class Prepared:
    """A graph with every op checked and folded; `subgraphs[i]` follows graph.subgraphs[i]."""

    graph: Graph
    profile: Profile
    subgraphs: tuple[tuple[PreparedNode, ...], ...]
    resources: Resources

    def nodes(self) -> Iterator[PreparedNode]:
        """Every prepared node, subgraph by subgraph."""
        for subgraph in self.subgraphs:
            yield from subgraph

    def reachable(self) -> tuple[int, ...]:
        """Numbers of the subgraphs that an invoke can run, in the file's order."""
        found: set[int] = set()
        new = [0]
        while new:
            number = new.pop()
            if number not in found:
                found.add(number)
                for item in self.subgraphs[number]:
                    new.extend(item.kernel.subgraphs)
        return tuple(sorted(found))

    @property
    def is_stateful(self) -> bool:
        """True if an invoke can depend on an earlier one."""
        return (
            bool(self.resources.variables)
            or any(n.kernel.state or n.kernel.subgraphs for n in self.nodes())
            or any(t.is_variable for s in self.graph.subgraphs for t in s.tensors)
        )


def prepare(graph: Graph, registry: Registry, profile: Profile) -> Prepared:
    """Prepare every op, in TFLM's order.

    Raises:
        UnsupportedError: an op, or a combination of types, that is not supported.
        PrepareError: an op's own rules are broken.
    """
    _require_no_handles_passed(graph)
    context = Context(graph, profile)
    subgraphs = tuple(
        tuple(PreparedNode(node, _prepare_node(node, registry, context)) for node in subgraph.nodes)
        for subgraph in graph.subgraphs
    )
    context.resources.check_reads()
    return Prepared(graph, profile, subgraphs, context.resources)


def prepare_problems(graph: Graph, registry: Registry, profile: Profile) -> list[MicrointerpError]:
    """The first error of each op, for `verify`: all ops are tried, none stops the others."""
    context = Context(graph, profile)
    found: list[MicrointerpError] = []

    def attempt(check: Callable[[], object]) -> None:
        try:
            check()
        except (PrepareError, UnsupportedError) as error:
            found.append(error)

    attempt(lambda: _require_no_handles_passed(graph))
    for node in graph.nodes():
        attempt(partial(_prepare_node, node, registry, context))
    attempt(context.resources.check_reads)
    return found


def _prepare_node(node: Node, registry: Registry, context: Context) -> Kernel:
    op = registry.find(node)
    if node.operator.custom_options and node.code != BuiltinOperator.CUSTOM:
        raise node.error("a builtin op has custom options, which TFLM refuses")
    _require_static(node)
    _require_no_handles(node)
    return op.prepare(node, context)


def _require_no_handles(node: Node) -> None:
    """A handle's array is the variable's storage, which only these ops (and custom ones) know."""
    if node.name in _HANDLE_OPS or node.code == BuiltinOperator.CUSTOM:
        return
    for tensor in (*node.inputs, *node.outputs):
        if tensor is not None and tensor.type_code == TensorType.RESOURCE:
            raise UnsupportedError("the op cannot take a resource handle", node.where(tensor))


def _require_no_handles_passed(graph: Graph) -> None:
    """Handles stay inside their subgraph: as an input or output they would be plain numbers."""
    for subgraph in graph.subgraphs:
        for tensor in (*subgraph.inputs, *subgraph.outputs):
            if tensor.type_code == TensorType.RESOURCE:
                raise UnsupportedError(
                    "resource handles as inputs or outputs of a subgraph are not supported",
                    Where(subgraph.index, tensor_index=tensor.index, tensor_name=tensor.name),
                    "put VAR_HANDLE for the variable into each subgraph that uses it",
                )


def _require_static(node: Node) -> None:
    """TFLM refuses outputs with a dimension <= 0 after prepare, except the legacy scalar [0]."""
    for tensor in node.outputs:
        if tensor.shape != (0,) and any(d <= 0 for d in tensor.shape):
            raise node.error(
                f"shape {list(tensor.shape)} is dynamic",
                tensor,
                "TFLM needs static shapes: convert the model with fixed input shapes",
            )
