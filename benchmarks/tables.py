"""The tables that `make bench` prints; every function gives lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.growth import Growth
from benchmarks.layers import Layer
from benchmarks.measuring import ModelResult, Timing
from benchmarks.runtimes import EXACT
from benchmarks.startup import Startup
from benchmarks.targets import Target

SHORT = {
    "plain": "plain",
    "fast": "fast",
    "batched": "batched",
    "batched, 1 thread": "batch 1t",
    "batched, 2 threads": "batch 2t",
    "TFLM": "TFLM",
    "LiteRT reference": "LRT ref",
    "XNNPACK, 1 thread": "XNN 1t",
    "XNNPACK, 2 threads": "XNN 2t",
    "XNNPACK batched, 1 thread": "XNNb 1t",
    "XNNPACK batched, 2 threads": "XNNb 2t",
}
WIDTH = 9
COUNTS = ("disturbed", "rounds")


def microseconds(seconds: float) -> str:
    """Three digits that count: 1.23, 12.3, 123, 1,234."""
    value = seconds * 1e6
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def times(results: Sequence[ModelResult]) -> Iterator[str]:
    """Microseconds per sample, how far the rounds lie apart, and turns that were disturbed."""
    yield "microseconds per sample (medians); spread: half the quartiles' distance, middle runtime;"
    yield "shared: turns that had to share a processor with other programs, of all"
    yield _header("MMAC") + f"{'spread':>8}{'shared':>9}"
    for r in results:
        cells = [_cell(r.times[n].median if n in r.times else None) for n in SHORT]
        spreads = sorted(spread(t) for t in r.times.values())
        middle = f"{spreads[len(spreads) // 2]:8.0%}" if spreads else f"{'-':>8}"
        disturbed, turns = (sum(getattr(t, n) for t in r.times.values()) for n in COUNTS)
        shared = f"{disturbed}/{turns}"
        yield f"{r.model:26}{r.macs / 1e6:8.2f}" + "".join(cells) + middle + f"{shared:>9}"


def spread(timing: Timing) -> float:
    return (timing.high - timing.low) / 2 / timing.median


def ratios(results: Sequence[ModelResult]) -> Iterator[str]:
    """How many times faster than TFLM."""
    yield "times faster than TFLM's wheel, per sample"
    yield _header("")
    for r in results:
        found = ((n, r.ratio(n)) for n in SHORT)
        cells = (f"{'-' if value is None else f'{value:.2f}':>{WIDTH}}" for _, value in found)
        yield f"{r.model:26}{'':8}" + "".join(cells)


def against_xnnpack(results: Sequence[ModelResult]) -> Iterator[str]:
    """Our two threads against XNNPACK's two, batched; below 1 we are faster."""
    yield "our time over XNNPACK's, per sample, two threads each"
    yield f"{'':26}{'batched':>10}{'one at a time':>16}"
    for r in results:
        both = r.ratio("XNNPACK batched, 2 threads", "batched, 2 threads")
        one = r.ratio("XNNPACK, 2 threads", "batched, 2 threads")
        if one is not None:
            yield f"{r.model:26}{'-' if both is None else f'{both:.2f}':>10}{one:16.2f}"


def outputs(results: Sequence[ModelResult]) -> Iterator[str]:
    """What the comparison of the outputs says."""
    yield "outputs on the same random samples, against TFLM's; LiteRT computes other numbers"
    for r in results:
        exact = {n: a for n, a in r.agreement.items() if n in EXACT}
        samples = min((a.samples for a in exact.values()), default=0)
        verdict = "not compared: only one of them runs"
        if exact:
            verdict = f"equal, {len(exact) + 1} runtimes, at least {samples} samples"
        if r.reference != "TFLM" and exact:
            verdict += f", against {r.reference}"
        if r.different:
            verdict = "DIFFERENT: " + ", ".join(r.different)
        yield f"{r.model:26}{verdict}{_others(r)}"


def _others(result: ModelResult) -> str:
    parts = []
    for name in ("LiteRT reference", "XNNPACK, 1 thread"):
        agreement = result.agreement.get(name)
        if agreement:
            share = agreement.differing / max(1, agreement.elements)
            parts.append(f"{name.split(',')[0]} {share:.1%} differ, by up to {agreement.largest:g}")
    return "; " + "; ".join(parts) if parts else ""


