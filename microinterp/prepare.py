"""What a kernel may ask for when it is prepared, and the pass that prepares every op of a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
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
)
from microinterp.fast_path import Fast
from microinterp.graph import Graph, Node
from microinterp.quant.profile import Profile
from microinterp.registry import Registry
from microinterp.resources import Resources

_HANDLE_OPS = frozenset({"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "IF", "WHILE"})

_DECOMPRESSED_INPUTS = {
    "ASSIGN_VARIABLE": (1,),
    "CONCATENATION": range(10),
    "CONV_2D": (1, 2),
    "DEPTHWISE_CONV_2D": (1, 2),
    "FULLY_CONNECTED": (1, 2),
    "TRANSPOSE_CONV": (1, 3),
}
"""Inputs that TFLM's kernels decompress; the others would compute with the packed bytes."""


class Status(IntEnum):
    """How an op, a subgraph or an invoke ended; the numbers are TFLM's.

    OK: it ran. ABORT: it stopped early in silence, as a streaming model does until enough frames
    are there; what follows has not run, and outputs hold what they held. ERROR: the op cannot
    work with the numbers it was given; the interpreter raises an InputError then.
    """

    OK = 0
    ERROR = 1
    ABORT = 15


class BoundSubgraph(Protocol):
    """A subgraph as a control-flow kernel sees it at run time."""

    inputs: tuple[npt.NDArray[Any], ...]
    outputs: tuple[npt.NDArray[Any], ...]

    def run(self) -> Status:
        """Run the subgraph's ops once; one that does not end with OK ends the run."""


@dataclass(frozen=True, slots=True)
class Arrays:
    """What one op sees at run time: views into the arena and into the file.

    A kernel counts axes from the right: run_batch hands it arrays with one more leading axis
    (constants keep their own shape).

    Attributes:
        inputs: as in the node; None where an optional input is left out. A resource handle holds
            the number of its variable.
        outputs: to be filled in place.
        scratch: uint8 [nbytes] per request, in the arena, undefined at entry.
        state: uint8 [nbytes] per request, kept between invokes.
        subgraphs: those that Kernel.subgraphs names.
        variables: storage of each resource variable, uint8 [nbytes].
    """

    inputs: tuple[npt.NDArray[Any] | None, ...]
    outputs: tuple[npt.NDArray[Any], ...]
    scratch: tuple[npt.NDArray[np.uint8], ...] = ()
    state: tuple[npt.NDArray[np.uint8], ...] = ()
    subgraphs: tuple[BoundSubgraph, ...] = ()
    variables: tuple[npt.NDArray[np.uint8], ...] = ()


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
        evaluate: called as evaluate(params, arrays) on each invoke, with NumPy's floating-point
            warnings off. It has nothing to complain of but what only the data can tell: that it
            raises as InputError, or returns as a Status (None is OK).
        params: frozen, integers already folded.
        scratch: bytes of each scratch buffer that TFLM's kernel requests, in its order: they are
            planned into the arena whether or not our evaluate needs them.
        state: persistent buffers.
        subgraphs: those that the op invokes, in TFLM's order.
        keeps_outputs: elements of the outputs may stay as they were before the invoke.
        persistent: of a custom op that TFLM does not bring along: bytes of each persistent buffer
            that its C++ kernel allocates, by target (arena/target.py), "" for any other. Without
            an entry they are those of `state`.
    """

    evaluate: Callable[[Any, Arrays], Status | None]
    params: Any = None
    scratch: tuple[int, ...] = ()
    state: tuple[State, ...] = ()
    subgraphs: tuple[int, ...] = ()
    keeps_outputs: bool = False
    persistent: Mapping[str, tuple[int, ...]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Context:
    """What prepare functions share: the graph, the numeric profile, the resource variables."""

    graph: Graph
    profile: Profile
    resources: Resources = field(default_factory=Resources)


Chooser = Callable[[Node, Kernel], "Fast | str"]
"""Gives a prepared node's fast twin, or says in a few words why the plain kernel runs."""


@dataclass(frozen=True, slots=True)
class PreparedNode:
    """A node with its kernel.

    Attributes:
        fast: the kernel's twin, None where the plain kernel runs.
        why: the twin's form, or why there is none.
        in_place: the input that the output takes the place of, None as a rule.
        is_piece: it computes a part of an op's output.
    """

    node: Node
    kernel: Kernel
    fast: Fast | None = None
    why: str = ""
    in_place: int | None = None
    is_piece: bool = False


