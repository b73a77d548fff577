"""Memory passes on the command line: options that `plan` and `pack` share, and what passes did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, TypeAlias

import typer
from rich.table import Table

from microinterp.cli import output
from microinterp.passes import NAMES, Passed, PassReport

Passes: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="none|auto|NAMES",
        help="Memory passes, which keep every bit: auto takes those that --ram needs (without it "
        f"all that help), or name some with commas between: {', '.join(NAMES)}.",
    ),
]
Ram: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="64K", help="Bytes that the head may have; exit status 1 if it needs more."
    ),
]
MaxExtraMacs: TypeAlias = Annotated[
    float,
    typer.Option(
        min=0.0, metavar="0.1", help="MACs that patches may do twice, as a share of the model's."
    ),
]


def parse_passes(text: str) -> str | list[str]:
    """The words "none" and "auto" as they are, or the names between commas, unchecked."""
    if text in ("none", "auto"):
        return text
    return [name.strip() for name in text.split(",") if name.strip()]


def passes_json(reports: Sequence[PassReport]) -> list[dict[str, Any]]:
    """One record for each pass."""
    return [asdict(report) for report in reports]


def passes_figures(passed: Passed) -> list[tuple[str, str]]:
    """What the page tells of passes, as names and values; nothing without any."""
    if not passed.reports:
        return []
    steps = ", ".join(
        f"{report.name} {report.head_after:,}" + (f" ({report.how})" if report.how else "")
        for report in passed.reports
    )
    return [("passes", steps), ("extra MACs", f"{passed.extra_macs:.1%}")]


def passes_table(reports: Sequence[PassReport]) -> Table:
    """Bytes of the head before and behind each pass, and its price."""
    rows = output.table(
        "pass", "before", "after", "extra MACs", "", right=("before", "after", "extra MACs")
    )
    for report in reports:
        rows.add_row(
            report.name,
            f"{report.head_before:,}",
            f"{report.head_after:,}",
            f"{report.extra_macs:.1%}" if report.extra_macs else "",
            report.how,
        )
    return rows
