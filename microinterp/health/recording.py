"""Records how values fill each tensor's range while samples run: counts by code, without copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tflite import TensorType

from microinterp.errors import Where
from microinterp.graph import Node, Tensor
from microinterp.trace import Trace

if TYPE_CHECKING:
    from microinterp.binding import Step
    from microinterp.interpreter import Interpreter

BINS = 64
"""Bars of a histogram."""
_FINE = 256  # counters of each tensor: one for each code of 8 bits


@dataclass(frozen=True)
class Use:
    """How samples fill a tensor's range.

    Attributes:
        tensor: the tensor.
        node: the op that writes it, None for an input of the model.
        position: which of the op's outputs, or of the model's inputs.
        samples, values: invokes in which it was written, and finite numbers in all of them.
        lowest, highest: the least and the greatest of them, as stored.
        at_lowest, at_highest: how many lie at the ends of `limits`; 0 where there are none.
        bins: BINS counts over `edges`.
        edges: ends of the histogram, as stored: of all codes, or around what was seen.
    """

    tensor: Tensor
    node: Node | None
    position: int
    samples: int
    values: int
    lowest: float
    highest: float
    at_lowest: int
    at_highest: int
    bins: tuple[int, ...]
    edges: tuple[float, float]

    @property
    def is_quantised(self) -> bool:
        """True for codes of 8 or 16 bits with a scale."""
        return is_quantised(self.tensor)

    @property
    def limits(self) -> tuple[int, int]:
        """Lowest and highest code of its type."""
        info = np.iinfo(self.tensor.dtype)
        return int(info.min), int(info.max)

    @property
    def where(self) -> Where:
        """Op and tensor."""
        if self.node is not None:
            return self.node.where(self.tensor)
        role = f"model input {self.position}"
        t = self.tensor
        return Where(t.subgraph, role=role, tensor_index=t.index, tensor_name=t.name)


def is_quantised(tensor: Tensor) -> bool:
    """True for codes of 8 or 16 bits that stand for real numbers."""
    is_small = tensor.dtype.kind in "iu" and tensor.dtype.itemsize <= 2
    return is_small and tensor.quantization is not None and bool(tensor.scale > 0)


def record_uses(
    interpreter: Interpreter, samples: Sequence[npt.NDArray[Any]], advance: Any = None
) -> tuple[Use, ...]:
    """Run samples and count: the model's inputs first, then outputs in the order of execution.

    Args:
        interpreter: its state goes on from sample to sample.
        samples: one array [n, *shape] per model input; a model without inputs runs once.
        advance: called with the number of samples done.

    Raises:
        InputError: as Interpreter.set_input and invoke.
    """
    recorder = Recorder()
    count = len(samples[0]) if samples else 1
    inputs = interpreter.graph.main.inputs
    for number in range(count):
        for index, array in enumerate(samples):
            recorder.take_input(inputs[index], index, array[number])
            interpreter.set_input(array[number], index)
        interpreter.invoke(recorder)
        if advance is not None:
            advance(number + 1)
    return tuple(recorder.uses())


class Recorder(Trace):
    """The hook that counts what each op writes."""

    def __init__(self) -> None:
        self._counters: dict[tuple[int, int, int], _Counter] = {}

    def take_input(self, tensor: Tensor, position: int, values: npt.NDArray[Any]) -> None:
        """Count an input of the model, which no op writes."""
        self._count((-1, 0, position), tensor, None, values)

    def after(self, step: Step) -> None:
        """Count the op's outputs."""
        node = step.node.node
        pairs = zip(step.arrays.outputs, node.outputs, strict=True)
        for position, (array, tensor) in enumerate(pairs):
            self._count((node.subgraph, node.index, position), tensor, node, array)

    def uses(self) -> Iterator[Use]:
        """What was counted so far; tensors without finite values are left out."""
        for (_, _, position), counter in self._counters.items():
            if counter.values:
                yield counter.use(position)

    def _count(
        self,
        key: tuple[int, int, int],
        tensor: Tensor,
        node: Node | None,
        values: npt.NDArray[Any],
    ) -> None:
        if tensor.type_code == TensorType.RESOURCE or tensor.dtype.kind not in "iuf":
            return
        if key not in self._counters:
            make = _Codes if _has_few_bits(tensor) else _Spread
            self._counters[key] = make(tensor, node)
        if values.size:
            self._counters[key].take(values)


