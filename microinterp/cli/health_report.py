"""Findings of quantisation health as text: one block for each rule, its places, its remedy."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from microinterp.cli import output
from microinterp.health import Finding

_STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}
_MOST_PLACES = 6
"""Places of a rule that are shown; --json has all."""


def show_health(screen: Console, findings: Sequence[Finding]) -> None:
    """Print findings, the gravest rule first."""
    blocks: dict[tuple[str, str, str], list[Finding]] = {}
    for each in findings:
        blocks.setdefault((each.severity, each.rule, each.remedy), []).append(each)
    for (severity, rule, remedy), found in blocks.items():
        screen.print(Text(severity, _STYLES[severity]) + Text(f" {rule}", "bold"))
        for each in found[:_MOST_PLACES]:
            screen.print(_place(each), soft_wrap=True)
        if len(found) > _MOST_PLACES:
            screen.print(Text(f"  and {len(found) - _MOST_PLACES} more (--json)", "dim"))
        if remedy:
            screen.print(output.safe(f"  -> {remedy}", limit=400), soft_wrap=True)


def _place(found: Finding) -> Text:
    place, where = Text("  "), found.where
    if where.op_index is not None:
        number = f"{where.subgraph}:{where.op_index}" if where.subgraph else str(where.op_index)
        place += Text(f"op {number} ") + output.safe(where.op_name or "?", limit=40)
    elif where.role:
        place += output.safe(where.role)
    return place + Text(": ") + output.safe(found.message, limit=300)
