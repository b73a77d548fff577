"""One op alone: its kernel, any kernel for it, over n samples of given inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tflite import TensorType

from microinterp.compare.told import Array
from microinterp.graph import Node, Tensor
from microinterp.prepare import Arrays, Kernel, PreparedNode, Status


@dataclass(frozen=True, eq=False)
class OpInputs:
    """What goes into an op: [n, *shape] per input that is computed, None for all others."""

    arrays: tuple[Array | None, ...]
    samples: int

    def part(self, samples: slice) -> OpInputs:
        """The same of some samples."""
        cut = tuple(None if a is None else a[samples] for a in self.arrays)
        return OpInputs(cut, len(range(*samples.indices(self.samples))))


def can_be_isolated(item: PreparedNode) -> bool:
    """True if the op's outputs follow from its inputs and its own state alone."""
    tensors = [t for t in (*item.node.inputs, *item.node.outputs) if t is not None]
    return (
        item.node.subgraph == 0
        and not item.kernel.subgraphs
        and not item.kernel.keeps_outputs
        and not any(t.type_code == TensorType.RESOURCE for t in tensors)
    )


def run_op(node: Node, kernel: Kernel, given: OpInputs) -> tuple[Array, ...] | None:
    """Outputs [n, *shape] of an op; None where it cannot work with these numbers.

    Samples run in order and state goes on, from its start.
    A changed node may have fewer inputs than are given: those at the end are left out.
    """
    given = OpInputs(given.arrays[: len(node.inputs)], given.samples)
    is_stateful = kernel.state or any(t is not None and t.is_variable for t in node.inputs)
    with np.errstate(all="ignore"):
        if not is_stateful and given.samples and any(a is not None for a in given.arrays):
            return _all_at_once(node, kernel, given)
        return _one_by_one(node, kernel, given)


def _all_at_once(node: Node, kernel: Kernel, given: OpInputs) -> tuple[Array, ...] | None:
    inputs = tuple(
        t.data if array is None and t is not None else array
        for t, array in zip(node.inputs, given.arrays, strict=True)
    )
    outputs = tuple(np.zeros((given.samples, *t.shape), t.dtype) for t in node.outputs)
    arrays = Arrays(inputs, outputs, scratch=_scratch(kernel))
    return outputs if _is_good(kernel, arrays) else None


def _one_by_one(node: Node, kernel: Kernel, given: OpInputs) -> tuple[Array, ...] | None:
    outputs = tuple(np.zeros((given.samples, *t.shape), t.dtype) for t in node.outputs)
    kept = {i: _start(t) for i, t in enumerate(node.inputs) if t and t.is_variable}
    state = tuple(np.full(s.nbytes, s.fill, np.uint8) for s in kernel.state)
    for sample in range(given.samples):
        inputs = tuple(
            kept.get(i, t.data if t is not None else None) if array is None else array[sample, ...]
            for i, (t, array) in enumerate(zip(node.inputs, given.arrays, strict=True))
        )
        here = tuple(o[sample, ...] for o in outputs)  # a view, of a scalar too
        arrays = Arrays(inputs, here, _scratch(kernel), state)
        if not _is_good(kernel, arrays):
            return None
    return outputs


def _is_good(kernel: Kernel, arrays: Arrays) -> bool:
    return kernel.evaluate(kernel.params, arrays) in (None, Status.OK)


def _scratch(kernel: Kernel) -> tuple[Array, ...]:
    return tuple(np.zeros(nbytes, np.uint8) for nbytes in kernel.scratch)


def _start(tensor: Tensor) -> Array:
    """A variable's first contents, as in TFLM: int8 ones start at their zero point."""
    fill = tensor.zero_point if tensor.dtype == np.int8 else 0
    return np.full(tensor.shape, fill, tensor.dtype)
