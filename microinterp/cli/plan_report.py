"""What `microinterp plan` shows: JSON, the figures, the table of buffers, the map in colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from microinterp.arena.plan import Plan
from microinterp.arena.report import (
    ASCII,
    UNICODE,
    Moment,
    arena_map,
    number_of,
    peak_bytes,
    peak_text,
)
from microinterp.cli import model_text, output
from microinterp.cli.passes import passes_table
from microinterp.passes import Passed
from microinterp.prepare import Prepared


@dataclass(frozen=True)
class Shown:
    """What the command tells of a plan.

    Attributes:
        passed: the model, and what passes have made of it if there were any.
        moments: of its plan.
        tflm_head_bytes: the head of TFLM's own plan.
    """

    passed: Passed
    moments: Sequence[Moment]
    tflm_head_bytes: int


def as_dict(shown: Shown) -> dict[str, Any]:
    """The command's JSON but for what its options add; its docstring says what the fields mean."""
    prepared, chosen, moments = shown.passed.prepared, shown.passed.plan, shown.moments
    peak = peak_bytes(moments)
    variables = _variables(prepared)
    return {
        "planner": chosen.planner,
        "head_bytes": chosen.head_bytes,
        "tflm_head_bytes": shown.tflm_head_bytes,
        "lower_bound": chosen.lower_bound,
        "extra_macs": shown.passed.extra_macs,
        "peak_bytes": peak,
        "variable_bytes": sum(variable["nbytes"] for variable in variables),
        "peak_ops": _peak_ops(moments),
        "variables": variables,
    } | buffer_dicts(prepared, chosen, moments)


def buffer_dicts(
    prepared: Prepared, plan: Plan, moments: Sequence[Moment]
) -> dict[str, list[dict[str, Any]]]:
    """A plan's tensors and scratch with their places, for JSON."""
    ops = {m.scope: _op_dict(m) for m in moments}
    tensors: list[dict[str, Any]] = []
    scratch: list[dict[str, Any]] = []
    for placed in plan.placed:
        place: dict[str, Any] = {
            "offset": placed.offset,
            "size": placed.size,
            "nbytes": placed.request.nbytes,
            "first_op": ops.get(placed.request.first),
            "last_op": ops.get(placed.request.last),
            "first_scope": placed.request.first,
            "last_scope": placed.request.last,
        }
        if placed.request.tensor is not None:
            tensors.append(_tensor_dict(prepared, *placed.request.tensor) | place)
        elif placed.request.scratch is not None:
            subgraph, op, number = placed.request.scratch
            op = prepared.subgraphs[subgraph][op].node.file_index
            scratch.append({"subgraph": subgraph, "op": op, "number": number} | place)
    return {"tensors": tensors, "scratch": scratch}


def _peak_ops(moments: Sequence[Moment]) -> list[dict[str, Any]]:
    """Each op once, however many pieces of it have the most live bytes."""
    peak = peak_bytes(moments)
    fullest = (_op_dict(moment) for moment in moments if moment.live_bytes == peak)
    return list({(op["subgraph"], op["index"]): op for op in fullest if op}.values())


def _op_dict(moment: Moment) -> dict[str, Any] | None:
    node = moment.node
    if node is None:
        return None
    return {"subgraph": node.subgraph, "index": node.file_index, "name": node.name}


def _tensor_dict(prepared: Prepared, subgraph: int, index: int) -> dict[str, Any]:
    tensor = prepared.graph.subgraphs[subgraph].tensors[index]
    return {
        "subgraph": subgraph,
        "index": index,
        "name": tensor.name,
        "type": tensor.type_name,
        "shape": tensor.shape,
    }


def _variables(prepared: Prepared) -> list[dict[str, Any]]:
    tensors = [
        {"subgraph": t.subgraph, "index": t.index, "name": t.name, "nbytes": t.nbytes}
        for subgraph in prepared.graph.subgraphs
        for t in subgraph.tensors
        if t.is_variable and not t.is_constant
    ]
    resources = [
        {"name": variable.shared_name, "nbytes": variable.nbytes or 0}
        for variable in prepared.resources.variables
    ]
    return tensors + resources


