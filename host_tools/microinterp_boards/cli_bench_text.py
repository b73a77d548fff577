"""How a benchmark's result is shown: what it is of, and a table of its ops."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from microinterp.cli import output


def show_bench(done: dict[str, Any]) -> None:
    """Print a benchmark's result: what it is of, and a table of ops."""
    heap, model, unit = done["heap_free"], done["model"], done["clock_unit"]
    rows = {
        "model": f"{model['name']}: {model['model_bytes']:,} bytes, arena"
        f" {model['arena_bytes']:,} bytes",
        "board": f"{done['board']['machine']}, {done['runtime']['kernels']} kernels",
        "invoke": f"median {done['median']:,.0f} {unit}, p10 {done['p10']:,}, p90"
        f" {done['p90']:,} ({done['runs']} runs)",
    }
    counts = done["instructions"]
    if counts is not None:
        per_mac = "" if counts["per_mac"] is None else f"{counts['per_mac']:.3f} per MAC, "
        rows["of these"] = (
            f"{per_mac}{counts['in_kernels']:,.0f} inside of kernels, {counts['outside']:,.0f}"
            f" ({counts['outside_share']:.2%}) outside"
        )
    rows["heap free"] = (
        f"{heap['start']:,} at the start, {heap['runtime_imported']:,} with the runtime,"
        f" {heap['model_loaded']:,} with the model, {heap['after_invoke']:,} after all runs"
    )
    output.print_facts(rows)
    screen = output.console()
    screen.print()
    screen.print(_timed_ops(done) if counts is None else _counted_ops(done))


def _timed_ops(done: dict[str, Any]) -> Table:
    spent = f"time {done['clock_unit']}"
    ops = output.table("op", "name", spent, right=("op", spent))
    for op in done["ops"]:
        ops.add_row(_place(op), output.safe(op["name"]), f"{op['time']:,.0f}")
    return ops


def _counted_ops(done: dict[str, Any]) -> Table:
    numbers = ("instructions", "share", "MACs", "per MAC", "in kernels")
    ops = output.table("op", "name", *numbers, right=("op", *numbers))
    for op in done["ops"]:
        macs = (f"{op['macs']:,}", f"{op['per_mac']:.3f}") if op["macs"] else ("", "")
        time, share = f"{op['time']:,.0f}", f"{op['time'] / done['instructions']['whole']:.1%}"
        inside = f"{op['in_kernels']:,.0f}"
        ops.add_row(_place(op), output.safe(op["name"]), time, share, *macs, inside)
    return ops


def _place(op: dict[str, Any]) -> str:
    return f"{op['subgraph']}:{op['index']}" if op["subgraph"] else str(op["index"])
