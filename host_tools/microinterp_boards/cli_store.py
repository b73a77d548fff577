"""The command `microinterp board models`: what a board keeps in slots, and its key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from microinterp.cli import output
from microinterp.errors import DeviceError, printable
from microinterp_boards.board import Board
from microinterp_boards.cli_fleet import FleetFile, Wait
from microinterp_boards.cli_options import Baud, Json, Port, PortArgument, one_port
from microinterp_boards.fleet.work import opened, require_expected
from microinterp_boards.ports import choose_line
from microinterp_boards.store.requests import Kept
from microinterp_boards.store.sign import read_key

_DIGITS = 12  # of a SHA-256, enough to tell two models apart
_NO_RECORD = "0" * 64


def models_command(
    place: PortArgument = None,
    port: Port = None,
    back: Annotated[
        str | None,
        typer.Option("--back", metavar="NAME", help="Put the model's other slot to use again."),
    ] = None,
    remove: Annotated[
        str | None, typer.Option("--remove", metavar="NAME", help="Remove a model, both slots.")
    ] = None,
    set_key: Annotated[
        Path | None,
        typer.Option(
            "--set-key",
            metavar="FILE",
            help="Have the board take only what is signed with this key, 16 to 256 bytes.",
        ),
    ] = None,
    fleet: FleetFile = None,
    wait: Wait = 0.0,
    baud: Baud = None,
    json: Json = False,
) -> None:
    """List the models that a board keeps, each in two slots; go back to the one before; remove.

    The sha256 is of the packed file in the slot. Exit status 2 where there is no such model.

    JSON: port, models: a list with name, generation, slot (in use; "" none), slots (a and b, each
    is_there, size, version, sha256), part_bytes (of an unfinished upload, or null). After --back:
    port, model; after --remove: port, removed; after --set-key: port, key_bytes.
    """
    if sum(each is not None for each in (back, remove, set_key)) > 1:
        raise DeviceError(
            "--back, --remove and --set-key do not go together", hint="one after the other"
        )
    key = None if set_key is None else read_key(set_key)
    line = choose_line(one_port(place, port), baud, fleet)
    with opened(line, wait) as board:
        if line.entry is not None:
            require_expected(line.entry, board)
        if back is not None:
            _back(board, back, json)
        elif remove is not None:
            _remove(board, remove, json)
        elif key is not None:
            _set_key(board, key, json)
        else:
            _list(board, json)


def _list(board: Board, json: bool) -> None:
    found = board.models()
    if json:
        output.print_json({"port": board.port, "models": [asdict(each) for each in found]})
        return
    if not found:
        output.note("no models in slots; `microinterp board deploy MODEL.tflite` puts one there")
        return
    numbers = ("generation", "bytes", "version", "unfinished")
    columns = ("model", "generation", "slot", "state", "bytes", "version", "sha256", "unfinished")
    table = output.table(*columns, right=numbers, firm=("model", "state", "sha256"))
    for each in found:
        for row in _rows(each):
            table.add_row(output.safe(each.name), *row)
    output.console().print(table)


def _rows(kept: Kept) -> Iterable[tuple[str, ...]]:
    """A row for each slot that there is something of; the upload stands in the first."""
    part = "-" if kept.part_bytes is None else f"{kept.part_bytes:,}"
    rows = []
    for letter, slot in sorted(kept.slots.items()):
        has_record = slot.sha256 != _NO_RECORD
        if not (slot.is_there or has_record):
            continue
        state = "in use" if letter == kept.slot else "before" if has_record else "not tested"
        if not slot.is_there:
            state = "lost"
        version, digest = (str(slot.version), slot.sha256[:_DIGITS]) if has_record else ("-", "-")
        generation = str(kept.generation) if letter == kept.slot else "-"
        rows.append((generation, letter, state, f"{slot.size:,}", version, digest))
    rows = rows or [("-", "-", "not there", "-", "-", "-")]
    return [(*row, part if at == 0 else "-") for at, row in enumerate(rows)]


def _back(board: Board, name: str, json: bool) -> None:
    _require(board, name)
    now = board.back(name)
    if json:
        output.print_json({"port": board.port, "model": asdict(now)})
        return
    version = now.slots[now.slot].version
    text = f"{now.name}: slot {now.slot} is in use again, version {version}"
    output.console().print(output.safe(f"{text}, generation {now.generation}", limit=200))


def _remove(board: Board, name: str, json: bool) -> None:
    _require(board, name)
    board.remove_model(name)
    if json:
        output.print_json({"port": board.port, "removed": name})
    else:
        output.console().print(output.safe(f"{name}: removed, with both slots", limit=200))


def _set_key(board: Board, key: bytes, json: bool) -> None:
    board.set_key(key)
    if json:
        output.print_json({"port": board.port, "key_bytes": len(key)})
    output.note(
        "from now on the link takes only models and runtime files that `deploy --key FILE` has"
        " signed with this key, and no model of a lower version than the one in use. The key lies"
        " on the board: whoever has its prompt or its flash can read and replace it. `microinterp"
        " board uninstall` removes it with all models"
    )


def _require(board: Board, name: str) -> None:
    """Raise DeviceError, with near names, unless the board has something of a model."""
    known = [each.name for each in board.models()]
    if name in known:
        return
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    perhaps = f"perhaps {', '.join(near)}; " if near else ""
    raise DeviceError(
        f"{printable(board.port)}: there is no model '{printable(name, 60)}' in slots on the board",
        hint=f"{perhaps}there are: {', '.join(known)}" if known else "it has none",
    )
