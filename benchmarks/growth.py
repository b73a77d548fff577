"""How time grows with the size of a model and with the size of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from benchmarks.child import Child
from benchmarks.measuring import (
    ModelResult,
    Rounds,
    Settings,
    Timing,
    compare,
    measure_model,
    turn_of,
)
from benchmarks.models import BenchModel, conv_chain
from microinterp.errors import RuntimeUnavailableError

CHANNELS = (4, 8, 16, 32, 64)
DEPTHS = (1, 2, 4, 8, 16)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
FIXED_DEPTH, FIXED_CHANNELS = 3, 16
SIZE_RUNTIMES = ("fast", "batched, 1 thread", "TFLM", "XNNPACK, 1 thread")
BATCH_RUNTIMES = (
    "batched, 1 thread",
    "batched, 2 threads",
    "XNNPACK batched, 1 thread",
    "XNNPACK batched, 2 threads",
)


@dataclass
class Growth:
    """Series of results.

    Attributes:
        channels, depths: results of made models, in the order of CHANNELS and DEPTHS.
        batch_model: the model of `batches`.
        batches: by runtime and batch size, seconds per sample.
        different: batch sizes whose outputs were not those of single runs.
    """

    channels: list[ModelResult] = field(default_factory=list)
    depths: list[ModelResult] = field(default_factory=list)
    batch_model: str = ""
    batches: dict[str, dict[int, Timing]] = field(default_factory=dict)
    different: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def measure_growth(
    children: Mapping[str, Child],
    batch_model: BenchModel,
    settings: Settings,
    rounds: Rounds,
    progress: Callable[[str], None] = lambda text: None,
) -> Growth:
    """Channels doubled, depth doubled, batch doubled."""
    small = replace(settings, batch=32, checked=16)
    some = {name: children[name] for name in SIZE_RUNTIMES}
    found = Growth(batch_model=batch_model.name)
    for channels in CHANNELS:
        model = conv_chain(channels, FIXED_DEPTH)
        found.channels.append(measure_model(model, some, small, rounds, progress))
    for depth in DEPTHS:
        model = conv_chain(FIXED_CHANNELS, depth)
        found.depths.append(measure_model(model, some, small, rounds, progress))
    _batches(found, children, batch_model, settings, rounds, progress)
    return found


def _batches(
    found: Growth,
    children: Mapping[str, Child],
    model: BenchModel,
    settings: Settings,
    rounds: Rounds,
    progress: Callable[[str], None],
) -> None:
    samples = model.samples(max(BATCHES))
    children["fast"].ask("load", model.data, model.outputs, 1)
    singles = children["fast"].ask("outputs", samples)
    for size in BATCHES:
        progress(f"{model.name}: batches of {size}")
        part = [array[:size] for array in samples]
        able = {}
        for name in BATCH_RUNTIMES:
            try:
                children[name].ask("load", model.data, model.outputs, size)
                outputs = children[name].ask("outputs", part)
            except RuntimeUnavailableError as error:
                found.failures[name] = str(error)
                continue
            able[name] = turn_of(children[name], part, settings.turn_seconds)
            if name.startswith("batched") and compare(singles, outputs).differing:
                found.different.append(f"{name}, {size} samples")
        for name, timing in rounds.take(able, found.failures).items():
            found.batches.setdefault(name, {})[size] = timing
