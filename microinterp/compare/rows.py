"""Compares what two sides have written, tensor by tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from microinterp.compare.comparison import OutputRow, Row
from microinterp.compare.isolated import OpInputs, can_be_isolated, run_op
from microinterp.compare.norms import norms
from microinterp.compare.running import execution_order
from microinterp.compare.told import Account, Array, Told
from microinterp.graph import Graph, Tensor
from microinterp.inputs import dequantise
from microinterp.prepare import Prepared, PreparedNode
from microinterp.sides import Observed, Place

_SCORES = frozenset({"SOFTMAX", "LOG_SOFTMAX", "LOGISTIC"})
_MAY_END = frozenset({"CIRCULAR_BUFFER"})
_FORMS = frozenset({"RESHAPE", "QUANTIZE", "DEQUANTIZE", "SQUEEZE", "EXPAND_DIMS"})


@dataclass(frozen=True, eq=False)
class Case:
    """Two sides' accounts of the same samples.

    Attributes:
        inputs: of the model, [n, *shape] each, as we were given them.
    """

    prepared: Prepared
    inputs: Sequence[Array]
    ours: Observed
    theirs: Account

    def items(self) -> list[PreparedNode]:
        """Every op that can run, in the order in which they do."""
        return [self.prepared.subgraphs[s][i] for s, i in execution_order(self.prepared)]

    def places(self, item: PreparedNode) -> list[Place]:
        """Tensors with contents that an op writes."""
        node = item.node
        known = self.ours.tensors
        keys = ((node.subgraph, node.index, tensor.index) for tensor in node.outputs)
        return [place for place in keys if place in known]

    def tensor(self, place: Place) -> Tensor:
        """The tensor at a place."""
        return self.prepared.graph.subgraphs[place[0]].tensors[place[2]]

    def given_to(self, item: PreparedNode, assume: bool = False) -> OpInputs | None:
        """What the other side has fed to an op; None where that is not told, or not all there is.

        With `assume`, what is not told is taken to be what we have.
        """
        if self._hangs_on_others(item):
            return None
        arrays: list[Array | None] = []
        for tensor in item.node.inputs:
            if tensor is None or tensor.data is not None or tensor.is_variable:
                arrays.append(None)
                continue
            found = self._told_value(item, tensor, assume)
            if found is None:
                return None
            arrays.append(found)
        return OpInputs(tuple(arrays), self.theirs.samples)

    def _hangs_on_others(self, item: PreparedNode) -> bool:
        """True if other ops use its variables, or one before it may end the invoke early."""
        nodes, mine = self.prepared.graph.main.nodes, item.node
        variables = [t for t in mine.inputs if t is not None and t.is_variable]
        others = (node for node in nodes if node.index != mine.index)
        shared = any(
            tensor is variable
            for node in (others if variables else ())
            for tensor in (*node.inputs, *node.outputs)
            for variable in variables
        )
        return shared or any(n.name in _MAY_END for n in nodes[: mine.index])

    def _told_value(self, item: PreparedNode, tensor: Tensor, assume: bool) -> Array | None:
        place = self._writer(item, tensor)
        if place is not None:
            mine = self.ours.tensors.get(place)
            return _known(mine, self.theirs.tensors.get(place), assume)
        for position, each in enumerate(self.prepared.graph.main.inputs):
            if each is tensor:
                told = self.theirs.inputs[position] if self.theirs.inputs else None
                return self.inputs[position] if told is None else told
        return None

    def _writer(self, item: PreparedNode, tensor: Tensor) -> Place | None:
        """The op before that has written a tensor."""
        nodes = self.prepared.graph.subgraphs[item.node.subgraph].nodes
        for other in reversed(nodes[: item.node.index]):
            if any(tensor is each for each in other.outputs):
                return other.subgraph, other.index, tensor.index
        return None


def _known(mine: Array | None, told: Told | None, assume: bool) -> Array | None:
    if told is None:
        return mine if assume else None
    if told.values is not None:
        return told.values
    return mine if mine is not None and (assume or told.equals(mine)) else None


def rows_of(case: Case) -> list[Row]:
    """A row for each tensor that an op writes, in the order in which ops run."""
    found: list[Row] = []
    for item in case.items():
        alone = _alone(case, item)
        for number, place in enumerate(case.places(item)):
            found.append(_row(case, item, place, alone[number] if alone else None))
    return found


def _alone(case: Case, item: PreparedNode) -> tuple[Array, ...] | None:
    """What our op makes of the other side's inputs, in the order of case.places(item)."""
    places = case.places(item)
    if not can_be_isolated(item) or not any(p in case.theirs.tensors for p in places):
        return None
    given = case.given_to(item)
    if given is None:
        return None
    if _is_ours(case, item, given):
        return tuple(case.ours.tensors[place] for place in places)
    outputs = run_op(item.node, item.kernel, given)
    if outputs is None:
        return None
    by_tensor = {t.index: o for t, o in zip(item.node.outputs, outputs, strict=True)}
    return tuple(by_tensor[place[2]] for place in places)


