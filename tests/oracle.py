"""Comparing an interpreter of ours with TFLM's wheel: every integer tensor, every byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp import Interpreter
from microinterp.binding import Step
from microinterp.graph import Graph, Node, Tensor
from microinterp.runtimes.tflm import Sample, TflmRuntime
from microinterp.trace import Trace

COMPARED = ("int8", "int16", "int32", "int64", "uint8", "bool")


@dataclass
class Comparison:
    """What was compared: tensors, bytes, and which tensors took more than one value."""

    tensors: int = 0
    bytes: int = 0
    varied: set[tuple[int, int]] = field(default_factory=set)
    differing_bytes: int = 0
    first: str = ""


class Written(Trace):
    """Which tensors ops have written so far: those of a branch that was never taken hold anything.

    Attributes:
        keys: (subgraph, index).
    """

    def __init__(self) -> None:
        self.keys: set[tuple[int, int]] = set()

    def after(self, step: Step) -> None:
        self.keys.update((t.subgraph, t.index) for t in _written_by(step.node.node))


def random_input(rng: np.random.Generator, tensor: Tensor) -> npt.NDArray[Any]:
    """Random contents over the whole range of the element type; floats around [-4, 4]."""
    if tensor.dtype == np.bool_:
        return rng.integers(0, 2, tensor.shape).astype(np.bool_)
    if tensor.dtype.kind == "f":
        return (rng.standard_normal(tensor.shape) * 2).astype(tensor.dtype)
    info = np.iinfo(tensor.dtype)
    return rng.integers(info.min, info.max, tensor.shape, tensor.dtype, endpoint=True)


def random_samples(rng: np.random.Generator, graph: Graph, count: int) -> list[Sample]:
    """`count` random samples for the main subgraph."""
    return [[random_input(rng, t) for t in graph.main.inputs] for _ in range(count)]


def computed_tensors(graph: Graph, dtypes: Sequence[str] = COMPARED) -> list[Tensor]:
    """Every tensor that an op of any subgraph writes, of the given types, its state among them."""
    written = dict.fromkeys(tensor for node in graph.nodes() for tensor in _written_by(node))
    return [tensor for tensor in written if tensor.type_name in dtypes and tensor.nbytes]


def _written_by(node: Node) -> list[Tensor]:
    """Outputs of an op, and the variables that it may change."""
    return [*node.outputs, *(t for t in node.inputs if t is not None and t.is_variable)]


def compare_with_tflm(
    tflm: TflmRuntime,
    data: bytes,
    samples: Sequence[Sample],
    dtypes: Sequence[str] = COMPARED,
    **options: Any,
) -> Comparison:
    """Run both on the same samples (None resets) and compare every computed tensor."""
    ours = Interpreter.from_bytes(data, preserve_all_tensors=True, **options)
    tensors = computed_tensors(ours.graph, dtypes)
    keys = [(t.subgraph, t.index) for t in tensors]
    theirs = tflm.run(data, samples, keys)
    result = Comparison(tensors=len(keys))
    seen: dict[tuple[int, int], bytes] = {}
    invokes = iter(range(len(theirs.tensors)))
    written = Written()
    for sample in samples:
        if sample is None:
            ours.reset()
            continue
        for i, array in enumerate(sample):
            ours.set_input(array, i)
        ours.invoke(written)
        number = next(invokes)
        for key in written.keys & set(keys):
            want = theirs.tensors[number][key].tobytes()
            have = ours.get_tensor(key[1], key[0]).tobytes()
            if seen.setdefault(key, have) != have:
                result.varied.add(key)
            _count(result, have, want, f"invoke {number}, tensor {key}")
        for i, want_output in enumerate(theirs.outputs[number]):
            if str(want_output.dtype) in dtypes:
                have = ours.get_output(i).tobytes()
                _count(result, have, want_output.tobytes(), f"invoke {number}, output {i}")
    return result


def _count(result: Comparison, have: bytes, want: bytes, place: str) -> None:
    assert len(have) == len(want), place
    result.bytes += len(want)
    if have != want:
        differing = int(
            np.count_nonzero(np.frombuffer(have, np.uint8) != np.frombuffer(want, np.uint8))
        )
        result.differing_bytes += differing
        result.first = result.first or f"{place}: {differing} of {len(want)} bytes"


def check_model(
    tflm: TflmRuntime,
    data: bytes,
    rng: np.random.Generator,
    samples: int = 3,
    dtypes: Sequence[str] = COMPARED,
) -> Comparison:
    """The whole check of a random model: tensors against TFLM; arena; batch against single runs."""
    ours = Interpreter.from_bytes(data)
    inputs = random_samples(rng, ours.graph, samples)
    result = compare_with_tflm(tflm, data, inputs, dtypes)
    assert result.differing_bytes == 0, result.first
    singles = []
    for sample in inputs:
        for i, array in enumerate(sample or ()):
            ours.set_input(array, i)
        ours.invoke()
        singles.append([ours.get_output(i) for i in range(len(ours.graph.main.outputs))])
    if not ours.prepared.is_stateful and ours.graph.main.inputs:
        batch = [np.stack(arrays) for arrays in zip(*inputs, strict=True)]  # type: ignore[arg-type]
        for i, output in enumerate(ours.run_batch(*batch)):
            assert output.tobytes() == np.stack([s[i] for s in singles]).tobytes(), f"batch {i}"
    return result
