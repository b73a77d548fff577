"""The command `microinterp board bench`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from microinterp.cli import output
from microinterp.cli.passes import MaxExtraMacs, Passes, Ram
from microinterp_boards import cli_fleet
from microinterp_boards.bench import RUNS
from microinterp_boards.cli_bench_text import show_bench
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
from microinterp_boards.results.store import DEFAULT, Store, check_label

ResultsFile = Annotated[
    Path,
    typer.Option("--results", metavar="FILE", help="The file of results, made by --save."),
]


def bench_command(
    model: Model,
    port: Port = None,
    runs: Annotated[int, typer.Option(min=1, metavar="N", help="How many invokes.")] = RUNS,
    seed: Seed = 0,
    name: Name = None,
    passes: Passes = "none",
    ram: Ram = None,
    max_extra_macs: MaxExtraMacs = 0.1,
    save: Annotated[
        bool, typer.Option("--save", help=f"Keep the run in {DEFAULT} of this folder.")
    ] = False,
    results: Annotated[
        Path | None,
        typer.Option("--results", metavar="FILE", help="Keep it in this file; no --save needed."),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="LABEL", help="Keep it with a label, for `board results compare`."),
    ] = None,
    all_boards: All = False,
    boards: Boards = None,
    fleet: FleetFile = None,
    wait: Wait = 0.0,
    baud: Baud = None,
    json: Json = False,
) -> None:
    """Time a deployed model on the board with random inputs, as a whole and op by op.

    By the board's own clock, in microseconds; a qemu board counts instructions instead, also per
    multiply-accumulate (MAC), and those inside of kernels.

    With --save, --results or --label the run is kept: see `microinterp board results`.

    JSON: follows schemas/bench_result.schema.json; of several boards see docs/fleet.md.
    """
    memory = memory_passes(passes, ram, max_extra_macs)
    some = asked(all_boards, boards, fleet, port, baud, wait)
    kept = save or results is not None or label is not None
    with _keeping(results or Path(DEFAULT), label) if kept else nullcontext() as keep:
        if some is not None:
            cli_fleet.run(
                some,
                lambda watch: actions.bench_all(
                    some.entries,
                    model,
                    runs,
                    name,
                    seed=seed,
                    passes=memory,
                    watch=watch,
                    patience=some.wait,
                ),
                _FORM,
                json,
                keep,
            )
            return
        with chosen_board(port, baud, fleet, wait) as board, progress("timing") as told:
            more = as_taken(memory)
            done = board.bench(model, runs, name=name, seed=seed, progress=told, **more)
        try:
            if keep is not None:
                keep(done)
        finally:  # what was measured is shown even if it cannot be kept
            if json:
                output.print_json(done)
            else:
                show_bench(done)


@contextmanager
def _keeping(path: Path, label: str | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Gives what keeps a run; what speaks against that is said before the board is timed."""
    if label is not None:
        check_label(label)
    with Store(path, write=True) as store:

        def keep(done: dict[str, Any]) -> None:
            output.note(f"kept as run {store.save(done, label)} in {path}")

        yield keep


_FORM = cli_fleet.Form(
    lambda done: "timed",
    lambda port, done: done,
    ("kernels", "invoke", "p10", "p90", "clock", "heap free"),
    lambda done: (
        done["runtime"]["kernels"],
        f"{done['median']:,.0f}",
        f"{done['p10']:,}",
        f"{done['p90']:,}",
        done["clock_unit"],
        f"{done['heap_free']['after_invoke']:,}",
    ),
    ("kernels", "clock"),
)
