"""What the tests of fast twins share: a node's twin and its plain kernel on the same arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from microinterp.fast_path import Fast, Workspace
from microinterp.graph import Tensor
from microinterp.interpreter import prepare_model
from microinterp.kernels.fast import CHOOSERS, choose
from microinterp.kernels.fast.names import plain_name
from microinterp.prepare import Arrays, PreparedNode
from tests.differential.case import Case
from tests.differential.cases import all_cases
from tests.ops.movement import random_constant
from tests.ops.strategies import seeds

Array = npt.NDArray[Any]


def only_node(data: bytes, profile: str = "tflm") -> PreparedNode:
    """The only op of a model, with its plain kernel."""
    ((node,),) = prepare_model(data, profile, kernels="plain").subgraphs
    return node


def twin_of(node: PreparedNode) -> Fast | str:
    """The fast twin of a node, or why there is none."""
    return choose(node.node, node.kernel)


def fast_twin(node: PreparedNode) -> Fast:
    """The twin of a node that must have one."""
    twin = twin_of(node)
    assert isinstance(twin, Fast), twin
    return twin


def check_twin(
    node: PreparedNode, twin: Fast, *runs: Sequence[Array], shift: int = 0
) -> tuple[Array, ...]:
    """Bind the twin once and compare every byte of its outputs with the plain kernel's.

    Args:
        runs: for one invoke after the other, an array for each computed input, of the file's shape
            or with one more leading axis.
        shift: bytes by which arrays are off any alignment.

    Returns:
        The outputs of the last run.
    """
    inputs = _operands(node, [misplaced(np.asarray(x), shift) for x in runs[0]])
    both = zip(inputs, node.node.inputs, strict=True)
    computed = [(x, t) for x, t in both if x is not None and t is not None and _is_computed(t)]
    samples = max((x.shape[: x.ndim - t.rank] for x, t in computed), default=())
    plain, fast = (
        tuple(_garbage((*samples, *t.shape), t.dtype, fill, shift) for t in node.node.outputs)
        for fill in (0x55, 0xAA)
    )
    calls = twin.bind(Arrays(inputs, fast), Workspace())
    for run in runs:
        for (target, _), source in zip(computed, run, strict=True):
            target[...] = source
        with np.errstate(all="ignore"):
            assert not node.kernel.evaluate(node.kernel.params, Arrays(inputs, plain))
            for call in calls:
                call()
        for want, have in zip(plain, fast, strict=True):
            assert have.tobytes() == want.tobytes(), twin.how
    return fast


def random_run(
    node: PreparedNode, rng: np.random.Generator, samples: tuple[int, ...] = ()
) -> list[Array]:
    """Random elements over the whole range of each computed input's type."""
    tensors = [t for t in node.node.inputs if t is not None and _is_computed(t)]
    return [random_constant(rng, (*samples, *t.shape), t.type_name) for t in tensors]


def misplaced(array: Array, shift: int) -> Array:
    """A writable copy that starts `shift` bytes off."""
    memory = np.empty(array.nbytes + 16, np.uint8)
    memory = memory[-memory.ctypes.data % 16 + shift :][: array.nbytes]
    copy = memory.view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def _garbage(shape: tuple[int, ...], dtype: np.dtype[Any], fill: int, shift: int) -> Array:
    size = int(np.prod(shape)) * dtype.itemsize
    return misplaced(np.full(size, fill, np.uint8).view(dtype).reshape(shape), shift)


def _is_computed(tensor: Tensor | None) -> bool:
    """A constant without elements has no data either."""
    return tensor is not None and tensor.data is None and tensor.elements > 0


def _operands(node: PreparedNode, computed: Sequence[Array]) -> tuple[Array | None, ...]:
    given_ = iter(computed)
    found: list[Array | None] = []
    for tensor in node.node.inputs:
        if _is_computed(tensor):
            found.append(next(given_))
        elif tensor is None or tensor.data is not None:
            found.append(tensor and tensor.data)
        else:
            found.append(np.empty(tensor.shape, tensor.dtype))
    return tuple(found)


def check_case(case: Case, models: int = 20) -> Counter[str]:
    """Check the twins of random models: alone and in a batch, on aligned arrays and on others.

    Returns:
        How many models had a twin, by what it says, and how many had none, by the reason.
    """
    seen: Counter[str] = Counter()

    @settings(max_examples=models)
    @given(data=case.models, seed=seeds(), shift=st.integers(0, 3))
    def check(data: bytes, seed: int, shift: int) -> None:
        node = only_node(data)
        if plain_name(node.kernel.evaluate) not in CHOOSERS:
            seen["no chooser"] += 1
            return
        twin = twin_of(node)
        if isinstance(twin, str):
            seen[twin] += 1
            return
        seen["twins"] += 1
        seen[twin.how] += 1
        graph = prepare_model(data, kernels="plain").graph
        drawn = case.draw(np.random.default_rng(seed), graph, 4)
        samples = [[x for x in sample if x.size] for sample in drawn if sample is not None]
        check_twin(node, twin, *samples, shift=shift)
        batch = [np.stack(arrays) for arrays in zip(*samples, strict=True)]
        check_twin(node, twin, batch, [array[::-1] for array in batch], shift=shift)

    check()
    return seen


def cases_of(*ops: str) -> list[Case]:
    """The differential cases of these operators."""
    found = [case for case in all_cases() if case.op in ops]
    assert {case.op for case in found} == set(ops)
    return found
