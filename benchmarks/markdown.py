"""Writes a run's figures into docs/performance.md, between its two marks.

python -m benchmarks.markdown [build/bench/bench.json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.child import ROOT
from benchmarks.page import replaced, table, wrapped
from benchmarks.tables import COUNTS, microseconds

PAGE = ROOT / "docs" / "performance.md"
RATIOS = {
    "plain": "plain",
    "fast": "fast",
    "batched, 1 thread": "batch, 1 thread",
    "batched": "batch, its own choice",
    "LiteRT reference": "LiteRT reference",
    "XNNPACK, 1 thread": "XNNPACK",
    "XNNPACK batched, 2 threads": "XNNPACK batch, 2 threads",
}
Row = Mapping[str, Any]


def results(found: Row) -> str:
    """The whole section of a JSON file's contents."""
    parts = [_machine(found), _speed(found), _xnnpack(found), _outputs(found), _targets(found)]
    parts += [_batches(found["growth"]), _sizes(found["growth"])]
    parts += [_layers(found), _start(found)]
    lines = [line for part in parts for line in (*part, "")]
    return wrapped(lines[:-1])


def _machine(found: Row) -> Iterator[str]:
    machine, settings = found["machine"], found["settings"]
    versions = ", ".join(f"{k} {v}" for k, v in machine["packages"].items() if v)
    limits = found["limits"]
    yield (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}; Python "
        f"{machine['python']}, {versions}, {', '.join(machine['blas'])}. "
        f"{settings['rounds']} rounds, batches of {settings['batch']}; "
        f"{found['disturbed_turns']} of {found['turns']} turns had to share a processor "
        "with other programs. "
        f"A large float32 matrix product reaches {limits['product, 1 thread'] / 1e9:.0f} GMAC/s in "
        f"one thread and {limits['product, 2 threads'] / 1e9:.0f} in two; memory is copied at "
        f"{limits['copy, bytes'] / 1e9:.0f} GB/s."
    )


def _speed(found: Row) -> Iterator[str]:
    yield "Times faster than TFLM's wheel, per sample (TFLM's own time in microseconds, and ours;"
    yield "the last column counts turns that had to share a processor):"
    yield ""
    rows = []
    for model in found["models"]:
        ratios = model["times_faster_than_tflm"]
        cells = [_number(ratios.get(name)) for name in RATIOS]
        times = [_time(model["times"].get(name)) for name in ("TFLM", "fast")]
        disturbed, turns = (sum(t[key] for t in model["times"].values()) for key in COUNTS)
        macs, shared = f"{model['macs'] / 1e6:.2f}", f"{disturbed}/{turns}"
        rows.append([model["model"], macs, *times, *cells, shared])
    yield from table(["model", "MMAC", "TFLM, us", "fast, us", *RATIOS.values(), "shared"], rows)


def _time(timing: Row | None) -> str:
    if timing is None:
        return "-"
    spread = (timing["high"] - timing["low"]) / 2 / timing["median"]
    return f"{microseconds(timing['median'])} ± {spread:.0%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _xnnpack(found: Row) -> Iterator[str]:
    yield "Our time over XNNPACK's, two threads each:"
    yield ""
    rows = []
    for model in found["models"]:
        ours = model["times"].get("batched, 2 threads")
        others = [model["times"].get(f"XNNPACK{how}, 2 threads") for how in (" batched", "")]
        if ours and any(others):
            cells = [_number(ours["median"] / o["median"] if o else None) for o in others]
            rows.append([model["model"], *cells])
    yield from table(["model", "XNNPACK batched", "XNNPACK one at a time"], rows)


def _outputs(found: Row) -> Iterator[str]:
    yield "Share of output numbers that differ from TFLM's on the same random samples:"
    yield ""
    rows = []
    for model in found["models"]:
        agreement = model["agreement"]
        cells = []
        for name in ("fast", "batched", "LiteRT reference", "XNNPACK, 1 thread"):
            row = agreement.get(name)
            cells.append(f"{row['differing'] / max(1, row['elements']):.1%}" if row else "-")
        rows.append([model["model"], *cells])
    yield from table(["model", "fast", "batched", "LiteRT reference", "XNNPACK"], rows)


