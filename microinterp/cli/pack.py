"""`microinterp pack`: a .tflite file as boards run it, and where its bytes are."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Annotated

import typer

from microinterp.cli import options, output
from microinterp.cli.amounts import parse_bytes
from microinterp.cli.passes import (
    MaxExtraMacs,
    Passes,
    Ram,
    parse_passes,
    passes_json,
    passes_table,
)
from microinterp.files import write_bytes
from microinterp.interpreter import prepare_model
from microinterp.model import contents_of
from microinterp.packed import PackReport, pack_with_report
from microinterp.packed.tiers import TIERS, layout_of
from microinterp.passes import run_passes

_PORTABLE = ("bytecode", "viper")
"""Kernels that read the portable layout: other names of it."""


def command(
    model: options.Model,
    to: Annotated[
        str, typer.Option("--output", "-o", metavar="OUT.mipk", help="The packed model.")
    ],
    tier: Annotated[
        str,
        typer.Option(
            metavar="|".join(TIERS),
            help="The kernels that are to run it: armv6m, armv7m and armv7em are Thumb code; "
            "bytecode and viper read portable.",
        ),
    ] = TIERS[0],
    passes: Passes = "none",
    ram: Ram = None,
    max_extra_macs: MaxExtraMacs = 0.1,
    json: options.Json = False,
) -> None:
    """Pack a model for boards: integer steps, folded biases, arena offsets, weights.

    `microinterp board deploy` does it by itself; this is for other ways to a board. Each tier has
    its own layout of weights, and kernels of another tier refuse it. `microinterp board probe`
    shows the set that a board runs best, docs/board_kernels.md the tier of each set. Where the head
    needs more than --ram, nothing is written.

    JSON: path, tier, tflite_sha256, file_bytes and its parts (weights_bytes, steps_bytes,
    text_bytes, structure_bytes), arena_bytes and its parts (head_bytes, state_bytes,
    scratch_bytes), ops: subgraph, index, name, weights (bytes that the op was the first to need),
    extra_macs (multiply-accumulates that passes do twice, 0.05 is 5 % of the model's), and passes:
    name, head_before, head_after, extra_macs, how (the grid of patches).
    """
    limit = None if ram is None else parse_bytes(ram)
    layout = TIERS[0] if tier in _PORTABLE else tier
    layout_of(layout)  # raises where there is none
    data = contents_of(model)
    prepared = prepare_model(data, kernels="plain")
    passed = run_passes(prepared, parse_passes(passes), limit, max_extra_macs, strips=True)
    head = passed.plan.head_bytes
    if limit is not None and head > limit:
        typer.echo(f"the head of {head:,} bytes is {head - limit:,} larger than --ram", err=True)
        raise typer.Exit(output.NO)
    packed, report = pack_with_report(passed.prepared, passed.plan, layout)
    write_bytes(to, packed)
    if json:
        about = {"path": to, "tier": layout, "tflite_sha256": hashlib.sha256(data).hexdigest()}
        price = {"extra_macs": passed.extra_macs, "passes": passes_json(passed.reports)}
        output.print_json(about | asdict(report) | price)
        return
    if passed.reports:
        output.console().print(passes_table(passed.reports))
        output.console().print()
    _show(to, layout, report, bool(passed.reports))


def _show(to: str, tier: str, report: PackReport, is_passed: bool) -> None:
    screen = output.console()
    rows = output.table("", "bytes", "", right=("bytes",))
    rows.show_header = False
    rows.add_row("file", f"{report.file_bytes:,}", output.safe(to, limit=200))
    rows.add_row("  weights", f"{report.weights_bytes:,}", f"constants, tables, biases: {tier}")
    rows.add_row("  steps", f"{report.steps_bytes:,}", "what the board does, in order")
    rows.add_row("  text", f"{report.text_bytes:,}", "names")
    rows.add_row("  structure", f"{report.structure_bytes:,}", "tables, offsets, padding")
    rows.add_row("arena", f"{report.arena_bytes:,}", "memory to run in")
    planned = "tensors, with memory passes" if is_passed else "tensors, as TFLM plans them"
    rows.add_row("  head", f"{report.head_bytes:,}", planned)
    rows.add_row("  state", f"{report.state_bytes:,}", "variables")
    rows.add_row("  scratch", f"{report.scratch_bytes:,}", "for the steps")
    screen.print(rows)
    screen.print()
    ops = output.table("op", "name", "weights", right=("op", "weights"))
    for op in report.ops:
        place = f"{op.subgraph}:" if op.subgraph else ""
        ops.add_row(f"{place}{op.index}", output.safe(op.name), f"{op.weights:,}")
    screen.print(ops)