def _has_few_bits(tensor: Tensor) -> bool:
    return tensor.dtype.kind in "iu" and tensor.dtype.itemsize <= 2


@dataclass
class _Counter:
    tensor: Tensor
    node: Node | None
    samples: int = 0
    values: int = 0
    lowest: float = np.inf
    highest: float = -np.inf
    counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(_FINE, np.int64))

    def take(self, values: npt.NDArray[Any]) -> None:
        """Count an array."""
        raise NotImplementedError

    def use(self, position: int) -> Use:
        """The figures so far."""
        raise NotImplementedError

    def _made(
        self,
        position: int,
        ends: tuple[int, int],
        counts: npt.NDArray[np.int64],
        edges: tuple[float, float],
    ) -> Use:
        bins = counts.reshape(BINS, -1).sum(axis=1).tolist()
        return Use(
            self.tensor, self.node, position, self.samples, self.values,
            self.lowest, self.highest, *ends, tuple(bins), edges,
        )  # fmt: skip


@dataclass
class _Codes(_Counter):
    """Integers of 8 or 16 bits: every code has a counter, or every 256 of them."""

    at_lowest: int = 0
    at_highest: int = 0

    def take(self, values: npt.NDArray[Any]) -> None:
        info = np.iinfo(values.dtype)
        flat = values.reshape(-1)
        steps = flat.astype(np.int64) - int(info.min)
        counts = np.bincount(steps // ((int(info.max) - int(info.min) + 1) // _FINE))
        self.counts[: len(counts)] += counts
        self.samples += 1
        self.values += flat.size
        self.lowest = min(self.lowest, int(flat.min()))
        self.highest = max(self.highest, int(flat.max()))
        self.at_lowest += int(np.count_nonzero(flat == info.min))
        self.at_highest += int(np.count_nonzero(flat == info.max))

    def use(self, position: int) -> Use:
        info = np.iinfo(self.tensor.dtype)
        ends = self.at_lowest, self.at_highest
        return self._made(position, ends, self.counts, (int(info.min), int(info.max) + 1))


@dataclass
class _Spread(_Counter):
    """Numbers without a range of their own: counters from -reach to reach, which doubles."""

    reach: float = 2.0**-20

    def take(self, values: npt.NDArray[Any]) -> None:
        flat = values.reshape(-1).astype(np.float64)
        flat = flat[np.isfinite(flat)]
        self.samples += 1
        if not flat.size:
            return
        self.values += flat.size
        self.lowest = min(self.lowest, float(flat.min()))
        self.highest = max(self.highest, float(flat.max()))
        while max(-self.lowest, self.highest) >= self.reach:
            self._double()
        half = _FINE // 2
        steps = np.floor(flat / self.reach * half).astype(np.int64) + half
        self.counts += np.bincount(steps, minlength=_FINE)

    def _double(self) -> None:
        """Twice the reach: two counters become one, around the middle."""
        self.reach *= 2
        quarter = _FINE // 4
        halved = self.counts.reshape(-1, 2).sum(axis=1)
        self.counts[...] = 0
        self.counts[quarter : 3 * quarter] = halved

    def use(self, position: int) -> Use:
        """The half that holds numbers, if only one does, twice as fine."""
        if self.lowest >= 0:
            half, edges = self.counts[_FINE // 2 :], (0.0, self.reach)
        elif self.highest <= 0 and not self.counts[_FINE // 2]:
            half, edges = self.counts[: _FINE // 2], (-self.reach, 0.0)
        else:
            half, edges = self.counts, (-self.reach, self.reach)
        return self._made(position, (0, 0), half, edges)
