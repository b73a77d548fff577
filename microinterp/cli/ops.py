"""`microinterp ops`: the operators that run here, with their types, limits and exactness."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from microinterp import operator_table
from microinterp.cli import options, output
from microinterp.errors import UnsupportedError, printable

_ELEMENT_TYPE = re.compile(r"\b(?:u?int\d+|float\d+|bool|resource|any)\b")
_LEGEND = """
exact  yes    not one byte differs from TFLM
       int    so with integers; float32 has a bound
       libm   as far as the C library's functions agree
       never  refused: no model with it runs
{shown} of TFLM's {total} operators; `microinterp ops NAME` tells all about one
"""


def command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Operators to tell all about, such as CONV_2D.",
            show_default=False,
        ),
    ] = None,
    json: options.Json = False,
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
    if markdown and (names or json):
        raise typer.BadParameter("--markdown is the whole page: give neither names nor --json")
    rows = operator_table.rows()
    chosen = _chosen(rows, names) if names else rows
    if json:
        output.print_json([asdict(row) for row in chosen])
    elif markdown:
        print(operator_table.markdown(), end="")
    elif names:
        _show_each(chosen)
    else:
        _show_list(rows)


def _chosen(rows: Sequence[operator_table.Row], names: Sequence[str]) -> list[operator_table.Row]:
    """The rows of `names`, in their order; here, unlike in a file, case does not matter."""
    by_name = {row.name.casefold(): row for row in rows}
    for name in names:
        if name.casefold() not in by_name:
            close = difflib.get_close_matches(name.casefold(), by_name, n=3)
            meant = ", ".join(by_name[each].name for each in close)
            raise UnsupportedError(
                f"TFLM has no operator '{printable(name)}'",
                hint=f"do you mean {meant}?" if meant else "`microinterp ops` lists all",
            )
    return [by_name[name.casefold()] for name in names]


def _show_list(rows: Sequence[operator_table.Row]) -> None:
    """One line for each operator where the screen has 80 columns."""
    table = output.table("operator", "types", "exact", "boards", firm=("operator",))
    for row in rows:
        types = dict.fromkeys(_ELEMENT_TYPE.findall(" ".join(row.types)))
        exact = _exact(row)
        style = {"yes": "green", "never": "red"}.get(exact, "yellow")
        table.add_row(
            row.name, " ".join(types), Text(exact, style=style), "yes" if row.boards else ""
        )
    screen = output.console()
    screen.print(table)
    total = len(operator_table.TFLM_BUILTINS) + len(operator_table.TFLM_CUSTOM)
    screen.print(_LEGEND.format(shown=len(rows), total=total), end="")


def _exact(row: operator_table.Row) -> str:
    """The exactness in the legend's words."""
    if row.refused:
        return "never"
    if row.exactness == "exact":
        return "yes"
    return "int" if row.exactness.startswith("exact; float32: ") else "libm"


def _show_each(rows: Sequence[operator_table.Row]) -> None:
    """All that is known of each, a line for each fact."""
    screen = output.console()
    for row in rows:
        facts = output.table("fact", "value", firm=("fact",))
        facts.show_header = False
        for fact, lines in _facts(row).items():
            for number, line in enumerate(lines):
                facts.add_row(Text("" if number else fact, style="bold"), Text(line))
        screen.print(facts)
        if row is not rows[-1]:
            screen.print()


def _facts(row: operator_table.Row) -> dict[str, Sequence[str]]:
    if row.refused:
        return {"operator": [f"{row.name} ({row.kind})"], "refused": [row.refused]}
    return {
        "operator": [f"{row.name} ({row.kind})"],
        "types": operator_table.grouped(row.types),
        "limits": row.limits or ["none"],
        "against TFLM": re.split(r"; (?=int16: |float32: )", row.exactness),
        "fast on a PC": operator_table.grouped(row.fast) or ["no"],
        "boards": [", ".join(row.boards) + " kernels" if row.boards else "no"],
        "compare": [f"{row.test}  # in a checkout"],
    }
