"""Files with pictures that `microinterp plan` writes: --svg and --html."""

from __future__ import annotations

import os
from collections.abc import Sequence

from microinterp.arena.plan import Plan
from microinterp.arena.regions import RegionPlan, RegionUse
from microinterp.files import write_bytes
from microinterp.prepare import Prepared
from microinterp.report import Mark, arena_section, arena_svg, page


def write_svg(
    path: str, model: str, prepared: Prepared, plan: Plan, marks: Sequence[Mark] = ()
) -> None:
    """The picture alone. Raises InputError if the file cannot be written."""
    picture = arena_svg(prepared, plan, heading=os.path.basename(model), marks=marks)
    write_bytes(path, picture.encode() + b"\n")


def write_html(
    path: str,
    model: str,
    prepared: Prepared,
    plan: Plan,
    marks: Sequence[Mark] = (),
    regions: RegionPlan | None = None,
    figures: Sequence[tuple[str, str]] = (),
) -> None:
    """The page with figures, picture and buffers: of the plan, or of each region instead.

    Args:
        figures: more of the plan's, as names and values.

    Raises:
        InputError: it cannot be written.
    """
    sections = [arena_section(prepared, plan, marks=marks, figures=figures)]
    if regions is not None:
        sections = [_region_section(prepared, use, regions) for use in regions.uses]
    write_bytes(path, page(os.path.basename(model), sections))


def _region_section(prepared: Prepared, use: RegionUse, made: RegionPlan) -> str:
    share = use.traffic_bytes / max(1, made.traffic_bytes)
    moved = f"{use.traffic_bytes:,} bytes per invoke, {share:.1%} of all"
    return arena_section(
        prepared,
        use.plan,
        heading=f"Region {use.region.name}",
        marks=(Mark("region's end", use.region.size),),
        figures=(("read and written", moved),),
    )


def tflm_mark(plan: Plan, tflm_head_bytes: int) -> tuple[Mark, ...]:
    """TFLM's head to compare a plan with, but for TFLM's own plan."""
    return () if plan.planner == "tflm" else (Mark("TFLM's head", tflm_head_bytes),)
