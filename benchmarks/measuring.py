"""Interleaved rounds over the runtimes, and the numbers that are kept of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.child import Child, RuntimeFailedError
from benchmarks.models import BenchModel
from benchmarks.runtimes import EXACT, SLOW


@dataclass(frozen=True)
class Settings:
    """How much is measured.

    Attributes:
        rounds: each runtime has one turn a round; a turn gives its median.
        turn_seconds: length of a turn; at least one run.
        batch: samples of one run_batch.
        checked: samples whose outputs are compared; `checked_slow` for the slow runtimes.
    """

    rounds: int = 7
    turn_seconds: float = 0.04
    batch: int = 256
    checked: int = 256
    checked_slow: int = 32

    @classmethod
    def quick(cls) -> Settings:
        return cls(rounds=3, turn_seconds=0.01, batch=64, checked=32, checked_slow=8)


@dataclass(frozen=True)
class Timing:
    """Seconds per sample: the median of the rounds, and their quartiles."""

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Timing:
        low, high = np.quantile(values, [0.25, 0.75])
        return cls(statistics.median(values), float(low), float(high), len(values))


@dataclass(frozen=True)
class Agreement:
    """Outputs of one runtime against TFLM's (or our fast ones, where TFLM does not run).

    Attributes:
        samples: how many were compared.
        elements: output elements that were compared.
        differing: how many of them differ.
        largest: largest difference, in steps of integer outputs.
    """

    samples: int
    elements: int
    differing: int
    largest: float


@dataclass
class ModelResult:
    """All that one model's turns gave; `failures` says by runtime why there is no time."""

    model: str
    macs: int
    stateful: bool
    reference: str = ""
    times: dict[str, Timing] = field(default_factory=dict)
    agreement: dict[str, Agreement] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def different(self) -> list[str]:
        """Runtimes that must equal the reference and do not."""
        return [n for n, a in self.agreement.items() if n in EXACT and a.differing]

    def ratio(self, name: str, to: str = "TFLM") -> float | None:
        """How many times faster `name` is than `to`; None where one of them did not run."""
        if name not in self.times or to not in self.times:
            return None
        return self.times[to].median / self.times[name].median


def measure_model(
    model: BenchModel,
    children: Mapping[str, Child],
    settings: Settings,
    progress: Callable[[str], None] = lambda text: None,
) -> ModelResult:
    """Compare every runtime's outputs on the same samples, then time them in turns."""
    result = ModelResult(model.name, model.macs, model.stateful)
    samples = model.samples(max(settings.batch, settings.checked))
    outputs: dict[str, list[Any]] = {}
    for name, child in children.items():
        progress(f"{model.name}: outputs of {name}")
        if model.stateful and name.startswith("XNNPACK batched"):
            result.failures[name] = "a model with state takes one sample after the other"
            continue
        count = settings.checked_slow if name in SLOW else settings.checked
        part = [array[:count] for array in samples]
        try:
            child.ask("load", model.data, model.outputs, count)
            outputs[name] = child.ask("outputs", part)
            if count != settings.batch and "batched" in name:
                child.ask("load", model.data, model.outputs, settings.batch)
        except RuntimeFailedError as error:
            result.failures[name] = str(error)
    _agree(result, outputs)
    part = [array[: settings.batch] for array in samples]
    able = {name: child for name, child in children.items() if name in outputs}
    times = in_turns(
        {n: turn_of(child, part, settings.turn_seconds) for n, child in able.items()},
        settings.rounds,
        result.failures,
        lambda number: progress(f"{model.name}: round {number} of {settings.rounds}"),
    )
    result.times = {name: Timing.of(values) for name, values in times.items()}
    return result


def in_turns(
    turns: Mapping[str, Callable[[], float]],
    rounds: int,
    failures: dict[str, str],
    progress: Callable[[int], None] = lambda number: None,
) -> dict[str, list[float]]:
    """Each of `turns` once a round, so that all see the same noise; who fails is left out."""
    times: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(1, rounds + 1):
        progress(number)
        for name in list(times):
            try:
                times[name].append(turns[name]())
            except RuntimeFailedError as error:
                failures[name] = str(error)
                del times[name]
    return times


def turn_of(child: Child, arrays: Sequence[Any], budget: float) -> Callable[[], float]:
    """A turn of a child that has loaded a model: the median of its times, seconds per sample."""
    return lambda: statistics.median(child.ask("seconds", arrays, budget))


def _agree(result: ModelResult, outputs: Mapping[str, list[Any]]) -> None:
    result.reference = next((n for n in ("TFLM", "fast", "plain") if n in outputs), "")
    for name, found in outputs.items():
        if result.reference not in ("", name):
            result.agreement[name] = compare(outputs[result.reference], found)


def compare(expected: Sequence[Any], found: Sequence[Any]) -> Agreement:
    """Outputs [N, ...] element by element, bit by bit, over the samples that both have."""
    samples = min(len(a) for a in (*expected, *found))
    elements = differing = 0
    largest = 0.0
    for one, other in zip(expected, found, strict=True):
        a, b = one[:samples], other[:samples]
        if a.shape != b.shape or a.dtype != b.dtype:
            raise ValueError(f"outputs {a.dtype}{a.shape} and {b.dtype}{b.shape} differ in kind")
        bits = f"u{a.dtype.itemsize}"
        unequal = np.ascontiguousarray(a).view(bits) != np.ascontiguousarray(b).view(bits)
        elements += a.size
        differing += int(np.count_nonzero(unequal))
        if a.size:
            gap = np.abs(a.astype(np.float64) - b.astype(np.float64))
            largest = max(largest, float(np.nanmax(gap)))
    return Agreement(samples, elements, differing, largest)


def geometric_mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return math.exp(sum(map(math.log, numbers)) / len(numbers))
