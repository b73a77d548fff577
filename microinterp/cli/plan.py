"""`microinterp plan`: where each tensor lies in the arena, and when."""

from __future__ import annotations

from typing import Annotated

import typer

from microinterp.arena.embed import embed
from microinterp.arena.plan import PLANNERS, Plan
from microinterp.arena.plan import plan as make_plan
from microinterp.arena.regions import plan_regions
from microinterp.arena.report import timeline
from microinterp.cli import options, output
from microinterp.cli.amounts import parse_bytes
from microinterp.cli.passes import (
    MaxExtraMacs,
    Passes,
    Ram,
    parse_passes,
    passes_figures,
    passes_json,
)
from microinterp.cli.plan_pictures import tflm_mark, write_html, write_svg
from microinterp.cli.plan_regions import parse_regions, regions_json, show_regions
from microinterp.cli.plan_report import Shown, as_dict, show_plan
from microinterp.cli.plan_target import show_target, sizes_of, target_json
from microinterp.files import write_bytes
from microinterp.interpreter import prepare_model
from microinterp.model import contents_of, load
from microinterp.operators_file import registry_with
from microinterp.passes import Passed, run_passes
from microinterp.prepare import Prepared
from microinterp.registry import Registry


def command(
    model: options.Model,
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
    regions: Annotated[
        str | None,
        typer.Option(
            metavar="fast=64K,slow=512K",
            help="Memories of the board, the preferred first: gives each buffer its place, so that "
            "what ops read and write most lies in the first. Exit status 1 if it does not fit.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="cortex-m-cmsis-nn|...",
            help="Also show what TFLM takes from its arena there, structs included, and the "
            "smallest arena that works.",
        ),
    ] = None,
    svg: Annotated[
        str | None, typer.Option(metavar="OUT.svg", help="Write a picture of the arena over time.")
    ] = None,
    html: Annotated[
        str | None,
        typer.Option(metavar="OUT.html", help="Write a page with the picture and every buffer."),
    ] = None,
    passes: Passes = "none",
    ram: Ram = None,
    max_extra_macs: MaxExtraMacs = 0.1,
    operators: options.Operators = None,
    json: options.Json = False,
) -> None:
    """Show how large the arena is, where each tensor lies in it, and which op needs the most.

    The head is the part that tensors and scratch buffers share; it equals TFLM's byte for byte.
    Variables lie beside it. TFLM's own structs, which depend on the chip, come on top.

    Targets: x86_64-wheel, cortex-m-reference, cortex-m-cmsis-nn-c, cortex-m-cmsis-nn-dsp,
    cortex-m-cmsis-nn-mve.

    JSON: planner, head_bytes, tflm_head_bytes (the head of the tflm planner), lower_bound (no plan
    has a smaller head; one that has just this is proved to be the best), extra_macs
    (multiply-accumulates that passes do twice, 0.05 is 5 % of the model's), peak_bytes (the most
    alive at once), embedded_head_bytes (with --embed the head that TFLM makes of the file written,
    else null), variable_bytes, peak_ops (subgraph, index, name), variables (subgraph, index, name,
    nbytes; resource variables have only a name and nbytes), tensors (subgraph, index, name, type,
    shape, and place) and scratch (subgraph, op, number, and place). A place is offset, size (nbytes
    rounded up to 16), nbytes, first_op and last_op (the ops from which and to which it is alive:
    subgraph, index, name, or null before the first op), first_scope and last_scope (the same as
    TFLM counts them; -1 if nothing uses the buffer). regions (with --regions, else null) lists
    name, size, head_bytes, short_bytes (that it lacks), traffic_bytes (what ops read and write
    there per invoke), tensors and scratch, as above. passes lists name, head_before, head_after,
    extra_macs and how (the grid of patches); tensors that passes lay into others have no place of
    their own, and ops are steps: pieces of an op have its index. target (with --target, else null)
    is name, table (of struct sizes: ABI and version of TFLM), head_bytes (with the target's own
    scratch buffers), tail_bytes, used_bytes (their sum: MicroInterpreter.arena_used_bytes()),
    minimum_bytes (the smallest arena that works) and categories (bytes by purpose, which sum to
    used_bytes: activations and scratch are the head, the others the tail); with --embed it is about
    the file written.
    """
    if regions is not None and (to is not None or svg is not None):
        raise typer.BadParameter("--embed and --svg are for one arena; --regions takes --html")
    if regions is not None and target is not None:
        raise typer.BadParameter("--target is about one arena, --regions about several")
    if passes != "none" and (regions is not None or to is not None or target is not None):
        raise typer.BadParameter("TFLM and --regions know nothing of passes: leave one of them out")
    over = None if regions is None else parse_regions(regions)
    data = contents_of(model)
    # A plan that the file has already would bind the planner.
    free = data if to is None and over is None else embed(data, load(data), {})
    registry = registry_with(operators)
    prepared = prepare_model(free, registry=registry, kernels="plain")
    usual = make_plan(prepared).head_bytes
    limit = None if ram is None else parse_bytes(ram)
    placed = None if over is None else plan_regions(prepared, over)
    passed = Passed(prepared, make_plan(prepared, planner), (), 0.0)
    if passes != "none":
        passed = run_passes(prepared, parse_passes(passes), limit, max_extra_macs)
        prepared = passed.prepared
    chosen = passed.plan
    embedded = None if to is None else _embedded(data, prepared, registry, chosen, to)
    sizes = None if target is None else sizes_of(prepared, planner, target, to, registry)
    moments = timeline(prepared, chosen)
    shown = Shown(passed, moments, usual)
    marks = tflm_mark(chosen, usual)
    if svg is not None:
        write_svg(svg, model, prepared, chosen, marks)
    if html is not None:
        write_html(html, model, prepared, chosen, marks, placed, passes_figures(passed))
    if json:
        split = None if placed is None else regions_json(prepared, placed, moments)
        added = {
            "embedded_head_bytes": embedded,
            "regions": split,
            "target": None if sizes is None else target_json(sizes),
        }
        output.print_json(as_dict(shown) | added | {"passes": passes_json(passed.reports)})
    elif placed is not None:
        show_regions(output.console(), prepared, placed, moments, table, chart)
    else:
        remark = f"{to}: TFLM's head with this plan has {embedded:,} bytes" if to else ""
        show_plan(output.console(), shown, remark, table, chart)
        if sizes is not None:
            show_target(output.console(), sizes)
    if limit is not None and chosen.head_bytes > limit:
        short = chosen.head_bytes - limit
        typer.echo(f"the head is {short:,} bytes larger than --ram", err=True)
        raise typer.Exit(output.NO)
    if placed is not None and placed.short_bytes:
        raise typer.Exit(output.NO)


def _embedded(data: bytes, prepared: Prepared, registry: Registry, chosen: Plan, path: str) -> int:
    """Write the model with the plan; returns the head that TFLM makes of it, scratch included.

    Where TFLM's way to place scratch spoils the plan, its own plan is written instead.
    """
    usual = make_plan(prepared, "tflm")
    written, head = b"", 0
    for plan in (chosen, usual):
        written = embed(data, prepared.graph.model, plan.tensors)
        head = make_plan(prepare_model(written, registry=registry, kernels="plain")).head_bytes
        if head <= usual.head_bytes:
            break
    write_bytes(path, written)
    return head