def _targets(found: Row) -> Iterator[str]:
    yield "Targets, as ratios of medians of this one run:"
    yield ""
    verdicts = {True: "met", False: "missed", None: "not measured"}
    rows = [
        [
            t["text"],
            f"{'at most' if t['at_most'] else 'at least'} {t['wanted']:g}",
            _number(t["value"]),
            verdicts[t["met"]],
        ]
        for t in found["targets"]
    ]
    yield from table(["figure", "wanted", "measured", ""], rows)


def _batches(growth: Row) -> Iterator[str]:
    yield f"Microseconds per sample by the size of the batch, {growth['batch_model']}:"
    yield ""
    names = list(growth["batches"])
    sizes = dict.fromkeys(size for row in growth["batches"].values() for size in row)
    rows = []
    for size in sizes:
        timings = [growth["batches"][name].get(size) for name in names]
        rows.append([str(size), *(microseconds(t["median"]) if t else "-" for t in timings)])
    yield from table(["samples", *names], rows)


def _sizes(growth: Row) -> Iterator[str]:
    yield "Microseconds per sample by the size of a model (convolutions 3x3 on 16 x 16):"
    yield ""
    made = [*growth["channels"], *growth["depths"]]
    names = list(dict.fromkeys(name for model in made for name in model["times"]))
    rows = []
    for model in made:
        timings = [model["times"].get(name) for name in names]
        cells = [microseconds(t["median"]) if t else "-" for t in timings]
        rows.append([model["model"], f"{model['macs'] / 1e6:.2f}", *cells])
    yield from table(["layers", "MMAC", *names], rows)


def _layers(found: Row) -> Iterator[str]:
    yield "What the layers reach of the matrix product, in GMAC/s, single invoke, one thread:"
    yield ""
    rows = []
    for model, layers in found["layers"].items():
        for kind in dict.fromkeys(layer["name"] for layer in layers):
            some = [layer for layer in layers if layer["name"] == kind]
            macs, seconds = (sum(layer[key] for layer in some) for key in ("macs", "seconds"))
            alone = [(x["macs"], x["product_rate"]) for x in some if x["product_rate"]]
            limit = sum(m for m, _ in alone) / sum(m / r for m, r in alone) if alone else None
            best = max(layer["rate"] for layer in some)
            cells = [str(len(some)), microseconds(seconds), _number(macs / seconds / 1e9)]
            cells += [_number(best / 1e9), _number(limit / 1e9 if limit else None)]
            rows.append([f"{model}, {kind}", *cells])
    head = ["layers", "how many", "us together", "reached", "best of them", "their products alone"]
    yield from table(head, rows)


def _start(found: Row) -> Iterator[str]:
    yield "Start in milliseconds, and peak memory:"
    yield ""
    rows = []
    for startup in found["startup"]:
        for name, start in startup["starts"].items():
            times = [start[key] for key in ("process", "imports", "first", "warm")]
            cells = [f"{value * 1e3:.1f}" for value in times]
            rows.append([f"{startup['model']}, {name}", *cells, f"{start['peak_bytes'] / 1e6:.0f}"])
    head = ["", "new process to first output", "imports", "bytes to first output", "again", "MB"]
    yield from table(head, rows)
    for startup in found["startup"]:
        steps = ", ".join(f"{name} {value * 1e3:.1f}" for name, value in startup["stages"].items())
        yield ""
        yield (
            f"Steps of {startup['model']}, ms: {steps}. A batch of {startup['batch']} takes "
            f"{startup['batch_peak'] / 1e6:.0f} MB in all; Python with NumPy alone "
            f"{startup['base_peak'] / 1e6:.0f} MB."
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "json", type=Path, nargs="?", default=ROOT / "build" / "bench" / "bench.json"
    )
    found = json.loads(parser.parse_args().json.read_text())
    PAGE.write_text(replaced(PAGE.read_text(), {"results": results(found)}))


if __name__ == "__main__":
    main()
