"""The command `microinterp board validate`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.text import Text

from microinterp.cli import output
from microinterp.cli.passes import MaxExtraMacs, Passes, Ram
from microinterp_boards import cli_fleet
from microinterp_boards.cli_fleet import All, Boards, FleetFile, Wait, asked
from microinterp_boards.cli_options import (
    Baud,
    Json,
    Model,
    Name,
    Port,
    Seed,
    as_taken,
    chosen_board,
    memory_passes,
    progress,
)
from microinterp_boards.fleet import actions
from microinterp_boards.validate import Validation


def validate_command(
    model: Model,
    port: Port = None,
    samples: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="How many; else 20 random ones, or all of BUNDLE."),
    ] = None,
    per_op: Annotated[
        bool, typer.Option("--per-op", help="Compare the CRC32s of what each op writes too.")
    ] = False,
    golden: Annotated[
        str | None,
        typer.Option(metavar="BUNDLE", help="Inputs and outputs of `microinterp golden record`."),
    ] = None,
    seed: Seed = 0,
    name: Name = None,
    passes: Passes = "none",
    ram: Ram = None,
    max_extra_macs: MaxExtraMacs = 0.1,
    all_boards: All = False,
    boards: Boards = None,
    fleet: FleetFile = None,
    wait: Wait = 0.0,
    baud: Baud = None,
    json: Json = False,
) -> None:
    """Run a deployed model on the board and compare every byte with what the host computes.

    The passes must be those that it was deployed with. Exit status: 0 equal, 1 different, 2 bad
    use, or the board has another model or runtime.

    JSON: port, equal, and the fields of microinterp_boards.validate.Validation; first_difference is
    null, or op_index, name, tensor, subgraph, sample, tensor_name. Of several boards: see
    docs/fleet.md.
    """
    memory = memory_passes(passes, ram, max_extra_macs)
    some = asked(all_boards, boards, fleet, port, baud, wait)
    if some is not None:
        cli_fleet.run(
            some,
            lambda watch: actions.validate_all(
                some.entries,
                model,
                samples,
                per_op,
                golden,
                seed,
                name,
                passes=memory,
                watch=watch,
                patience=some.wait,
            ),
            _FORM,
            json,
        )
        return
    with chosen_board(port, baud, fleet, wait) as board, progress("comparing") as told:
        more = as_taken(memory)
        done = board.validate(
            model, samples, per_op, golden, seed, name=name, progress=told, **more
        )
    if json:
        output.print_json(_json(board.port, done))
    else:
        _show_validation(done)
    if not done.equal:
        raise typer.Exit(output.NO)


def _show_validation(done: Validation) -> None:
    text = f"{done.samples:,} samples, {done.compared_bytes:,} bytes of outputs"
    if done.per_op:
        text += f", {done.compared_crcs:,} CRC32s of tensors"
    by = f"board ({done.kernels}) against {done.expected}"
    screen = output.console()
    if not done.model_intact:
        output.note("the packed model on the board is not what deploy would write: deploy it again")
    if done.equal:
        screen.print(Text(f"equal: {text}; {by}", style="green"), soft_wrap=True)
        return
    line = f"different: {done.differing_bytes} bytes in {done.differing_samples} of {text}; {by}"
    first = done.first_difference
    if first is not None:
        place = f"subgraph {first.subgraph} " if first.subgraph else ""
        line += (
            f"\nfirst: sample {first.sample}, {place}op {first.op_index} {first.name},"
            f" tensor {first.tensor} '{first.tensor_name}'"
        )
    screen.print(Text(line, style="bold red"), soft_wrap=True)


def _json(port: str, done: Validation) -> dict[str, Any]:
    first = done.first_difference
    place = None if first is None else first._asdict()
    return {"port": port, "equal": done.equal, **asdict(done), "first_difference": place}


def _place(done: Validation) -> str:
    first = done.first_difference
    if first is None:
        return "-"
    return f"sample {first.sample}, op {first.op_index} {first.name}"


_FORM = cli_fleet.Form(
    lambda done: "equal" if done.equal else cli_fleet.DIFFERENT,
    _json,
    ("kernels", "samples", "bytes", "CRC32s", "first difference"),
    lambda done: (
        done.kernels,
        f"{done.samples:,}",
        f"{done.compared_bytes:,}",
        f"{done.compared_crcs:,}" if done.per_op else "-",
        _place(done),
    ),
    ("kernels", "first difference"),
)
