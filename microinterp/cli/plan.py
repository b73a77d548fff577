"""`microinterp plan`: where each tensor lies in the arena, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from microinterp.arena.embed import embed
from microinterp.arena.plan import PLANNERS, Placed, Plan
from microinterp.arena.plan import plan as make_plan
from microinterp.arena.report import ASCII, UNICODE, Moment, arena_map, peak_bytes, timeline
from microinterp.cli import output
from microinterp.input_files import write_bytes
from microinterp.interpreter import prepare_model
from microinterp.model import load
from microinterp.prepare import Prepared


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A .tflite file.")],
    planner: Annotated[
        str,
        typer.Option(
            metavar="|".join(PLANNERS),
            help="tflm: TFLM's own greedy plan. best: a search for a smaller head, never larger "
            "than TFLM's. linear: nothing overlaps, as TFLM does when it preserves all tensors.",
        ),
    ] = "tflm",
    table: Annotated[bool, typer.Option("--table/--no-table", help="List every buffer.")] = True,
    chart: Annotated[bool, typer.Option("--map/--no-map", help="Draw the arena over time.")] = True,
    to: Annotated[
        str | None,
        typer.Option(
            "--embed",
            metavar="OUT.tflite",
            help="Write the model with this plan, which TFLM then follows (scratch it places "
            "itself); a plan that the file has is replaced.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Show how large the arena is, where each tensor lies in it, and which op needs the most.

    The head is the part that tensors and scratch buffers share; it equals TFLM's byte for byte.
    Variables lie beside it. TFLM's own structs, which depend on the chip, come on top.

    JSON: planner, head_bytes, tflm_head_bytes (the head of the tflm planner), lower_bound (no plan
    has a smaller head; one that has just this is proved to be the best), extra_macs (what
    the plan costs in recomputed multiply-accumulates), peak_bytes (the most alive at once),
    embedded_head_bytes (with --embed the head that TFLM makes of the file written, else null),
    variable_bytes, peak_ops (subgraph, index, name), variables (subgraph, index, name, nbytes;
    resource variables have only a name and nbytes), tensors (subgraph, index, name, type, shape,
    and place) and scratch (subgraph, op, number, and place). A place is offset, size (nbytes
    rounded up to 16), nbytes, first_op and last_op (the ops from which and to which it is alive:
    subgraph, index, name, or null before the first op), first_scope and last_scope (the same as
    TFLM counts them; -1 if nothing uses the buffer).
    """
    data = output.read_file(model)
    # A plan that the file has already would bind the planner.
    free = data if to is None else embed(data, load(data), {})
    prepared = prepare_model(free, kernels="plain")
    chosen = make_plan(prepared, planner)
    moments = timeline(prepared, chosen)
    embedded = None if to is None else _embedded(data, prepared, chosen, to)
    if json:
        output.print_json(_as_dict(prepared, chosen, moments) | {"embedded_head_bytes": embedded})
        return
    screen = output.console()
    screen.print(_summary(prepared, chosen, moments))
    if to is not None:
        text = f"{to}: TFLM's head with this plan has {embedded:,} bytes"
        screen.print(output.safe(text, limit=300))
    if table:
        screen.print()
        screen.print(_buffers(prepared, chosen, moments))
    if chart:
        screen.print()
        drawable = "utf" in screen.encoding
        text = arena_map(prepared, chosen, screen.width, UNICODE if drawable else ASCII)
        screen.print(_coloured(text), no_wrap=True, crop=False, overflow="ignore")


def _embedded(data: bytes, prepared: Prepared, chosen: Plan, path: str) -> int:
    """Write the model with the plan; returns the head that TFLM makes of it, scratch included.

    Where TFLM's way to place scratch spoils the plan, its own plan is written instead.
    """
    usual = make_plan(prepared, "tflm")
    written, head = b"", 0
    for plan in (chosen, usual):
        written = embed(data, prepared.graph.model, plan.tensors)
        head = make_plan(prepare_model(written, kernels="plain")).head_bytes
        if head <= usual.head_bytes:
            break
    write_bytes(path, written)
    return head