@dataclass(frozen=True, eq=False)
class Prepared:
    """A graph with every op checked and folded; `subgraphs[i]` follows graph.subgraphs[i].

    Attributes:
        rewritten: memory passes have changed the main subgraph: it has tensors and nodes that the
            file has not, and TFLM's plans are not for it.
    """

    graph: Graph
    profile: Profile
    subgraphs: tuple[tuple[PreparedNode, ...], ...]
    resources: Resources
    rewritten: bool = False

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
            or any(
                n.kernel.state or n.kernel.subgraphs or n.kernel.keeps_outputs for n in self.nodes()
            )
            or any(t.is_variable for s in self.graph.subgraphs for t in s.tensors)
        )


def only_plain(node: Node, kernel: Kernel) -> str:
    """The Chooser that takes no fast twin."""
    return "plain kernels are asked for"


def prepare(
    graph: Graph, registry: Registry, profile: Profile, choose: Chooser = only_plain
) -> Prepared:
    """Prepare every op, in TFLM's order; `choose` says which ones run a fast twin.

    Raises:
        UnsupportedError: an op, or a combination of types, that is not supported.
        PrepareError: an op's own rules are broken.
    """
    _require_sound_ends(graph)
    context = Context(graph, profile)
    kernels = tuple(
        tuple((node, _prepare_node(node, registry, context)) for node in subgraph.nodes)
        for subgraph in graph.subgraphs
    )
    for problem in context.resources.problems():
        raise problem
    subgraphs = tuple(
        tuple(_with_twin(node, kernel, choose(node, kernel)) for node, kernel in nodes)
        for nodes in kernels
    )
    return Prepared(graph, profile, subgraphs, context.resources)


def _with_twin(node: Node, kernel: Kernel, twin: Fast | str) -> PreparedNode:
    if isinstance(twin, str):
        return PreparedNode(node, kernel, why=twin)
    return PreparedNode(node, kernel, twin, twin.how)


def prepare_problems(graph: Graph, registry: Registry, profile: Profile) -> list[MicrointerpError]:
    """The first error of each op, for `verify`: all ops are tried, none stops the others."""
    context = Context(graph, profile)
    found: list[MicrointerpError] = []

    def attempt(check: Callable[[], object]) -> None:
        try:
            check()
        except (PrepareError, UnsupportedError) as error:
            found.append(error)

    attempt(lambda: _require_sound_ends(graph))
    for node in graph.nodes():
        attempt(partial(_prepare_node, node, registry, context))
    return found + list(context.resources.problems())


def _prepare_node(node: Node, registry: Registry, context: Context) -> Kernel:
    op = registry.find(node)
    if node.operator.custom_options and node.code != BuiltinOperator.CUSTOM:
        raise node.error("a builtin op has custom options, which TFLM refuses")
    _require_static(node)
    _require_no_handles(node)
    scratch = _decompression_scratch(node)
    kernel = op.prepare(node, context)
    return replace(kernel, scratch=(*kernel.scratch, *scratch)) if scratch else kernel


def _decompression_scratch(node: Node) -> list[int]:
    """Compressed inputs are decompressed at each invoke, into scratch behind the kernel's own."""
    inputs = _DECOMPRESSED_INPUTS.get(node.name, ())
    if node.code == BuiltinOperator.CUSTOM:
        inputs = ()
    for position, tensor in enumerate(node.inputs):
        if tensor is not None and tensor.is_compressed and position not in inputs:
            raise UnsupportedError(
                "the op does not decompress this input",
                node.where(tensor),
                "leave this tensor uncompressed",
            )
    return [t.nbytes for t in node.inputs if t is not None and t.is_compressed]


def _require_no_handles(node: Node) -> None:
    """A handle is a variable's number, with which only these ops (and custom ones) work."""
    if node.name in _HANDLE_OPS or node.code == BuiltinOperator.CUSTOM:
        return
    for tensor in (*node.inputs, *node.outputs):
        if tensor is not None and tensor.type_code == TensorType.RESOURCE:
            raise UnsupportedError("the op cannot take a resource handle", node.where(tensor))


def _require_sound_ends(graph: Graph) -> None:
    """No handle enters or leaves the model: who calls it knows no variable's number.

    And no compressed tensor leaves a subgraph: TFLM would hand out its packed bytes.
    """
    for tensor in (*graph.main.inputs, *graph.main.outputs):
        if tensor.type_code == TensorType.RESOURCE:
            raise UnsupportedError(
                "resource handles as inputs or outputs of the model are not supported",
                Where(0, tensor_index=tensor.index, tensor_name=tensor.name),
                "put VAR_HANDLE for the variable into the model",
            )
    for tensor in (tensor for subgraph in graph.subgraphs for tensor in subgraph.outputs):
        if tensor.is_compressed:
            raise UnsupportedError(
                "a compressed tensor cannot be an output",
                Where(tensor.subgraph, tensor_index=tensor.index, tensor_name=tensor.name),
                "leave this tensor uncompressed",
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