def _is_ours(case: Case, item: PreparedNode, given: OpInputs) -> bool:
    """True if the other side's inputs of an op are ours, so that nothing needs to run again."""
    mine = Case(
        case.prepared, case.inputs, case.ours, Account("", "", case.theirs.samples, (), ())
    ).given_to(item, assume=True)
    return mine is not None and all(
        a is b or (a is not None and b is not None and np.array_equal(a, b))
        for a, b in zip(given.arrays, mine.arrays, strict=True)
    )


def _row(case: Case, item: PreparedNode, place: Place, alone: Array | None) -> Row:
    node, tensor = item.node, case.tensor(place)
    mine, told = case.ours.tensors[place], case.theirs.tensors.get(place)
    common: dict[str, Any] = {
        "subgraph": node.subgraph,
        "index": node.index,
        "name": node.name,
        "tensor": tensor.index,
        "tensor_name": tensor.name,
        "type": tensor.type_name,
        "elements": mine.size,
    }
    if told is None:
        return Row(**common, told="no")
    differs = told.differs(mine)
    isolated = None if alone is None else told.differs(alone)
    if told.values is None:
        return Row(
            **common,
            told="crc",
            differing_samples=int(differs.sum()),
            isolated_differing=None if isolated is None else int(isolated.sum()),
        )
    return Row(
        **common,
        told="values",
        differing=int(differs.sum()),
        differing_samples=samples_of(differs),
        max_difference=largest(mine, told.values),
        isolated_differing=None if isolated is None else int(isolated.sum()),
        isolated_max_difference=None if alone is None else largest(alone, told.values),
        norms=norms(dequantise(mine, tensor), dequantise(told.values, tensor)),
    )


def samples_of(differs: Array) -> int:
    """How many samples have a difference."""
    return int(differs.reshape(len(differs), -1).any(axis=1).sum())


def largest(a: Array, b: Array) -> float:
    """Largest difference of two arrays; NaN counts as infinitely far from a number."""
    if not a.size:
        return 0.0
    if a.dtype.kind in "iub":
        high, low = np.maximum(a, b), np.minimum(a, b)
        return float((high.astype(np.uint64) - low.astype(np.uint64)).max())  # modulo 2^64
    with np.errstate(all="ignore"):
        apart = np.abs(a.astype(np.float64) - b.astype(np.float64))
    apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, apart)  # infinities too
    return float(np.where(np.isnan(apart), np.inf, apart).max())


def outputs_of(case: Case) -> list[OutputRow]:
    """A row for each output of the model."""
    found = []
    for i, tensor in enumerate(case.prepared.graph.main.outputs):
        mine = case.ours.outputs[i]
        told = case.theirs.outputs[i] if i < len(case.theirs.outputs) else None
        differs = None if told is None else told.differs(mine)
        values = None if told is None else told.values
        found.append(
            OutputRow(
                output=i,
                tensor_name=tensor.name,
                type=tensor.type_name,
                elements=mine.size,
                told="no" if told is None else "crc" if values is None else "values",
                differing=None if values is None or differs is None else int(differs.sum()),
                differing_samples=None if differs is None else samples_of(differs),
                max_difference=None if values is None else largest(mine, values),
                norms=None
                if values is None
                else norms(
                    dequantise(mine, tensor),
                    dequantise(values, tensor),
                    has_scores(case.prepared.graph, tensor),
                ),
            )
        )
    return found


def has_scores(graph: Graph, output: Tensor) -> bool:
    """True if an output holds scores of classes: a SOFTMAX or its like has written it."""
    wanted = output
    for node in reversed(graph.main.nodes):
        if not any(wanted is each for each in node.outputs):
            continue
        if node.name in _SCORES:
            return output.elements > 1
        if node.name not in _FORMS or node.inputs[0] is None:
            return False
        wanted = node.inputs[0]
    return False
