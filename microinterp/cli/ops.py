"""`microinterp ops`: the operators that run here, with their types and exactness."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from microinterp.cli import output
from microinterp.kernels import default_registry


def command(
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """List the supported operators, the types they take, and how exactly they equal TFLM.

    "int16 x int8" means an int16 input and int8 weights; "int8 -> float32" is from what to what.

    JSON: a list of name, types (a list), exactness ("exact", or the bound and its reason).
    """
    ops = sorted(default_registry(), key=lambda op: op.name)
    if json:
        output.print_json(
            [
                {"name": op.name, "types": list(op.types), "exactness": op.all_exactness}
                for op in ops
            ]
        )
        return
    rows = output.table("operator", "types", "against TFLM")
    for op in ops:
        style = "green" if op.all_exactness == "exact" else ""
        rows.add_row(op.name, Text(", ".join(op.types)), Text(op.all_exactness, style=style))
    screen = output.console()
    screen.print(rows)
    screen.print(f"\n{len(ops)} operators")
