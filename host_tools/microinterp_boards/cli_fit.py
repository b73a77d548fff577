"""`microinterp fit`: does a model fit boards, how many bytes short, and what would make it fit."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from microinterp.cli import options, output
from microinterp.cli.passes import MaxExtraMacs
from microinterp.errors import InputError
from microinterp.model import contents_of
from microinterp.operators_file import registry_with
from microinterp_boards.boards_table import BoardRow, boards, find
from microinterp_boards.cli_options import Json, Model
from microinterp_boards.fit import CORE_BYTES, Fitter
from microinterp_boards.fit_verdict import BoardFit, Remedy, Verdict

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
_FIRMWARE = ("both", "tflm", "micropython")
_ALL = "all"


@app.command("fit")
def command(
    model: Model,
    board: Annotated[
        list[str] | None,
        typer.Option("--board", metavar="ID|all", help="May be given often; else all boards."),
    ] = None,
    firmware: Annotated[
        str, typer.Option(metavar="|".join(_FIRMWARE), help="What the board is to run.")
    ] = "both",
    heap: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="BYTES",
            help="Size of MicroPython's heap, in place of the table's figure.",
        ),
    ] = None,
    max_extra_macs: MaxExtraMacs = 0.1,
    operators: options.Operators = None,
    json: Json = False,
) -> None:
    """Tell whether a model fits boards: with TFLM firmware, and with MicroPython and our runtime.

    TFLM: the smallest arena that works on that kind of core against all RAM (stack and the
    firmware's own data are not counted), the file with TFLM's core against the flash (kernels are
    not counted). MicroPython: what `board deploy` and an invoke take of heap and filesystem. What
    does not fit gets the bytes that are short, and, where there is one, what would make it fit: a
    better plan in the file (`plan --embed`), memory passes, weights in flash that is mapped.

    Exit status: 0 it fits all boards asked for, 1 it does not, or a size that decides is not known.

    JSON: model_bytes, packed_bytes and packed_arena_bytes (null if boards cannot run it), and
    boards, a list with id, name, mcu, core, tflm and micropython. Each of the two is null if it was
    not asked for (tflm also for boards that are no chips), else fits (null: not known),
    needed_bytes, available_bytes and short_bytes (of RAM or heap), flash_needed_bytes,
    flash_available_bytes and flash_short_bytes (of flash, or of MicroPython's filesystem),
    is_estimate, target (TFLM: the build whose sizes were taken), parts (MicroPython: model, arena,
    objects, service, total), remedy (null, or passes, extra_macs, mapping, needed_bytes), reason.
    """
    if firmware not in _FIRMWARE:
        raise InputError(f"no firmware '{firmware}'", hint=f"there are: {', '.join(_FIRMWARE)}")
    rows = [replace_heap(row, heap) for row in _rows(board or [_ALL])]
    if firmware == "tflm" and not any(row.ram_bytes for row in rows):
        raise InputError("TFLM firmware is for chips, and no board that was asked for is one")
    fitter = Fitter(contents_of(model), max_extra_macs, registry_with(operators))
    asked = [_asked(fitter, row, firmware) for row in output.with_progress(rows, "boards")]
    if json:
        output.print_json(_facts(fitter) | {"boards": [_as_dict(*each) for each in asked]})
    else:
        screen = output.console()
        screen.print(_summary(fitter, model))
        screen.print()
        if len(asked) == 1:
            _print_one(screen, *asked[0])
        else:
            screen.print(_table(asked, firmware))
            screen.print(Text("\n" + _notes(asked), style="dim"))
    verdicts = [verdict for _, *pair in asked for verdict in pair if verdict is not None]
    if not all(verdict.fits for verdict in verdicts):
        raise typer.Exit(output.NO)


_Asked = tuple[BoardRow, Verdict | None, Verdict | None]


def replace_heap(row: BoardRow, heap: int | None) -> BoardRow:
    """The board with another heap."""
    if heap is None:
        return row
    return replace(row, micropython_heap_bytes=heap, heap_basis="defined", heap_source="--heap")


def _rows(ids: Sequence[str]) -> list[BoardRow]:
    if _ALL in ids:
        return list(boards().values())
    return [find(each) for each in dict.fromkeys(ids)]


def _asked(fitter: Fitter, row: BoardRow, firmware: str) -> _Asked:
    if firmware == "tflm":
        return row, fitter.fit(row).tflm if row.ram_bytes else None, None
    if firmware == "micropython":
        return row, None, fitter.micropython(row)
    found: BoardFit = fitter.fit(row)
    return row, found.tflm, found.micropython


def _facts(fitter: Fitter) -> dict[str, Any]:
    packed = fitter.packed
    return {
        "model_bytes": len(fitter.data),
        "packed_bytes": None if packed is None else len(packed.data),
        "packed_arena_bytes": None if packed is None else packed.model.arena_bytes,
    }


def _as_dict(row: BoardRow, tflm: Verdict | None, micropython: Verdict | None) -> dict[str, Any]:
    about = {"id": row.id, "name": row.name, "mcu": row.mcu, "core": row.core}
    verdicts = {"tflm": tflm, "micropython": micropython}
    return about | {key: each and asdict(each) for key, each in verdicts.items()}


def _summary(fitter: Fitter, path: str) -> Table:
    rows = output.table("", "")
    rows.show_header = False
    rows.add_row("model", output.safe(f"{path}: {len(fitter.data):,} bytes", limit=300))
    packed = fitter.packed
    if packed is None:
        rows.add_row("packed", output.safe(f"not possible: {fitter.refusal}", "red", limit=300))
    else:
        arena = packed.model.arena_bytes
        rows.add_row("packed", f"{len(packed.data):,} bytes for MicroPython, arena {arena:,}")
    return rows


def _table(asked: Sequence[_Asked], firmware: str) -> Table:
    names = {
        "board": "",
        "RAM": "tflm",
        "TFLM": "tflm",
        "heap": "micropython",
        "MicroPython": "micropython",
        "fits with": "",
    }
    columns = [name for name, kind in names.items() if firmware == "both" or kind in ("", firmware)]
    made = output.table(*columns, right=("RAM", "heap"), firm=("board", "TFLM", "MicroPython"))
    lists = _pass_lists(asked)
    for row, tflm, micropython in asked:
        heap = row.micropython_heap_bytes
        tilde = "~" if row.heap_basis == "estimate" else ""
        cells = {
            "board": Text(row.id),
            "RAM": Text("-" if row.ram_bytes is None else f"{row.ram_bytes:,}"),
            "TFLM": _verdict_text(tflm, "flash"),
            "heap": Text("-" if heap is None else f"{tilde}{heap:,}"),
            "MicroPython": _verdict_text(micropython, "files"),
            "fits with": _remedies_text(tflm, micropython, lists),
        }
        made.add_row(*(cells[name] for name in columns))
    return made


def _verdict_text(verdict: Verdict | None, flash: str) -> Text:
    if verdict is None:
        return Text("-", style="dim")
    if verdict.fits is None:
        return Text("not known", style="yellow")
    if verdict.fits:
        return Text("fits" + (" ~" if verdict.is_estimate else ""), style="green")
    if verdict.short_bytes:
        return Text(f"{verdict.short_bytes:,} short", style="red")
    if verdict.flash_short_bytes:
        return Text(f"{flash} {verdict.flash_short_bytes:,} short", style="red")
    return Text("cannot run it", style="red")


def _pass_lists(asked: Sequence[_Asked]) -> dict[str, str]:
    """A letter for each way to ask for passes, which are too long for a cell of the table."""
    remedies = [verdict.remedy for *_, verdict in asked if verdict is not None]
    texts = dict.fromkeys(_passes_text(each) for each in remedies if each and each.passes)
    return {text: string.ascii_uppercase[i % 26] for i, text in enumerate(texts)}


def _remedies_text(
    tflm: Verdict | None, micropython: Verdict | None, lists: dict[str, str]
) -> Text:
    parts = []
    if tflm is not None and tflm.remedy is not None:
        parts.append("plan --embed")
    if micropython is not None and micropython.remedy is not None:
        remedy = micropython.remedy
        parts += [f"passes {lists[_passes_text(remedy)]}"] if remedy.passes else []
        parts += [f"weights in {remedy.mapping}"] if remedy.mapping else []
    return Text("; ".join(parts))


def _passes_text(remedy: Remedy) -> str:
    extra = f" (+{100 * remedy.extra_macs:.1f} % MACs)" if remedy.extra_macs else ""
    return f"--passes {','.join(remedy.passes)}{extra}"


def _remedy_text(remedy: Remedy) -> str:
    parts = [_passes_text(remedy)] if remedy.passes else []
    parts += [f"weights in {remedy.mapping}"] if remedy.mapping else []
    return ", ".join(parts)


def _notes(asked: Sequence[_Asked]) -> str:
    lines = [
        "TFLM: the smallest arena against all RAM, and the file with"
        f" {CORE_BYTES:,} bytes of TFLM's core against the flash; kernels, stack and the firmware's"
        " own data are not counted.",
        "MicroPython: what deploy and an invoke take of the heap. ~ is an estimate.",
    ]
    lines += [f"passes {letter}: {text}" for text, letter in _pass_lists(asked).items()]
    reasons: dict[str, list[str]] = {}
    for row, *verdicts in asked:
        for reason in {each.reason for each in verdicts if each is not None and each.reason}:
            reasons.setdefault(reason, []).append(row.id)
    for reason, ids in reasons.items():
        lines.append(f"{', '.join(ids)}: {output.safe(reason, limit=200).plain}.")
    return "\n".join(lines)


def _print_one(screen: Any, row: BoardRow, tflm: Verdict | None, other: Verdict | None) -> None:
    rows = output.table("", "")
    rows.show_header = False
    clock = f", {row.clock_hz / 1e6:g} MHz" if row.clock_hz else ""
    rows.add_row("board", Text(f"{row.name} ({row.mcu}, {row.core}{clock})", style="bold"))
    if tflm is not None:
        rows.add_row("TFLM", _verdict_text(tflm, "flash"))
        _add_sizes(rows, tflm, "arena", "of RAM", "flash", "of flash")
        if tflm.target:
            guess = "; an estimate for this core" if tflm.is_estimate else ""
            rows.add_row("  sizes of", tflm.target + guess)
        if tflm.remedy is not None:
            text = f"plan --planner best --embed: an arena of {tflm.remedy.needed_bytes:,}"
            rows.add_row("  fits with", Text(text, style="green"))
    if other is not None:
        rows.add_row("MicroPython", _verdict_text(other, "files"))
        _add_sizes(rows, other, "heap", "that it has", "files", "of filesystem")
        if other.parts is not None:
            parts = other.parts
            text = f"model {parts.model:,}, arena {parts.arena:,}, objects {parts.objects:,}"
            if parts.service > parts.model + parts.arena + parts.objects:
                text = f"the link that deploys {parts.service:,}; then {text}"
            rows.add_row("  made of", text)
        if row.heap_source:
            rows.add_row(
                "  heap known", output.safe(f"{row.heap_basis}: {row.heap_source}", limit=200)
            )
        if other.remedy is not None:
            text = f"{_remedy_text(other.remedy)}: a heap of {other.remedy.needed_bytes:,}"
            rows.add_row("  fits with", Text(text, style="green"))
    rows.add_row("source", output.safe(row.source, limit=200))
    screen.print(rows)


def _add_sizes(
    rows: Table, verdict: Verdict, name: str, have: str, flash_name: str, flash_have: str
) -> None:
    if verdict.reason:
        rows.add_row("  because", output.safe(verdict.reason, limit=200))
    for label, needed, available, what in (
        (name, verdict.needed_bytes, verdict.available_bytes, have),
        (
            flash_name,
            verdict.flash_needed_bytes,
            verdict.flash_available_bytes,
            flash_have,
        ),
    ):
        if needed is not None:
            of = "not known" if available is None else f"{available:,}"
            rows.add_row(f"  {label}", f"{needed:,} of {of} bytes {what}")
