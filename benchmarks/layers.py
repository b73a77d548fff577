"""Where the time goes: steps of loading, seconds of each op, and the machine's matrix product."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.runtimes import Sample
from microinterp.arena.plan import plan
from microinterp.binding import bind
from microinterp.graph import Node, build
from microinterp.inspect_model import inspect_model
from microinterp.kernels import chooser_of, default_registry
from microinterp.model import load
from microinterp.prepare import prepare
from microinterp.quant.profile import get_profile
from microinterp.trace import Timer
from microinterp.verify import verify

PRODUCT_SIDE = 1024
PRODUCT_SECONDS = 0.4


@dataclass(frozen=True)
class Layer:
    """One op of a model that multiplies.

    Attributes:
        index, name, shape, macs: which one it is.
        how: the form of its kernel, and why that is exact (or why the plain one runs).
        seconds: median in a single invoke.
        rate: multiply-accumulates a second that it reaches.
        product_rate: the same of a matrix product of its shape alone, one thread; None where
            the layer is no matrix product (depthwise).
    """

    index: int
    name: str
    shape: tuple[int, ...]
    macs: int
    how: str
    seconds: float
    rate: float
    product_rate: float | None


def stage_seconds(data: bytes) -> dict[str, float]:
    """Processor seconds of each step from a file's bytes to an interpreter and its first invoke."""
    seconds: dict[str, float] = {}

    def step(name: str, call: Callable[[], Any]) -> Any:
        start = time.process_time()
        value = call()
        seconds[name] = time.process_time() - start
        return value

    model = step("load", lambda: load(data))
    step("verify", lambda: verify(model))
    graph = step("build", lambda: build(model))
    context = default_registry(), get_profile("tflm"), chooser_of("auto")
    prepared = step("prepare", lambda: prepare(graph, *context))
    planned = step("plan", lambda: plan(prepared))
    binding = step("bind", lambda: bind(prepared, planned))
    step("first invoke", binding.run)
    return seconds


def op_seconds(runtime: Any, samples: Sequence[Sample], budget: float) -> dict[int, float]:
    """Median seconds of each op of the main subgraph of a loaded interpreter of ours."""
    interpreter = runtime.interpreter
    rows: dict[int, list[float]] = {}
    end = time.perf_counter() + budget
    turn = 0
    while turn < 3 or time.perf_counter() < end:
        for i, array in enumerate(samples[turn % len(samples)]):
            interpreter.set_input(array, i)
        timer = Timer()
        interpreter.invoke(timer)
        turn += 1
        for (subgraph, index), seconds in timer.seconds.items():
            if subgraph == 0:
                rows.setdefault(index, []).append(seconds)
    return {index: statistics.median(times) for index, times in rows.items()}


def product_limit(threads: int) -> float:
    """Multiply-accumulates a second of a large float32 matrix product; the best of some."""
    return _product_rate(PRODUCT_SIDE, PRODUCT_SIDE, PRODUCT_SIDE, threads, PRODUCT_SECONDS)


def _product_rate(rows: int, inner: int, columns: int, threads: int, budget: float) -> float:
    rng = np.random.default_rng(0)
    a = rng.random((rows, inner), np.float32)
    b = rng.random((inner, columns), np.float32)
    out = np.empty((rows, columns), np.float32)
    best = np.inf
    with threadpool_limits(threads, user_api="blas"):
        np.matmul(a, b, out=out)
        end = time.perf_counter() + budget
        while time.perf_counter() < end:
            start = time.perf_counter()
            np.matmul(a, b, out=out)
            best = min(best, time.perf_counter() - start)
    return rows * inner * columns / float(best)


def copy_limit() -> float:
    """Bytes a second of copying an array that no cache holds, one thread; the best of some."""
    source = np.ones(16 << 20, np.float32)
    target = np.empty_like(source)
    best = np.inf
    for _ in range(6):
        start = time.perf_counter()
        np.copyto(target, source)
        best = min(best, time.perf_counter() - start)
    return source.nbytes / float(best)


def layers(data: bytes, prepared: Any, seconds: dict[int, float]) -> list[Layer]:
    """The ops that multiply, with what they reach; `seconds` by op of the main subgraph."""
    macs = {op.index: op.macs for op in inspect_model(data).subgraphs[0].ops}
    found = []
    for item in prepared.subgraphs[0]:
        node = item.node
        took = seconds.get(node.index)
        if not macs[node.index] or not took:
            continue
        shape = _product_shape(node)
        limit = _product_rate(*shape, 1, 0.01) if shape else None
        rate = macs[node.index] / took
        place = node.outputs[0].shape
        found.append(
            Layer(node.index, node.name, place, macs[node.index], item.why, took, rate, limit)
        )
    return found


def _product_shape(node: Node) -> tuple[int, int, int] | None:
    """Rows, inner size, columns of the matrix product that a layer amounts to."""
    if node.name not in ("CONV_2D", "FULLY_CONNECTED") or node.inputs[1] is None:
        return None
    filters = node.inputs[1].shape
    columns = filters[0]
    return node.outputs[0].elements // columns, int(np.prod(filters[1:])), columns