def _summary(shown: Shown) -> Table:
    """The figures: head, bound, peak op, variables."""
    prepared, chosen = shown.passed.prepared, shown.passed.plan
    rows = output.table("", "")
    rows.show_header = False
    variables = _variables(prepared)
    rows.add_row("planner", chosen.planner)
    rows.add_row("head", Text(f"{chosen.head_bytes:,} bytes", style="bold"))
    if chosen.planner != "tflm":
        rows.add_row("TFLM's head", f"{shown.tflm_head_bytes:,} bytes")
    if chosen.planner == "best":
        rows.add_row("lower bound", _bound_text(chosen))
    if shown.passed.extra_macs:
        rows.add_row("extra MACs", f"{shown.passed.extra_macs:.1%}")
    rows.add_row("peak", output.safe(peak_text(shown.moments), limit=300))
    if variables:
        total = sum(variable["nbytes"] for variable in variables)
        rows.add_row("variables", f"{total:,} bytes in {len(variables)} beside the head")
    return rows


def _bound_text(chosen: Plan) -> str:
    proved = chosen.head_bytes == chosen.lower_bound
    verdict = "proved: no plan is smaller" if proved else "a smaller plan may exist"
    return f"{chosen.lower_bound:,} bytes; {verdict}"


def _buffers(prepared: Prepared, chosen: Plan, moments: Sequence[Moment]) -> Table:
    """A row for each tensor and scratch buffer, in the order TFLM adds them."""
    columns = ("buffer", "offset", "size", "from", "to op", "type", "name")
    made = output.table(
        *columns, right=("buffer", "offset", "size"), firm=("from", "to op", "type")
    )
    places = {moment.scope: moment.place for moment in moments}
    for placed in chosen.placed:
        kind, name = "scratch", ""
        if placed.request.tensor is not None:
            subgraph, index = placed.request.tensor
            tensor = prepared.graph.subgraphs[subgraph].tensors[index]
            kind, name = model_text.tensor_text(tensor), tensor.name
        made.add_row(
            number_of(prepared, placed),
            f"{placed.offset:,}",
            f"{placed.size:,}",
            output.safe(places.get(placed.request.first, "unused")),
            output.safe(places.get(placed.request.last, "unused")),
            output.safe(kind, limit=40),
            output.safe(name, "dim", limit=40),
        )
    return made


def show_plan(screen: Console, shown: Shown, remark: str, table: bool, chart: bool) -> None:
    """The figures, a remark if there is one, and where asked for the table and the map."""
    prepared, chosen, moments = shown.passed.prepared, shown.passed.plan, shown.moments
    screen.print(_summary(shown))
    if shown.passed.reports:
        screen.print()
        screen.print(passes_table(shown.passed.reports))
    if remark:
        screen.print(output.safe(remark, limit=300))
    if table:
        screen.print()
        screen.print(_buffers(prepared, chosen, moments))
    if chart:
        screen.print()
        print_map(screen, prepared, chosen)


def print_map(screen: Console, prepared: Prepared, plan: Plan) -> None:
    """The arena over time as text, in what the screen can show."""
    shades = UNICODE if "utf" in screen.encoding else ASCII
    text = arena_map(prepared, plan, screen.width, shades)
    screen.print(_coloured(text), no_wrap=True, crop=False, overflow="ignore")


def _coloured(text: str) -> Text:
    made = Text(text)
    for shade, style in (
        (UNICODE.writes, "green"),
        (UNICODE.reads, "cyan"),
        (UNICODE.scratch, "yellow"),
        (UNICODE.kept, "bright_black"),
    ):
        made.highlight_regex(f"[{shade}]+", style)
    made.highlight_regex(r"(?m) peak$", "bold red")
    return made
