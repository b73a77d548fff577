"""Fast twins of the plain kernels, each taken only where it is proved to give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from types import FunctionType, MappingProxyType

from microinterp.fast_path import Fast
from microinterp.graph import Node
from microinterp.kernels.common import Evaluate
from microinterp.kernels.fast import (
    casts,
    convolution,
    dense,
    depthwise,
    inexact,
    max_pool,
    moves,
    pairs,
    softmax,
    tables,
    ufuncs,
)
from microinterp.kernels.filters import Int4Filter, SampleBySample
from microinterp.prepare import Chooser, Kernel

_FAMILIES = (
    casts,
    convolution,
    dense,
    depthwise,
    max_pool,
    moves,
    pairs,
    softmax,
    tables,
    ufuncs,
)
CHOOSERS: Mapping[Evaluate, Chooser] = MappingProxyType(
    {evaluate: choose for family in _FAMILIES for evaluate, choose in family.CHOOSERS.items()}
)
"""By the evaluate function of the plain kernel: kernels that users register stay as they are."""


def choose(node: Node, kernel: Kernel) -> Fast | str:
    """The fast twin of a prepared node, or why the plain kernel runs."""
    return _choose(CHOOSERS, node, kernel)


def choose_inexact(node: Node, kernel: Kernel) -> Fast | str:
    """The same, where float layers need not have TFLM's bits."""
    return _choose({**CHOOSERS, **inexact.CHOOSERS}, node, kernel)


def _choose(choosers: Mapping[Evaluate, Chooser], node: Node, kernel: Kernel) -> Fast | str:
    evaluate = kernel.evaluate
    if all(tensor is None or tensor.is_constant for tensor in node.inputs):
        return "its inputs are constant"  # in a batch they lack the axis that its outputs have
    if isinstance(evaluate, SampleBySample):
        return "its filter or bias is computed"
    if isinstance(evaluate, Int4Filter):
        evaluate = evaluate.evaluate
    chooser = choosers.get(evaluate) if isinstance(evaluate, FunctionType) else None
    return chooser(node, kernel) if chooser is not None else "no fast form"
