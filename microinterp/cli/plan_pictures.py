"""Files with pictures that `microinterp plan` writes: --svg and --html."""

from __future__ import annotations

import os
from collections.abc import Sequence

from microinterp.arena.plan import Plan
from microinterp.input_files import write_bytes
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
    figures: Sequence[tuple[str, str]] = (),
) -> None:
    """The page with figures, picture and buffers. Raises InputError if it cannot be written."""
    section = arena_section(prepared, plan, marks=marks, figures=figures)
    write_bytes(path, page(os.path.basename(model), [section]))


def tflm_mark(plan: Plan, tflm_head_bytes: int) -> tuple[Mark, ...]:
    """TFLM's head to compare a plan with, but for TFLM's own plan."""
    return () if plan.planner == "tflm" else (Mark("TFLM's head", tflm_head_bytes),)
