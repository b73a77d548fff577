"""Many samples at once: the same kernels on arrays with one more leading axis, chunk by chunk."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.arena.plan import Plan
from microinterp.binding import Binding, make_step
from microinterp.fast_path import Workspace, one_blas_thread
from microinterp.graph import Tensor
from microinterp.prepare import Arrays, Prepared

Array = npt.NDArray[Any]

CHUNK_BYTES = 4 << 20
"""Arena of one chunk where the caller sets no bound: within reach of the caches."""
_BYTES_WORTH_A_THREAD = 1 << 20
"""Tensor bytes of a whole batch below which a second thread costs more than it brings."""


class Chunk:
    """A model's main subgraph bound to a fixed number of samples.

    Its arena is the plan's, each offset and size `samples` times as large.
    """

    def __init__(self, prepared: Prepared, plan: Plan, samples: int) -> None:
        self.samples = samples
        self._main, self._plan = prepared.graph.main, plan
        self._memory = np.empty(plan.head_bytes * samples, np.uint8)
        self._arrays = {t.index: self._place(t) for t in self._main.tensors}
        workspace = Workspace()
        self._steps = [
            make_step(
                item,
                Arrays(
                    tuple(None if t is None else self._of(t) for t in item.node.inputs),
                    tuple(self._of(t) for t in item.node.outputs),
                ),
                workspace,
            )
            for item in prepared.subgraphs[0]
        ]

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Run inputs [samples, ...] and fill outputs [samples, ...]."""
        for tensor, array in zip(self._main.inputs, inputs, strict=True):
            self._of(tensor)[...] = array
        with np.errstate(all="ignore"):
            for step in self._steps:
                step()
        for tensor, array in zip(self._main.outputs, outputs, strict=True):
            array[...] = self._of(tensor)  # a constant output has no leading axis

    def _of(self, tensor: Tensor) -> Array:
        return self._arrays[tensor.index]

    def _place(self, tensor: Tensor) -> Array:
        if tensor.data is not None:
            return tensor.data
        shape = (self.samples, *tensor.shape)
        offset = self._plan.tensors.get((tensor.subgraph, tensor.index))
        if offset is None:
            return np.empty(shape, tensor.dtype)
        start, nbytes = offset * self.samples, tensor.nbytes * self.samples
        return self._memory[start : start + nbytes].view(tensor.dtype).reshape(shape)


@dataclass(frozen=True)
class Split:
    """How a batch is cut into chunks of `samples`; the last one may lie over another's end."""

    total: int
    samples: int
    threads: int

    @property
    def parts(self) -> list[slice]:
        """The samples of each chunk."""
        starts = range(0, self.total, self.samples)
        return [slice(min(s, self.total - self.samples), s + self.samples) for s in starts]


class Batches:
    """Runs batches of one model, and keeps the chunks that it has bound for the next batch."""

    def __init__(self, prepared: Prepared, plan: Plan) -> None:
        self._prepared, self._plan = prepared, plan
        self._idle: dict[int, list[Chunk]] = defaultdict(list)

    def run(
        self, inputs: Sequence[Array], max_bytes: int | None, threads: int | None
    ) -> tuple[Array, ...]:
        """Run samples [N, ...] and return outputs [N, ...], equal to N single runs.

        Args:
            inputs: one array [N, *shape] per input.
            max_bytes, threads: as for Interpreter.run_batch.
        """
        main = self._prepared.graph.main
        total = len(inputs[0]) if inputs else 0
        outputs = tuple(np.empty((total, *t.shape), t.dtype) for t in main.outputs)
        if total:
            split = self._split(total, max_bytes, threads)
            chunks = self._take(split)
            with one_blas_thread:
                _run_parts(chunks, split.parts, inputs, outputs)
            self._idle = defaultdict(list, {split.samples: chunks})
        return outputs

    def _take(self, split: Split) -> list[Chunk]:
        """Chunks for each thread; nobody else has them until they are given back."""
        idle, chunks = self._idle.pop(split.samples, []), []
        for _ in range(split.threads):
            chunks.append(idle.pop() if idle else Chunk(self._prepared, self._plan, split.samples))
        return chunks

    def _split(self, total: int, max_bytes: int | None, threads: int | None) -> Split:
        per_sample = max(1, self._plan.head_bytes)
        if threads is None:
            tensors = self._prepared.graph.main.tensors
            work = total * sum(t.nbytes for t in tensors if t.data is None)
            threads = min(usable_cpus(), 1 + work // _BYTES_WORTH_A_THREAD)
            if max_bytes is not None:
                threads = min(threads, max(1, max_bytes // per_sample))
        at_once = (CHUNK_BYTES if max_bytes is None else max_bytes // threads) // per_sample
        threads = min(threads, total)
        rounds = -(-total // (threads * max(1, at_once)))
        return Split(total, -(-total // (threads * rounds)), threads)


def _run_parts(
    chunks: Sequence[Chunk],
    parts: Sequence[slice],
    inputs: Sequence[Array],
    outputs: Sequence[Array],
) -> None:
    """Each chunk takes the next part until none is left."""
    waiting: SimpleQueue[slice] = SimpleQueue()
    for part in parts:
        waiting.put(part)

    def next_part() -> slice | None:
        try:
            return waiting.get_nowait()  # another thread may have taken the last one
        except Empty:
            return None

    def work(chunk: Chunk) -> None:
        while (part := next_part()) is not None:
            chunk.run([a[part] for a in inputs], [a[part] for a in outputs])

    if len(chunks) == 1:
        work(chunks[0])
        return
    with ThreadPoolExecutor(len(chunks) - 1) as pool:
        others = [pool.submit(work, chunk) for chunk in chunks[1:]]
        work(chunks[0])  # this thread is awake already
        for other in others:
            other.result()


def run_in_order(binding: Binding, inputs: Sequence[Array]) -> tuple[Array, ...]:
    """The same for a model with state or control flow: one sample after the other in its arena."""
    main = binding.prepared.graph.main
    total = len(inputs[0]) if inputs else 0
    outputs = tuple(np.empty((total, *t.shape), t.dtype) for t in main.outputs)
    for i in range(total):
        for tensor, array in zip(main.inputs, inputs, strict=True):
            binding.of(tensor)[...] = array[i]
        binding.run()
        for tensor, output in zip(main.outputs, outputs, strict=True):
            output[i] = binding.of(tensor)
    return outputs


def usable_cpus() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
