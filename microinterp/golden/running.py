"""What recording and checking share: which runtimes and tensors there are, and how much at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tflite import TensorType

from microinterp.errors import PrepareError, UnsupportedError, printable
from microinterp.golden.leftovers import ops_with_leftovers
from microinterp.golden_bundle import Check, check_of
from microinterp.graph import Graph, Node, Tensor
from microinterp.interpreter import prepare_model
from microinterp.prepare import Prepared
from microinterp.registry import Registry
from microinterp.sides import Place, Side, TakesChecksums
from microinterp.sides.bytewise import crcs_of
from microinterp.sides.choice import AFTER_INVOKE, sound_graph

Array = npt.NDArray[Any]
Samples = Sequence[Array]
"""One array [n, *shape] per input of the model."""

_MAY_STOP = "CIRCULAR_BUFFER"
TENSORS = ("crc", "bytes", "none")
"""What is kept of the tensors that ops write."""
_AT_ONCE_BYTES, _AT_ONCE, _AT_ONCE_ON_BOARDS = 4 << 20, 256, 4
_PROFILED = ("host", "litert", "litert-ref", "litert-noxnn")
"""Runtimes with any profile: of the host's own numbers, or the one to hold LiteRT's to."""


@dataclass(frozen=True)
class Target:
    """A model to be run.

    Attributes:
        graph: its graph.
        checks: the tensors that its ops write, in the file's order.
        order: place of each in the order of execution; ops of a subgraph come before the op that
            runs it.
        unsure: places of tensors with leftovers of what memory held before (leftovers.py).
        is_stateful: samples may depend on those before them.
        is_whole: False if this package lacks operators; only the main subgraph is known then.
    """

    graph: Graph
    checks: tuple[Check, ...]
    order: dict[Place, int]
    unsure: frozenset[Place]
    is_stateful: bool
    is_whole: bool


def target_of(model: bytes, runtime: str, profile: str, registry: Registry | None) -> Target:
    """Look at a model. Raises ModelError, and what the host says of it if the host is to run it."""
    graph = sound_graph(model)
    nodes, is_stateful, is_whole = graph.main.nodes, True, False
    leftovers: frozenset[tuple[int, int]] = frozenset()
    try:
        prepared = prepare_model(model, profile, registry, kernels="plain")
        nodes, is_stateful = tuple(_in_execution(prepared, 0, set())), prepared.is_stateful
        is_whole = True
        leftovers = ops_with_leftovers(model, prepared, profile, registry)
    except (UnsupportedError, PrepareError):
        if runtime == "host":
            raise  # other runtimes may have operators that this package lacks
    checks = [check_of(node, tensor) for node in nodes for tensor in node.outputs if _has(tensor)]
    return Target(
        graph=graph,
        checks=tuple(sorted(checks, key=lambda check: (check.subgraph, check.op))),
        order={place_of(check): number for number, check in enumerate(checks)},
        unsure=frozenset(place_of(c) for c in checks if (c.subgraph, c.op) in leftovers),
        is_stateful=is_stateful,
        is_whole=is_whole,
    )


def tellable(target: Target, runtime: str) -> tuple[Check, ...]:
    """The checks that a runtime can be asked for: of tensors that their ops have surely written.

    TFLM and LiteRT give what lies in a tensor's memory after an invoke; where the op may not have
    run in it (in a subgraph, or behind a CIRCULAR_BUFFER that waits for more), that may be garbage.
    """
    checks = tuple(check for check in target.checks if place_of(check) not in target.unsure)
    if runtime not in AFTER_INVOKE:
        return checks
    stops = [node.index for node in target.graph.main.nodes if node.name == _MAY_STOP]
    end = min(stops, default=len(target.graph.main.nodes))
    return tuple(check for check in checks if check.subgraph == 0 and check.op < end)


def _in_execution(prepared: Prepared, number: int, seen: set[int]) -> Iterator[Node]:
    """Nodes in the order in which they end, those of a subgraph that runs again only once."""
    seen.add(number)
    for item in prepared.subgraphs[number]:
        for inner in item.kernel.subgraphs:
            if inner not in seen:
                yield from _in_execution(prepared, inner, seen)
        yield item.node


def _has(tensor: Tensor) -> bool:
    return bool(tensor.nbytes) and tensor.type_code != TensorType.RESOURCE


def place_of(check: Check) -> Place:
    """The place in a model that a check is about."""
    return check.subgraph, check.op, check.tensor


def require_profile(runtime: str, profile: str) -> None:
    """Raise UnsupportedError if a runtime has its own numbers, and they are not `profile`'s."""
    if profile != "tflm" and runtime not in _PROFILED:
        raise UnsupportedError(
            f"{printable(runtime)} computes in profile tflm, not {printable(profile)}",
            hint="the host computes in other profiles",
        )


def at_once(sample_bytes: int, runtime: str) -> int:
    """How many samples to run at a time: few on a board, for which one may wait."""
    most = _AT_ONCE_ON_BOARDS if runtime.startswith("board:") else _AT_ONCE
    return max(1, min(most, _AT_ONCE_BYTES // max(1, sample_bytes)))


def regrouped(chunks: Iterable[Sequence[Samples]], count: int) -> Iterator[list[Samples]]:
    """The same samples, `count` at a time.

    Args:
        chunks: several groups of arrays each (inputs, outputs, ...), all arrays [n, ...] of one n.
        count: samples in what comes out; fewer at the end.
    """
    waiting: list[Sequence[Samples]] = []
    have = 0
    for chunk in chunks:
        size, start = _size(chunk), 0
        while have + size - start >= count:
            stop = start + count - have
            yield _joined([*waiting, _part(chunk, slice(start, stop))])
            waiting, have, start = [], 0, stop
        if start < size:
            waiting.append(_part(chunk, slice(start, size)))
            have += size - start
    if waiting:
        yield _joined(waiting)


def _size(chunk: Sequence[Samples]) -> int:
    return next(len(array) for group in chunk for array in group)


def _part(chunk: Sequence[Samples], part: slice) -> list[Samples]:
    return [[array[part] for array in group] for group in chunk]


def _joined(parts: Sequence[Sequence[Samples]]) -> list[Samples]:
    if len(parts) == 1:
        return list(parts[0])
    return [
        [np.concatenate(arrays) for arrays in zip(*groups, strict=True)]
        for groups in zip(*parts, strict=True)
    ]


class Seen(NamedTuple):
    """What a runtime has computed: outputs, CRC32s [n] and, if asked for, bytes of tensors."""

    outputs: tuple[Array, ...]
    crcs: Mapping[Place, Array]
    tensors: Mapping[Place, Array]


def observe(side: Side, inputs: Samples, places: Sequence[Place], with_bytes: bool) -> Seen:
    """Run samples; tensors stay where they are if their CRC32s can be taken there."""
    if places and not with_bytes and isinstance(side, TakesChecksums):
        summed = side.run_summed(inputs, places)
        return Seen(summed.outputs, summed.crcs, {})
    seen = side.run(inputs, places)
    crcs = {place: crcs_of(array) for place, array in seen.tensors.items()}
    return Seen(seen.outputs, crcs, seen.tensors)
