"""`microinterp plan --regions`: several memories, read from the option and shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from microinterp.arena.regions import Region, RegionPlan, RegionUse
from microinterp.arena.report import Moment, number_of
from microinterp.cli import output
from microinterp.cli.amounts import parse_bytes
from microinterp.cli.plan_report import buffer_dicts, print_map
from microinterp.errors import ArenaError, printable
from microinterp.prepare import Prepared


def parse_regions(text: str) -> tuple[Region, ...]:
    """Regions such as "fast=64K,slow=512K", the preferred first.

    Raises:
        ArenaError: what stands between two commas is no name, "=" and bytes.
    """
    found = []
    for part in text.split(","):
        name, equals, size = part.partition("=")
        if not name.strip() or not equals:
            raise ArenaError(
                f"--regions: '{printable(part, 40)}' is not NAME=BYTES",
                hint="the preferred first, for example --regions fast=64K,slow=512K",
            )
        found.append(Region(name.strip(), parse_bytes(size)))
    return tuple(found)


def regions_json(
    prepared: Prepared, made: RegionPlan, moments: Sequence[Moment]
) -> list[dict[str, Any]]:
    """What --json adds; the command's docstring says what the fields mean."""
    return [
        {
            "name": use.region.name,
            "size": use.region.size,
            "head_bytes": use.plan.head_bytes,
            "short_bytes": use.short_bytes,
            "traffic_bytes": use.traffic_bytes,
        }
        | buffer_dicts(prepared, use.plan, moments)
        for use in made.uses
    ]


def show_regions(
    screen: Console,
    prepared: Prepared,
    made: RegionPlan,
    moments: Sequence[Moment],
    table: bool,
    chart: bool,
) -> None:
    """Each region's figures, its buffers, its map; at last what is missing, if anything is."""
    screen.print(_summary(made))
    if table:
        screen.print()
        screen.print(_buffers(prepared, made, moments))
    for use in made.uses if chart else ():
        screen.print()
        screen.print(output.safe(use.region.name, "bold"))
        print_map(screen, prepared, use.plan)
    if made.short_bytes:
        screen.print()
        screen.print(_verdict(made))


def _summary(made: RegionPlan) -> Table:
    figures = ("size", "head", "free", "bytes moved", "share")
    rows = output.table("region", *figures, right=figures)
    for use in made.uses:
        free = use.region.size - use.plan.head_bytes
        rows.add_row(
            output.safe(use.region.name),
            f"{use.region.size:,}",
            f"{use.plan.head_bytes:,}",
            Text(f"{free:,}", style="red" if free < 0 else ""),
            f"{use.traffic_bytes:,}",
            f"{use.traffic_bytes / max(1, made.traffic_bytes):.1%}",
        )
    return rows


def _buffers(prepared: Prepared, made: RegionPlan, moments: Sequence[Moment]) -> Table:
    """A row for each buffer, region by region, those with the most traffic per byte first."""
    columns = ("region", "buffer", "offset", "size", "bytes moved", "from", "to op", "name")
    numbers = ("buffer", "offset", "size", "bytes moved")
    rows = output.table(*columns, right=numbers, firm=("from", "to op"))
    places = {moment.scope: moment.place for moment in moments}
    for use in made.uses:
        for position in _busiest_first(use):
            placed = use.plan.placed[position]
            name = ""
            if placed.request.tensor is not None:
                subgraph, index = placed.request.tensor
                name = prepared.graph.subgraphs[subgraph].tensors[index].name
            rows.add_row(
                output.safe(use.region.name, limit=20),
                number_of(prepared, placed),
                f"{placed.offset:,}",
                f"{placed.size:,}",
                f"{use.traffic[position]:,}",
                places.get(placed.request.first, "unused"),
                places.get(placed.request.last, "unused"),
                output.safe(name, "dim", limit=40),
            )
    return rows


def _busiest_first(use: RegionUse) -> list[int]:
    def rank(position: int) -> tuple[float, int]:
        return -use.traffic[position] / max(1, use.plan.placed[position].size), position

    return sorted(range(len(use.traffic)), key=rank)


def _verdict(made: RegionPlan) -> Text:
    short = ", ".join(
        f"{use.region.name} lacks {use.short_bytes:,} bytes" for use in made.uses if use.short_bytes
    )
    room = sum(use.region.size for use in made.uses)
    why = f"{made.peak_bytes:,} bytes are alive at once, the regions have {room:,}"
    return Text("does not fit: ", style="bold red") + output.safe(f"{short} ({why})", limit=400)
