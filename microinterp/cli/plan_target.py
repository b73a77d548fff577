"""`microinterp plan --target`: what TFLM takes from its arena on a chip, by what it is for."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from microinterp.arena.plan import plan as make_plan
from microinterp.arena.target import HEAD_CATEGORIES, TargetSizes, target_sizes
from microinterp.cli import output
from microinterp.interpreter import prepare_model
from microinterp.model import contents_of
from microinterp.prepare import Prepared
from microinterp.registry import Registry


def sizes_of(
    prepared: Prepared, planner: str, target: str, written: str | None, registry: Registry
) -> TargetSizes:
    """Sizes on `target`: of the file that --embed has written, else with the planner's plan.

    Raises:
        ArenaError: no such target, or it cannot run the model.
    """
    if written is not None:
        again = contents_of(written)
        prepared = prepare_model(again, registry=registry, kernels="plain")
        planner = "tflm"
    return target_sizes(prepared, make_plan(prepared, planner), target)


def target_json(sizes: TargetSizes) -> dict[str, Any]:
    """The command's `target`; its docstring says what the fields mean."""
    return {
        "name": sizes.target,
        "table": sizes.table,
        "head_bytes": sizes.head_bytes,
        "tail_bytes": sizes.tail_bytes,
        "used_bytes": sizes.used_bytes,
        "minimum_bytes": sizes.minimum_bytes,
        "categories": dict(sizes.categories),
    }


def show_target(console: Console, sizes: TargetSizes) -> None:
    """Head and tail by category, what is used, and the smallest arena that works."""
    made = output.table("", "bytes", "of which", right=("bytes", "of which"))
    made.title = f"TFLM's arena on {sizes.target}"
    for name, total in (("head", sizes.head_bytes), ("tail", sizes.tail_bytes)):
        made.add_row(name, Text(f"{total:,}", style="bold"), "")
        for category, nbytes in sizes.categories.items():
            if (category in HEAD_CATEGORIES) == (name == "head") and nbytes:
                made.add_row(f"  {category}", "", f"{nbytes:,}")
    made.add_row("used", Text(f"{sizes.used_bytes:,}", style="bold"), "")
    made.add_row("smallest that works", Text(f"{sizes.minimum_bytes:,}", style="bold"), "")
    console.print()
    console.print(made)
    console.print(f"struct sizes: {sizes.table}")