def failures(results: Sequence[ModelResult]) -> Iterator[str]:
    """What did not run, each reason once."""
    yield "not measured"
    for r in results:
        reasons: dict[str, list[str]] = {}
        for name, text in r.failures.items():
            reasons.setdefault(text, []).append(name)
        for text, names in reasons.items():
            yield f"{r.model:26}{' / '.join(names)}: {text[:150]}"


def startup(found: Sequence[Startup]) -> Iterator[str]:
    """Milliseconds to begin, and memory."""
    columns = ("process", "imports", "first", "warm", "peak MB")
    yield "start, ms: whole new process; imports; bytes to first output, then again in the process"
    yield f"{'':26}{'':8}" + "".join(f"{name:>{WIDTH}}" for name in columns)
    for s in found:
        for name, start in s.starts.items():
            values = (start.process, start.imports, start.first, start.warm)
            cells = "".join(f"{value * 1e3:{WIDTH}.1f}" for value in values)
            yield f"{s.model:26}{name:8}{cells}{start.peak_bytes / 1e6:{WIDTH}.0f}"
        for what in ("first", "warm"):
            if (ratio := s.ratio(what)) is not None:
                yield f"{'':26}{what}, fast over TFLM: {ratio:.2f}"
        steps = ", ".join(f"{name} {value * 1e3:.1f}" for name, value in s.stages.items())
        yield f"{'':26}steps of ours, ms: {steps}"
        memory = f"run_batch of {s.batch}: {s.batch_peak / 1e6:.0f} MB"
        yield f"{'':26}{memory}; Python with NumPy alone: {s.base_peak / 1e6:.0f} MB"


def growth(found: Growth) -> Iterator[str]:
    """Doubled channels, doubled depth, doubled batch."""
    names = list(dict.fromkeys(n for r in (*found.channels, *found.depths) for n in r.times))
    yield "microseconds per sample of made models (convolutions 3x3 on 16 x 16)"
    yield f"{'':26}{'MMAC':>8}" + "".join(f"{SHORT[n]:>{WIDTH}}" for n in names)
    for r in (*found.channels, *found.depths):
        cells = [_cell(r.times[n].median if n in r.times else None) for n in names]
        verdict = "  DIFFERENT" if r.different else ""
        yield f"{r.model:26}{r.macs / 1e6:8.2f}" + "".join(cells) + verdict
    yield ""
    yield f"microseconds per sample by batch size, {found.batch_model}"
    yield f"{'samples':26}{'':8}" + "".join(f"{SHORT[n]:>{WIDTH}}" for n in found.batches)
    for size in dict.fromkeys(size for row in found.batches.values() for size in row):
        rows = (row.get(size) for row in found.batches.values())
        yield f"{size:<34}" + "".join(_cell(t.median if t else None) for t in rows)


def roofline(model: str, found: Sequence[Layer], limits: dict[str, float]) -> Iterator[str]:
    """What each layer reaches of the machine's matrix product."""
    one = limits["product, 1 thread"]
    yield f"layers of {model}, single invoke, GMAC/s (share of the limit, {one / 1e9:.0f})"
    yield f"{'op':>4} {'':20}{'output':18}{'kMAC':>8}{'us':>9}{'GMAC/s':>9}{'share':>7}  product"
    for layer in found:
        shape = "x".join(map(str, layer.shape))
        alone = f"{layer.product_rate / 1e9:7.1f}" if layer.product_rate else f"{'-':>7}"
        yield (
            f"{layer.index:4} {layer.name:20}{shape:18}{layer.macs / 1e3:8.0f}"
            f"{microseconds(layer.seconds):>9}{layer.rate / 1e9:9.2f}{layer.rate / one:7.1%}"
            f"  {alone}  {layer.how[:60]}"
        )


def acceptance(found: Sequence[Target]) -> Iterator[str]:
    """Targets beside what was measured."""
    yield "targets (ratios of medians of this run)"
    for target in found:
        sign = "<=" if target.at_most else ">="
        value = "-" if target.value is None else f"{target.value:.2f}"
        verdict = {True: "met", False: "MISSED", None: "not measured"}[target.met]
        yield f"{target.text:52}{value:>8}  {sign} {target.wanted:<5g}{verdict}"


def _header(first: str) -> str:
    return f"{'':26}{first:>8}" + "".join(f"{SHORT[name]:>{WIDTH}}" for name in SHORT)


def _cell(seconds: float | None) -> str:
    return f"{'-' if seconds is None else microseconds(seconds):>{WIDTH}}"
