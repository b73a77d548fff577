"""The figures that this project means to reach, and what a run says of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.measuring import ModelResult, geometric_mean
from benchmarks.startup import Startup

SIX = (
    "ic_resnet8_int8",
    "vww_96_int8",
    "kws_int8",
    "person_detect",
    "micro_speech_int8",
    "ad01_int8",
)
BATCH = 256
LARGE_MACS = 200_000
BATCHED = {"ic_resnet8_int8": 20.0, "vww_96_int8": 15.0, "kws_int8": 12.0, "hello_world_int8": 1.0}
LOAD_MODEL, LOAD_RATIO = "vww_96_int8", 5.0


@dataclass(frozen=True)
class Target:
    """One figure: `value` None was not measured in this run; `met` is None then."""

    text: str
    wanted: float
    value: float | None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value <= self.wanted if self.at_most else self.value >= self.wanted


def targets(
    results: Sequence[ModelResult], startups: Sequence[Startup], batch: int
) -> list[Target]:
    """Ratios of medians: TFLM's time over ours, but for loading, which is ours over TFLM's."""
    by_name = {result.model: result for result in results}

    def ratio(model: str, runtime: str) -> float | None:
        return by_name[model].ratio(runtime) if model in by_name else None

    single = [ratio(name, "fast") for name in SIX]
    known = [value for value in single if value is not None]
    mean = geometric_mean(known) if len(known) == len(SIX) else None
    large = [r.ratio("fast") for r in results if r.macs > LARGE_MACS]
    lowest = min((value for value in large if value is not None), default=None)
    found = [
        Target("single invoke, geometric mean of the six", 6.0, mean),
        Target("single invoke, ic_resnet8_int8", 10.0, ratio("ic_resnet8_int8", "fast")),
        Target(f"single invoke, lowest of more than {LARGE_MACS / 1e6:g} MMAC", 2.0, lowest),
    ]
    for name, wanted in BATCHED.items():
        value = ratio(name, "batched") if batch == BATCH else None
        found.append(Target(f"run_batch of {BATCH}, {name}", wanted, value))
    loads = [s.ratio(what) for s in startups if s.model == LOAD_MODEL for what in ("first", "warm")]
    load = max((value for value in loads if value is not None), default=None)
    text = f"{LOAD_MODEL} to first output, ours over TFLM's"
    found.append(Target(text, LOAD_RATIO, load, at_most=True))
    return found
