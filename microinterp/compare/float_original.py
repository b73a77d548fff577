"""The float original of a quantised model as the other side: what quantisation costs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from microinterp.compare.comparison import Comparison, OutputRow, Row
from microinterp.compare.norms import norms
from microinterp.compare.rows import has_scores, samples_of
from microinterp.compare.told import Array, Mask
from microinterp.errors import InputError
from microinterp.graph import Graph, Node, Tensor
from microinterp.inputs import dequantise, quantise
from microinterp.registry import Registry
from microinterp.sides import Observed, Place, places_of
from microinterp.sides.host import HostSide

_CASTS = frozenset({"QUANTIZE", "DEQUANTIZE"})


def compare_with_original(
    model: bytes,
    original: bytes,
    inputs: Sequence[Array],
    profile: str = "tflm",
    registry: Registry | None = None,
) -> Comparison:
    """Compare a quantised model with the float one it was made from, op by op where they match.

    The original is given the real values of the inputs. An element differs where the original's
    value, quantised, is another number than ours; norms have the original as the reference.

    Args:
        model, original: contents of .tflite files.
        inputs: of `model`, [n, *shape] each.

    Raises:
        InputError: inputs or outputs of the two models do not match.
        ModelError, UnsupportedError, PrepareError, ArenaError: one of them does not run here.
    """
    ours, theirs = HostSide(model, profile, registry), HostSide(original, profile, registry)
    graph, other = ours.interpreter.graph, theirs.interpreter.graph
    _require_ends(graph, other)
    seen = ours.run(inputs, places_of(ours.interpreter.prepared))
    real = [
        _as_input(dequantise(array, tensor).reshape(len(array), *end.shape), end)
        for array, tensor, end in zip(inputs, graph.main.inputs, other.main.inputs, strict=True)
    ]
    wanted = theirs.run(real, places_of(theirs.interpreter.prepared))
    pairs = matched(graph, other)
    rows = [_row(graph, other, seen, wanted, *pair) for pair in pairs]
    outputs = [_output(graph, other, seen, wanted, i) for i in range(len(graph.main.outputs))]
    kinds = (len(rows), sum(node.name not in _CASTS for node in graph.main.nodes))
    return Comparison(
        equal=not any(row.differing for row in outputs) and not any(r.differing for r in rows),
        differing_elements=sum(row.differing or 0 for row in outputs),
        compared_elements=sum(row.elements for row in outputs),
        first_op=None,
        cause=None,
        model_sha256=hashlib.sha256(model).hexdigest(),
        ours=ours.version,
        other=f"its float original (sha256 {hashlib.sha256(original).hexdigest()[:12]})",
        other_name="float",
        samples=len(inputs[0]) if inputs else 1,
        rows=tuple(rows),
        outputs=tuple(outputs),
        notes=(
            f"{kinds[0]} of {kinds[1]} ops have their like in the original",
            "every difference here is the price of quantisation",
        ),
    )


def _as_input(real: Array, tensor: Tensor) -> Array:
    """Real values as an original takes them, which may be quantised too."""
    if tensor.quantization is not None and tensor.dtype.kind in "iu":
        return quantise(real, tensor)[0]
    return real.astype(tensor.dtype)


def matched(graph: Graph, other: Graph) -> list[tuple[Node, Node]]:
    """Ops of both models that compute the same thing: by order, else by their tensors' names."""
    mine, theirs = (
        [node for node in g.main.nodes if node.name not in _CASTS and node.outputs]
        for g in (graph, other)
    )
    if [_kind(node) for node in mine] == [_kind(node) for node in theirs]:
        return list(zip(mine, theirs, strict=True))
    named = {node.outputs[0].name: node for node in theirs}
    pairs = [(node, named.get(node.outputs[0].name)) for node in mine]
    return [(a, b) for a, b in pairs if b is not None and _kind(a) == _kind(b)]


def _kind(node: Node) -> tuple[str, tuple[int, ...]]:
    return node.name, node.outputs[0].shape


def _row(graph: Graph, other: Graph, seen: Observed, wanted: Observed, a: Node, b: Node) -> Row:
    tensor = a.outputs[0]
    mine = seen.tensors[_place(a)]
    differs, ours, real = _compared(tensor, mine, b.outputs[0], wanted.tensors[_place(b)])
    return Row(
        subgraph=0,
        index=a.index,
        name=a.name,
        tensor=tensor.index,
        tensor_name=tensor.name,
        type=tensor.type_name,
        elements=mine.size,
        told="values",
        differing=int(differs.sum()),
        differing_samples=samples_of(differs),
        max_difference=_steps(tensor, ours, real),
        norms=norms(real, ours),
    )


def _output(graph: Graph, other: Graph, seen: Observed, wanted: Observed, i: int) -> OutputRow:
    tensor, mine = graph.main.outputs[i], seen.outputs[i]
    differs, ours, real = _compared(tensor, mine, other.main.outputs[i], wanted.outputs[i])
    return OutputRow(
        output=i,
        tensor_name=tensor.name,
        type=tensor.type_name,
        elements=mine.size,
        told="values",
        differing=int(differs.sum()),
        differing_samples=samples_of(differs),
        max_difference=_steps(tensor, ours, real),
        norms=norms(real, ours, has_scores(graph, tensor)),
    )


def _compared(
    tensor: Tensor, mine: Array, other: Tensor, theirs: Array
) -> tuple[Mask, Array, Array]:
    """Where both differ after quantising, and both as real values."""
    real = dequantise(theirs, other).reshape(mine.shape)
    numbers = real.astype(mine.dtype)
    if tensor.quantization is not None and mine.dtype.kind in "iu":
        numbers, _ = quantise(real, tensor)
    return numbers != mine, dequantise(mine, tensor), real


def _steps(tensor: Tensor, ours: Array, real: Array) -> float:
    """Largest difference, in output steps where the tensor has a scale."""
    apart = float(np.abs(ours - real).max(initial=0.0))
    is_quantised = tensor.quantization is not None and tensor.dtype.kind in "iu"
    return apart / float(tensor.scale) if is_quantised else apart


def _place(node: Node) -> Place:
    return node.subgraph, node.index, node.outputs[0].index


def _require_ends(graph: Graph, other: Graph) -> None:
    for role, ours, theirs in (
        ("input", graph.main.inputs, other.main.inputs),
        ("output", graph.main.outputs, other.main.outputs),
    ):
        if [t.elements for t in ours] != [t.elements for t in theirs]:
            raise InputError(
                f"the original has {role}s {', '.join(map(str, theirs))}, "
                f"the model {', '.join(map(str, ours))}",
                hint="give the float model that this one was quantised from",
            )
