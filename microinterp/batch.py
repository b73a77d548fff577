"""Many samples at once: the same kernels on arrays with one more leading axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.binding import Binding, make_step
from microinterp.fast_path import Workspace
from microinterp.graph import Tensor
from microinterp.prepare import Arrays, Prepared

CHUNK_BYTES = 4 << 20
"""Tensor bytes of one chunk of a batch: bounds memory, and stays within reach of the caches."""


def run_batch(
    prepared: Prepared, binding: Binding, inputs: list[npt.NDArray[Any]]
) -> tuple[npt.NDArray[Any], ...]:
    """Run samples [N, ...] and return outputs [N, ...], equal to N single runs.

    A model with state, or with control flow, runs sample after sample in its own arena.
    """
    main = prepared.graph.main
    samples = len(inputs[0]) if inputs else 0
    outputs = tuple(np.empty((samples, *t.shape), t.dtype) for t in main.outputs)
    if prepared.is_stateful:
        _run_in_order(binding, inputs, outputs)
        return outputs
    per_sample = sum(t.nbytes for t in main.tensors if t.data is None)
    chunk = max(1, min(samples, CHUNK_BYTES // max(1, per_sample)))
    for start in range(0, samples, chunk):
        part = slice(start, min(start + chunk, samples))
        results = _run_chunk(prepared, [array[part] for array in inputs])
        for output, result in zip(outputs, results, strict=True):
            output[part] = result
    return outputs


def _run_in_order(
    binding: Binding, inputs: list[npt.NDArray[Any]], outputs: tuple[npt.NDArray[Any], ...]
) -> None:
    main = binding.prepared.graph.main
    for i in range(len(outputs[0]) if outputs else 0):
        for tensor, array in zip(main.inputs, inputs, strict=True):
            binding.of(tensor)[...] = array[i]
        binding.run()
        for tensor, output in zip(main.outputs, outputs, strict=True):
            output[i] = binding.of(tensor)


def _run_chunk(prepared: Prepared, inputs: list[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    main = prepared.graph.main
    samples = len(inputs[0])
    arrays: dict[int, npt.NDArray[Any]] = {
        tensor.index: array for tensor, array in zip(main.inputs, inputs, strict=True)
    }

    def of(tensor: Tensor) -> npt.NDArray[Any]:
        if tensor.data is not None:
            return tensor.data
        if tensor.index not in arrays:
            arrays[tensor.index] = np.empty((samples, *tensor.shape), tensor.dtype)
        return arrays[tensor.index]

    workspace = Workspace()
    with np.errstate(all="ignore"):
        for item in prepared.subgraphs[0]:
            node = item.node
            ins = tuple(None if t is None else of(t) for t in node.inputs)
            make_step(item, Arrays(ins, tuple(of(t) for t in node.outputs)), workspace)()
    # An output that is constant, or an input passed through, has no producer here.
    return [np.broadcast_to(of(t), (samples, *t.shape)) for t in main.outputs]
