"""`microinterp ops`: the operators that run here, with their types, limits and exactness."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from microinterp import operator_table
from microinterp.cli import output


def command(
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print docs/SUPPORTED_OPS.md instead.")
    ] = False,
) -> None:
    """List TFLM's operators: the types they take, their limits, how exactly they equal TFLM.

    "int16 x int8" means an int16 input and int8 weights; "int8 -> float32" is from what to what.

    JSON: a list of name, kind ("builtin" or "custom"), types, limits, exactness ("exact", or the
    bound and its reason), refused (why it never runs, or ""), fast (types with a fast kernel),
    boards (kernel tiers that have it), test (the command that compares it with TFLM).
    """
    rows = operator_table.rows()
    if json:
        output.print_json([asdict(row) for row in rows])
    elif markdown:
        print(operator_table.markdown(), end="")
    else:
        _show(rows)


def _show(rows: list[operator_table.Row]) -> None:
    table = output.table(
        "operator", "types", "limits", "against TFLM", "boards", firm=("operator",)
    )
    for row in rows:
        exactness = f"refused: {row.refused}" if row.refused else row.exactness
        style = "green" if exactness == "exact" else "red" if row.refused else ""
        table.add_row(
            row.name,
            Text("; ".join(row.types)),
            Text("; ".join(row.limits)),
            Text(exactness, style=style),
            "yes" if row.boards else "",
        )
    screen = output.console()
    screen.print(table)
    total = len(operator_table.TFLM_BUILTINS) + len(operator_table.TFLM_CUSTOM)
    screen.print(f"\n{len(rows)} of TFLM's {total} operators")
