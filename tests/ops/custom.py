"""One-op models of custom ops, and inputs that reach the edges of fixed-point arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from flatbuffers import flexbuffers

from microinterp.graph import Graph
from microinterp.model_builder import ModelBuilder
from microinterp.runtimes.tflm import Sample
from tests.ops.movement import Constant, Input
from tests.oracle import random_input

Options = Mapping[str, Any]


def custom_options(options: Options) -> bytes:
    """A FlexBuffer map, its keys sorted as converters write them."""
    return bytes(flexbuffers.Dumps(dict(options)))


def custom_model(
    op: str,
    inputs: Sequence[Input | Constant],
    outputs: Sequence[Input],
    options: Options | bytes | None = None,
) -> bytes:
    """A model of one custom op; `options` a map, raw bytes, or None for none at all."""
    b = ModelBuilder()
    g = b.subgraph("main")
    ins = [
        g.input(f"in{i}", t.shape, t.dtype, t.scale, t.zero_point)
        if isinstance(t, Input)
        else g.constant(f"in{i}", t.values)
        for i, t in enumerate(inputs)
    ]
    outs = [
        g.tensor(f"out{i}", t.shape, t.dtype, t.scale, t.zero_point) for i, t in enumerate(outputs)
    ]
    raw = options if options is None or isinstance(options, bytes) else custom_options(options)
    g.custom_op(op, ins, outs, raw)
    for out in outs:
        g.output(out)
    return b.finish()


def signals(rng: np.random.Generator, graph: Graph, count: int) -> list[Sample]:
    """Numbers of every size: whole ranges, small ones, extremes and zeros; now and then a reset."""
    samples: list[Sample] = []
    for _ in range(count):
        samples.append([_signal(rng, random_input(rng, t)) for t in graph.main.inputs])
        if rng.integers(8) == 0:
            samples.append(None)
    return samples if samples[-1] is not None else samples[:-1]


def _signal(rng: np.random.Generator, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if x.dtype.kind not in "iu":
        return x
    info = np.iinfo(x.dtype)
    bits = info.bits
    kind = rng.integers(4)
    if kind == 1:
        x = x >> x.dtype.type(rng.integers(bits))
    elif kind == 2:  # every element of a size of its own
        x = x >> rng.integers(0, bits, x.shape).astype(x.dtype)
    if rng.integers(3) == 0:
        edges = np.array([info.min, info.max, 0, 1, info.min, info.max - 1], x.dtype)
        x = np.where(rng.random(x.shape) < 0.2, rng.choice(edges, x.shape), x)
    return x.astype(info.dtype)
