"""Interleaved rounds over the runtimes, and the numbers that are kept of them."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.child import Child
from benchmarks.models import BenchModel
from benchmarks.runtimes import EXACT, SLOW
from microinterp.errors import RuntimeUnavailableError

DISTURBED = 0.05
"""A turn that waited for a processor for more than this share of its time was disturbed."""
MOST_TRIES = 4
"""How often a turn is taken at most."""


@dataclass(frozen=True)
class Settings:
    """How much is measured.

    Attributes:
        rounds: each runtime has one turn a round; a turn gives its median.
        turn_seconds: length of a turn; at least one run.
        batch: samples of one run_batch.
        patience: seconds that may go into turns taken again because others were at work.
        checked: samples whose outputs are compared; `checked_slow` for the slow runtimes.
    """

    rounds: int = 7
    turn_seconds: float = 0.04
    patience: float = 60.0
    batch: int = 256
    checked: int = 256
    checked_slow: int = 32

    @classmethod
    def quick(cls) -> Settings:
        return cls(rounds=3, turn_seconds=0.01, patience=5.0, batch=64, checked=32, checked_slow=8)


@dataclass(frozen=True)
class Turn:
    """What a turn gave: seconds per sample, and the share of it spent waiting for a processor."""

    seconds: float
    waited: float = 0.0

    @property
    def disturbed(self) -> bool:
        return self.waited > DISTURBED


@dataclass(frozen=True)
class Timing:
    """Seconds per sample: the median of the rounds, and their quartiles.

    Attributes:
        rounds, disturbed: how many turns, and how many of them had to share a processor.
    """

    median: float
    low: float
    high: float
    rounds: int
    disturbed: int

    @classmethod
    def of(cls, turns: Sequence[Turn]) -> Timing:
        values = [turn.seconds for turn in turns]
        low, high = np.quantile(values, [0.25, 0.75])
        disturbed = sum(turn.disturbed for turn in turns)
        return cls(statistics.median(values), float(low), float(high), len(values), disturbed)


class Rounds:
    """Takes turns in rounds; those that had to share a processor again, while patience lasts.

    Another program's work does not fall on all alike: runtimes of more than one thread, which wall
    time must measure, lose most.
    """

    def __init__(self, settings: Settings) -> None:
        self._rounds = settings.rounds
        self._patience = settings.patience

    def take(
        self,
        turns: Mapping[str, Callable[[], Turn]],
        failures: dict[str, str],
        progress: Callable[[int], None] = lambda number: None,
    ) -> dict[str, Timing]:
        """Each of `turns` once a round, so that all see the same noise; who fails is left out."""
        taken: dict[str, list[Turn]] = {name: [] for name in turns}
        for number in range(1, self._rounds + 1):
            progress(number)
            for name in list(taken):
                try:
                    taken[name].append(self._undisturbed(turns[name]))
                except RuntimeUnavailableError as error:
                    failures[name] = str(error)
                    del taken[name]
        return {name: Timing.of(found) for name, found in taken.items()}

    def _undisturbed(self, turn: Callable[[], Turn]) -> Turn:
        best = turn()
        tries = 1
        while best.disturbed and self._patience > 0 and tries < MOST_TRIES:
            start = time.perf_counter()
            best = min(best, turn(), key=lambda taken: taken.waited)
            self._patience -= time.perf_counter() - start
            tries += 1
        return best


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
    rounds: Rounds,
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
        except RuntimeUnavailableError as error:
            result.failures[name] = str(error)
    _agree(result, outputs)
    part = [array[: settings.batch] for array in samples]
    able = {name: child for name, child in children.items() if name in outputs}
    result.times = rounds.take(
        {n: turn_of(child, part, settings.turn_seconds) for n, child in able.items()},
        result.failures,
        lambda number: progress(f"{model.name}: round {number} of {settings.rounds}"),
    )
    return result


def turn_of(child: Child, arrays: Sequence[Any], budget: float) -> Callable[[], Turn]:
    """A turn of a child that has loaded a model: the median of its times, seconds per sample."""

    def turn() -> Turn:
        times, waited = child.ask("seconds", arrays, budget)
        return Turn(statistics.median(times), waited)

    return turn


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
