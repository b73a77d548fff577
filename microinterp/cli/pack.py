"""`microinterp pack`: a .tflite file as boards run it, and where its bytes are."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Annotated

import typer

from microinterp.arena.plan import plan
from microinterp.cli import output
from microinterp.input_files import write_bytes
from microinterp.interpreter import prepare_model
from microinterp.packed import PackReport, pack_with_report


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A .tflite file.")],
    to: Annotated[str, typer.Option("--output", "-o", metavar="OUT", help="The packed model.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Pack a model for boards: integer steps, folded biases, arena offsets, weights.

    `microinterp board deploy` does it by itself; this is for other ways to a board.

    JSON: path, tflite_sha256, file_bytes and its parts (weights_bytes, steps_bytes, text_bytes,
    structure_bytes), arena_bytes and its parts (head_bytes, state_bytes, scratch_bytes), and ops:
    subgraph, index, name, weights (bytes that the op was the first to need).
    """
    data = output.read_file(model)
    prepared = prepare_model(data, kernels="plain")
    packed, report = pack_with_report(prepared, plan(prepared))
    write_bytes(to, packed)
    if json:
        sha256 = hashlib.sha256(data).hexdigest()
        output.print_json({"path": to, "tflite_sha256": sha256, **asdict(report)})
        return
    _show(to, report)


def _show(to: str, report: PackReport) -> None:
    screen = output.console()
    rows = output.table("", "bytes", "", right=("bytes",))
    rows.show_header = False
    rows.add_row("file", f"{report.file_bytes:,}", output.safe(to, limit=200))
    rows.add_row("  weights", f"{report.weights_bytes:,}", "constants, tables, biases")
    rows.add_row("  steps", f"{report.steps_bytes:,}", "what the board does, in order")
    rows.add_row("  text", f"{report.text_bytes:,}", "names")
    rows.add_row("  structure", f"{report.structure_bytes:,}", "tables, offsets, padding")
    rows.add_row("arena", f"{report.arena_bytes:,}", "memory to run in")
    rows.add_row("  head", f"{report.head_bytes:,}", "tensors, as TFLM plans them")
    rows.add_row("  state", f"{report.state_bytes:,}", "variables")
    rows.add_row("  scratch", f"{report.scratch_bytes:,}", "for the steps")
    screen.print(rows)
    screen.print()
    ops = output.table("op", "name", "weights", right=("op", "weights"))
    for op in report.ops:
        place = f"{op.subgraph}:" if op.subgraph else ""
        ops.add_row(f"{place}{op.index}", output.safe(op.name), f"{op.weights:,}")
    screen.print(ops)