def _as_dict(prepared: Prepared, chosen: Plan, moments: Sequence[Moment]) -> dict[str, Any]:
    peak = peak_bytes(moments)
    variables = _variables(prepared)
    ops = {m.scope: _op_dict(m) for m in moments}
    tensors, scratch = [], []
    for placed in chosen.placed:
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
            scratch.append({"subgraph": subgraph, "op": op, "number": number} | place)
    return {
        "planner": chosen.planner,
        "head_bytes": chosen.head_bytes,
        "tflm_head_bytes": make_plan(prepared, "tflm").head_bytes,
        "lower_bound": chosen.lower_bound,
        "extra_macs": 0,
        "peak_bytes": peak,
        "variable_bytes": sum(variable["nbytes"] for variable in variables),
        "peak_ops": [_op_dict(m) for m in moments if m.node is not None and m.live_bytes == peak],
        "variables": variables,
        "tensors": tensors,
        "scratch": scratch,
    }


def _op_dict(moment: Moment) -> dict[str, Any] | None:
    node = moment.node
    if node is None:
        return None
    return {"subgraph": node.subgraph, "index": node.index, "name": node.name}


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


def _summary(prepared: Prepared, chosen: Plan, moments: Sequence[Moment]) -> Table:
    rows = output.table("", "")
    rows.show_header = False
    peak = peak_bytes(moments)
    at_peak = [moment.label.strip() for moment in moments if moment.live_bytes == peak]
    variables = _variables(prepared)
    rows.add_row("planner", chosen.planner)
    rows.add_row("head", Text(f"{chosen.head_bytes:,} bytes", style="bold"))
    if chosen.planner != "tflm":
        rows.add_row("TFLM's head", f"{make_plan(prepared, 'tflm').head_bytes:,} bytes")
    if chosen.planner == "best":
        rows.add_row("lower bound", _bound_text(chosen))
    more = f" and {len(at_peak) - 4} more" if len(at_peak) > 4 else ""
    where = ", ".join(at_peak[:4]) + more
    rows.add_row("peak", output.safe(f"{peak:,} bytes alive at once: {where}", limit=300))
    if variables:
        total = sum(variable["nbytes"] for variable in variables)
        rows.add_row("variables", f"{total:,} bytes in {len(variables)} beside the head")
    return rows


def _bound_text(chosen: Plan) -> str:
    proved = chosen.head_bytes == chosen.lower_bound
    verdict = "proved: no plan is smaller" if proved else "a smaller plan may exist"
    return f"{chosen.lower_bound:,} bytes; {verdict}"


def _buffers(prepared: Prepared, chosen: Plan, moments: Sequence[Moment]) -> Table:
    columns = ("buffer", "offset", "size", "from", "to op", "type", "name")
    made = output.table(
        *columns, right=("buffer", "offset", "size"), firm=("from", "to op", "type")
    )
    places = {moment.scope: _place(moment) for moment in moments}
    for placed in chosen.placed:
        kind, name = "scratch", ""
        if placed.request.tensor is not None:
            subgraph, index = placed.request.tensor
            tensor = prepared.graph.subgraphs[subgraph].tensors[index]
            kind, name = output.tensor_text(tensor), tensor.name
        made.add_row(
            _number(placed),
            f"{placed.offset:,}",
            f"{placed.size:,}",
            output.safe(places.get(placed.request.first, "unused")),
            output.safe(places.get(placed.request.last, "unused")),
            output.safe(kind, limit=40),
            output.safe(name, "dim", limit=40),
        )
    return made


def _place(moment: Moment) -> str:
    """A short text for an op, for example "3", or "inputs" and "subgraph 1" before their ops."""
    return moment.label.split()[0] if moment.node else moment.label.strip()


def _number(placed: Placed) -> str:
    if placed.request.tensor is not None:
        subgraph, index = placed.request.tensor
        return f"{subgraph}:{index}" if subgraph else str(index)
    assert placed.request.scratch is not None
    subgraph, op, number = placed.request.scratch
    return f"op {f'{subgraph}:' if subgraph else ''}{op} s{number}"


def _coloured(text: str) -> Text:
    coloured = Text(text)
    for shade, style in (
        (UNICODE.writes, "green"),
        (UNICODE.reads, "cyan"),
        (UNICODE.scratch, "yellow"),
        (UNICODE.kept, "bright_black"),
    ):
        coloured.highlight_regex(f"[{shade}]+", style)
    coloured.highlight_regex(r"(?m) peak$", "bold red")
    return coloured
