"""What `compare` prints for people: a table of ops, norms of outputs, the diagnosis."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from microinterp.cli import output
from microinterp.compare import Comparison, Finding, Norms, OutputRow, Row

_AROUND = 1  # agreeing ops that are listed before the first that differs
_MOST = 40  # rows of a table that is not asked to be whole


def show(result: Comparison, every: bool) -> None:
    """Print a comparison; `every` lists ops that agree, too."""
    screen = output.console()
    screen.print(_sides(result), soft_wrap=True)
    shown, left_out = _chosen(result.rows, every)
    if shown:
        screen.print()
        screen.print(_table(shown, result.other_name == "float", _numbers(result)))
        if left_out:
            screen.print(Text(f"{left_out} more ops: --all lists them", "dim"))
    if any(row.norms is not None for row in result.outputs):
        screen.print()
        for norms in _norms(result):
            screen.print(norms)
    screen.print()
    for line in _verdict(result):
        screen.print(line, soft_wrap=True)
    for part in _diagnosis(result):
        screen.print(part)
    for note in result.notes:
        output.note(note)


def _sides(result: Comparison) -> Text:
    samples = f"{result.samples} sample{'' if result.samples == 1 else 's'}"
    return (
        Text("ours    ")
        + output.safe(result.ours, limit=120)
        + Text("\ntheirs  ")
        + output.safe(result.other, limit=120)
        + Text(f"\n        {samples}")
    )


def _chosen(rows: tuple[Row, ...], every: bool) -> tuple[list[Row], int]:
    """Rows to show: all, or those that differ with the one before the first."""
    if every:
        return list(rows), 0
    first = next((i for i, row in enumerate(rows) if row.differs), None)
    if first is None:
        return [], 0
    wanted = [
        row
        for i, row in enumerate(rows)
        if first - _AROUND <= i < first or row.differs or row.isolated_differing
    ]
    return wanted[:_MOST], len(rows) - len(wanted[:_MOST])


def _numbers(result: Comparison) -> dict[str, int]:
    """Causes by name, numbered as they are listed: those of the first op, then those of others."""
    first = [finding.name for finding in result.findings]
    others = [name for row in result.rows for name in row.causes]
    return {name: i for i, name in enumerate(dict.fromkeys([*first, *others]), 1)}


def _table(rows: list[Row], is_float: bool, numbers: dict[str, int]) -> Table:
    alone = () if is_float else ("by itself", "max")
    last = ("rmse", "cos") if is_float else ("cause",)
    names = ("op", "name", "elements", "differing", "max", *alone, *last)
    made = output.table(*names, right=[name for name in names if name not in ("name", "cause")])
    first = next((row for row in rows if row.differs), None)
    for row in rows:
        place = f"{row.subgraph}/{row.index}" if row.subgraph else str(row.index)
        made.add_row(
            place,
            output.safe(row.name, "bold" if row is first else "", 40),
            f"{row.elements:,}",
            _count(row.differing, row),
            _number(row.max_difference),
            *(
                ()
                if is_float
                else (_count(row.isolated_differing, row), _number(row.isolated_max_difference))
            ),
            *(_float_cells(row.norms) if is_float else (_causes(row, numbers),)),
            style="dim" if not row.differs else None,
        )
    return made


def _causes(row: Row, numbers: dict[str, int]) -> str:
    return " ".join(str(number) for number in sorted(numbers[name] for name in row.causes))


def _float_cells(found: Norms | None) -> tuple[str, str]:
    return (_real(found.rmse), _real(found.cos)) if found else ("-", "-")


def _count(value: int | None, row: Row) -> str:
    if row.told == "no":
        return "not told"
    if value is None:
        return "-" if row.told == "values" else f"CRC, {row.differing_samples} samples"
    return f"{value:,}" + (" samples" if row.told == "crc" else "")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _real(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _norms(result: Comparison) -> Iterator[Text]:
    """As ST Edge AI Core's validate prints them; no figure is broken up on a narrow screen."""
    for row in result.outputs:
        if row.norms is None:
            continue
        n = row.norms
        name = output.safe(f"{row.type} {row.tensor_name}", limit=60)
        yield Text(f"output {row.output}: ") + name
        acc = "n.a." if n.acc is None else f"{n.acc:.2%}"
        size = {"acc": acc, "rmse": _real(n.rmse), "mae": _real(n.mae), "l2r": _real(n.l2r)}
        yield Text("  " + "   ".join(f"{key} {value}" for key, value in size.items()))
        likeness = {"mean": n.mean, "std": n.std, "nse": n.nse, "cos": n.cos}
        yield Text("  " + "   ".join(f"{key} {_real(value)}" for key, value in likeness.items()))


def _verdict(result: Comparison) -> Iterator[Text]:
    compared = f"{result.compared_elements:,} elements"
    if result.equal:
        yield Text(f"equal: {compared} of {_what(result)}, no byte differs", "green")
        return
    yield Text(f"different: {result.differing_elements:,} of {compared}", "bold red")
    first = result.first_op
    if first is not None:
        row = next(r for r in result.rows if (r.subgraph, r.index) == (first.subgraph, first.index))
        where = f" of subgraph {first.subgraph}" if first.subgraph else ""
        yield (
            Text(f"first: op {first.index}{where} ", "bold")
            + output.safe(first.name, "bold", 40)
            + Text(" writes tensor ")
            + output.safe(f"{row.tensor} '{row.tensor_name}'", limit=50)
        )
    elif result.other_name != "float":
        untold = not any(row.told != "no" for row in result.rows)
        yield Text(
            "only outputs are told: no op can be named by its tensor" if untold else
            "no op that is told differs"
        )  # fmt: skip


def _what(result: Comparison) -> str:
    told = sum(row.told != "no" for row in result.rows)
    outputs: tuple[OutputRow, ...] = result.outputs
    return f"{told} tensors and {len(outputs)} output{'' if len(outputs) == 1 else 's'}"


def _diagnosis(result: Comparison) -> Iterator[Text | Table]:
    if result.equal or result.other_name == "float":
        return
    numbers = _numbers(result)
    listed = Table.grid(padding=(0, 1, 0, 0))
    if not result.findings:
        yield Text("not explained: no known cause gives these bytes. What can be said:", "yellow")
        for line in result.evidence:
            listed.add_row(" -", output.safe(line, limit=300))
    else:
        several = len(result.findings) > 1
        yield Text("cause, any of these gives the same bytes:" if several else "cause:", "bold")
        for finding in result.findings:
            listed.add_row(f" {numbers[finding.name]}", _finding(finding))
    known = {finding.name for finding in result.findings}
    for name, number in numbers.items():
        if name not in known:
            listed.add_row(f" {number}", Text("in later ops: ") + Text(f"[{name}]", "cyan"))
    yield listed


def _finding(finding: Finding) -> Text:
    who = "the other side" if finding.op is None else finding.op
    if finding.index is not None:
        who += f" (op {finding.index})"
    detail = f" ({finding.detail})" if finding.detail else ""
    made = Text(f"[{finding.name}] ", "cyan")
    made += output.safe(f"{who} {finding.text}{detail}.", limit=500)
    if finding.index is not None and finding.of > 1:
        likewise = f"{finding.reproduces} of the {finding.of} ops that differ by themselves"
        made += Text(f" So do {likewise}.")
    return made
