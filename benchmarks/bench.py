"""Times microinterp against the TFLM wheel and LiteRT: one run, in turns, answers compared.

    python -m benchmarks.bench [--quick] [--models NAME_OR_PATH ...] [--json PATH]

Without --models it takes the digits example, the wake words that a PyPI package brings and, where
the folder is there, ../shared/models. Exit status 1: outputs that must be equal are not, or one of
our own ways to run a model failed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import tables
from benchmarks.child import ROOT, Child
from benchmarks.growth import Growth, measure_growth
from benchmarks.layers import Layer, copy_limit, layers, product_limit
from benchmarks.machine import machine_facts
from benchmarks.measuring import ModelResult, Rounds, Settings, Timing, measure_model
from benchmarks.models import BenchModel, chosen_files, read
from benchmarks.plot import save_plot
from benchmarks.runtimes import MAKERS, is_ours
from benchmarks.startup import Startup, import_seconds, measure_startup
from benchmarks.targets import Target, targets
from microinterp import Interpreter, MicrointerpError
from microinterp.errors import RuntimeUnavailableError

START_MODELS = ("vww_96_int8", "ic_resnet8_int8", "digits_int8")
LAYER_MODELS = ("ic_resnet8_int8", "vww_96_int8", "kws_int8", "digits_int8")
BATCH_MODELS = ("ic_resnet8_int8", "digits_int8")


@dataclass
class Report:
    """Everything that a run measured, as it goes to the JSON file."""

    machine: dict[str, Any]
    settings: Settings
    models: list[ModelResult] = field(default_factory=list)
    startup: list[Startup] = field(default_factory=list)
    imports: dict[str, float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    layers: dict[str, list[Layer]] = field(default_factory=dict)
    growth: Growth = field(default_factory=Growth)
    targets: list[Target] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def different(self) -> list[str]:
        """What must be equal and is not."""
        made = (*self.models, *self.growth.channels, *self.growth.depths)
        found = [f"{r.model}: {name}" for r in made for name in r.different]
        return found + [f"{self.growth.batch_model}: {text}" for text in self.growth.different]

    @property
    def failed(self) -> list[str]:
        """Which of our own ways to run a model did not; the other runtimes may fail."""
        made = (*self.models, *self.growth.channels, *self.growth.depths, *self.startup)
        rows = [(r.model, r.failures) for r in made]
        rows.append((self.growth.batch_model, self.growth.failures))
        return [
            f"{model}: {name}: {text}"
            for model, failures in rows
            for name, text in failures.items()
            if is_ours(name)
        ]

    @property
    def timings(self) -> list[Timing]:
        """Of every model and every batch."""
        made = (*self.models, *self.growth.channels, *self.growth.depths)
        rows = [*(r.times for r in made), *self.growth.batches.values()]
        return [timing for row in rows for timing in row.values()]

    def as_json(self) -> dict[str, Any]:
        """Plain values, with the ratios and verdicts that the tables show."""
        found = asdict(self)
        for row, result in zip(found["models"], self.models, strict=True):
            row["times_faster_than_tflm"] = {name: result.ratio(name) for name in result.times}
        for row, target in zip(found["targets"], self.targets, strict=True):
            row["met"] = target.met
        found["disturbed_turns"] = sum(timing.disturbed for timing in self.timings)
        found["turns"] = sum(timing.rounds for timing in self.timings)
        return {**found, "different": self.different, "failed": self.failed}


def run(models: Sequence[BenchModel], settings: Settings, say: Callable[[str], None]) -> Report:
    """Measure everything."""
    start = time.perf_counter()
    report = Report(machine_facts(), settings, limits=_limits())
    rounds = Rounds(settings)
    with ExitStack() as stack:
        children = {name: stack.enter_context(Child(name)) for name in MAKERS}
        for model in models:
            report.models.append(measure_model(model, children, settings, rounds, say))
        for model in _some(models, LAYER_MODELS):
            say(f"{model.name}: layers")
            report.layers[model.name] = _layers(model, children["fast"])
        batch_model = _some(models, BATCH_MODELS)[0]
        report.growth = measure_growth(children, batch_model, settings, rounds, say)
    again = _limits()  # other programs may have been at work the first time
    report.limits = {name: max(value, again[name]) for name, value in report.limits.items()}
    for model in _some(models, START_MODELS):
        report.startup.append(measure_startup(model, settings.rounds, settings.batch, say))
    report.imports = import_seconds(settings.rounds)
    report.targets = targets(report.models, report.startup, settings.batch)
    report.seconds = time.perf_counter() - start
    return report


def _limits() -> dict[str, float]:
    """What this machine can do at most, a second."""
    products = {f"product, {n} thread{'s' * (n > 1)}": product_limit(n) for n in (1, 2)}
    return {**products, "copy, bytes": copy_limit()}


def _some(models: Sequence[BenchModel], names: Iterable[str]) -> list[BenchModel]:
    """Those of `models` that are named, else the first one."""
    by_name = {model.name: model for model in models}
    return [by_name[name] for name in names if name in by_name] or [models[0]]


def _layers(model: BenchModel, child: Child) -> list[Layer]:
    try:
        child.ask("load", model.data, model.outputs, 1)
        seconds = child.ask("op_seconds", model.samples(8), 0.3)
    except RuntimeUnavailableError:
        return []
    return layers(model.data, Interpreter.from_bytes(model.data).prepared, seconds)


def show(report: Report) -> None:
    """Print every table."""
    parts = [
        tables.times(report.models),
        tables.ratios(report.models),
        tables.against_xnnpack(report.models),
        tables.outputs(report.models),
        tables.failures(report.models),
        tables.growth(report.growth),
        *(tables.roofline(name, rows, report.limits) for name, rows in report.layers.items()),
        tables.startup(report.startup),
        tables.acceptance(report.targets),
    ]
    for part in parts:
        print("\n".join(part), end="\n\n")
    imports = report.imports
    print(
        f"import microinterp {imports['microinterp'] * 1e3:.0f} ms, what it stands on "
        f"{imports['base'] * 1e3:.0f} ms, ratio {imports['microinterp'] / imports['base']:.2f}"
    )
    print("limits: " + ", ".join(f"{n} {v / 1e9:.1f} G/s" for n, v in report.limits.items()))
    timings = report.timings
    print(
        f"{sum(t.disturbed for t in timings)} of {sum(t.rounds for t in timings)} turns had to "
        "share a processor with other programs, as far as Linux tells"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds, small batches")
    parser.add_argument("--models", nargs="+", default=(), metavar="NAME_OR_PATH")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench" / "bench.json")
    given = parser.parse_args(arguments)
    settings = Settings.quick() if given.quick else Settings()
    try:
        models = [read(path) for path in chosen_files(given.models)]
    except MicrointerpError as error:
        print(error, file=sys.stderr)
        return 2
    say = _progress()
    report = run(models, settings, say)
    say("")
    show(report)
    found = report.as_json()
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(found, indent=1))
    picture = save_plot(found, given.json.with_suffix(".svg"))
    print(f"wrote {given.json}" + (f" and {picture}" if picture else ", no plot: no matplotlib"))
    print(f"took {report.seconds:.0f} s")
    if report.different:
        print("DIFFERENT outputs: " + "; ".join(report.different))
    if report.failed:
        print("FAILED: " + "; ".join(report.failed))
    return 1 if report.different or report.failed else 0


def _progress() -> Callable[[str], None]:
    """What is going on, on one line of a terminal; nothing elsewhere."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return lambda text: None
    return lambda text: print(f"\r\x1b[K{text}", end="\r", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
