"""The commands `microinterp board deploy|validate|bench|uninstall`: models on boards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from microinterp.cli import output
from microinterp.cli.amounts import parse_bytes
from microinterp.cli.passes import MaxExtraMacs, Passes, Ram, parse_passes
from microinterp_boards import cli_fleet
from microinterp_boards.bench import RUNS
from microinterp_boards.board import Board
from microinterp_boards.cli_fleet import All, Boards, FleetFile, Wait, asked
from microinterp_boards.deploy import Deployment, Progress
from microinterp_boards.fleet.work import opened, require_expected
from microinterp_boards.packing import MemoryPasses
from microinterp_boards.ports import choose_line
from microinterp_boards.results.store import DEFAULT, Store, check_label
from microinterp_boards.validate import Validation

_Model = Annotated[str, typer.Argument(metavar="MODEL", help="A .tflite file, as it is.")]
_Port = Annotated[
    str | None,
    typer.Option(
        "--port", "-p", metavar="PORT", help="The board's port, or name; else the only board."
    ),
]
_Baud = Annotated[
    int | None, typer.Option("--baud", min=300, help="Bits a second, 115200 (not for USB).")
]
_Name = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The model's name on the board; else the file's."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
ResultsFile = Annotated[
    Path,
    typer.Option("--results", metavar="FILE", help="The file of results, made by --save."),
]
_Seed = Annotated[int, typer.Option(min=0, help="Seed of the random samples.")]


def deploy_command(
    model: _Model,
    port: _Port = None,
    name: _Name = None,
    mpy_set: Annotated[
        str | None,
        typer.Option(
            "--set",
            metavar="SET",
            help="Other kernels than the board's best: armv7m, armv6m, viper-armv7m, viper-armv6m,"
            " bytecode, as far as it runs them.",
        ),
    ] = None,
    passes: Passes = "none",
    ram: Ram = None,
    max_extra_macs: MaxExtraMacs = 0.1,
    all_boards: All = False,
    boards: Boards = None,
    fleet: FleetFile = None,
    wait: Wait = 0.0,
    baud: _Baud = None,
    json: _Json = False,
) -> None:
    """Pack a model, install or update the runtime, send what differs, and load it once.

    The board is soft reset. JSON: port, and the fields of microinterp_boards.deploy.Deployment;
    of several boards see docs/fleet.md.
    """
    memory = _memory(passes, ram, max_extra_macs)
    some = asked(all_boards, boards, fleet, port, baud, wait)
    if some is not None:
        cli_fleet.deploy_all(some, model, name, mpy_set, memory, json)
        return
    with _board(port, baud, fleet, wait) as board, _progress("sending") as told:
        done = board.deploy(model, name, mpy_set=mpy_set, progress=told, **_as_taken(memory))
    if json:
        output.print_json(cli_fleet.deployment_json(board.port, done))
    else:
        _show_deployment(done)


def validate_command(
    model: _Model,
    port: _Port = None,
    samples: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="How many; else 20 random ones, or all of BUNDLE."),
    ] = None,
    per_op: Annotated[
        bool, typer.Option("--per-op", help="Compare the checksums of what each op writes too.")
    ] = False,
    golden: Annotated[
        str | None,
        typer.Option(metavar="BUNDLE", help="Inputs and outputs of `microinterp golden record`."),
    ] = None,
    seed: _Seed = 0,
    name: _Name = None,
    passes: Passes = "none",
    ram: Ram = None,
    max_extra_macs: MaxExtraMacs = 0.1,
    all_boards: All = False,
    boards: Boards = None,
    fleet: FleetFile = None,
    wait: Wait = 0.0,
    baud: _Baud = None,
    json: _Json = False,
) -> None:
    """Run a deployed model on the board and compare every byte with what the host computes.

    The passes must be those that it was deployed with. Exit status: 0 equal, 1 different, 2 bad
    use, or the board has another model or runtime.

    JSON: port, equal, and the fields of microinterp_boards.validate.Validation; first_difference is
    null, or op_index, name, tensor, subgraph, sample, tensor_name. Of several boards: see
    docs/fleet.md.
    """
    memory = _memory(passes, ram, max_extra_macs)
    some = asked(all_boards, boards, fleet, port, baud, wait)
    if some is not None:
        cli_fleet.validate_all(some, model, samples, per_op, golden, seed, name, memory, json)
        return
    with _board(port, baud, fleet, wait) as board, _progress("comparing") as told:
        more = _as_taken(memory)
        done = board.validate(
            model, samples, per_op, golden, seed, name=name, progress=told, **more
        )
    if json:
        output.print_json(cli_fleet.validation_json(board.port, done))
    else:
        _show_validation(done)
    if not done.equal:
        raise typer.Exit(output.NO)


def bench_command(
    model: _Model,
    port: _Port = None,
    runs: Annotated[int, typer.Option(min=1, metavar="N", help="How many invokes.")] = RUNS,
    seed: _Seed = 0,
    name: _Name = None,
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
    baud: _Baud = None,
    json: _Json = False,
) -> None:
    """Time a deployed model on the board with random inputs, as a whole and op by op.

    By the board's own clock, in microseconds; a qemu board counts instructions instead, also per
    multiply-accumulate (MAC), and those inside of kernels.

    With --save, --results or --label the run is kept: see `microinterp board results`.

    JSON: follows schemas/bench_result.schema.json; of several boards see docs/fleet.md.
    """
    memory = _memory(passes, ram, max_extra_macs)
    some = asked(all_boards, boards, fleet, port, baud, wait)
    kept = save or results is not None or label is not None
    with _keeping(results or Path(DEFAULT), label) if kept else nullcontext() as keep:
        if some is not None:
            cli_fleet.bench_all(some, model, runs, name, seed, memory, keep, json)
            return
        with _board(port, baud, fleet, wait) as board, _progress("timing") as told:
            more = _as_taken(memory)
            done = board.bench(model, runs, name=name, seed=seed, progress=told, **more)
        try:
            if keep is not None:
                keep(done)
        finally:  # what was measured is shown even if it cannot be kept
            if json:
                output.print_json(done)
            else:
                show_bench(done)


def uninstall_command(port: _Port = None, baud: _Baud = None, json: _Json = False) -> None:
    """Remove the runtime and all models from a board; its other files stay.

    JSON: port, removed (a list of paths).
    """
    with _board(port, baud) as board:
        removed = board.uninstall()
    if json:
        output.print_json({"port": board.port, "removed": removed})
        return
    screen = output.console()
    for path in removed:
        screen.print(output.safe(path))
    screen.print(f"{len(removed)} files removed")


@contextmanager
def _keeping(path: Path, label: str | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Gives what keeps a run; what speaks against that is said before the board is timed."""
    if label is not None:
        check_label(label)
    with Store(path, write=True) as store:

        def keep(done: dict[str, Any]) -> None:
            output.note(f"kept as run {store.save(done, label)} in {path}")

        yield keep


def _memory(passes: str, ram: str | None, max_extra_macs: float) -> MemoryPasses:
    limit = None if ram is None else parse_bytes(ram)
    return MemoryPasses(parse_passes(passes), limit, max_extra_macs)


def _as_taken(memory: MemoryPasses) -> dict[str, Any]:
    """What Board's methods take of memory passes."""
    limit, most = memory.ram_limit, memory.max_extra_macs
    return {"passes": memory.names, "ram_limit": limit, "max_extra_macs": most}


@contextmanager
def _board(
    port: str | None, baud: int | None, fleet: Path | None = None, wait: float = 0.0
) -> Iterator[Board]:
    line = choose_line(port, baud, fleet)
    with opened(line, wait) as board:
        if line.entry is not None:
            require_expected(line.entry, board)
        yield board


@contextmanager
def _progress(what: str) -> Iterator[Progress]:
    """A bar, which learns how much there is to do only on the way."""
    with output.progress(what, 1000) as advance:
        yield lambda done, of: advance(1000 * done // max(of, 1))


def _show_deployment(done: Deployment) -> None:
    sent, kept = len(done.files_sent), len(done.files_kept)
    rows = {
        "model": f"{done.name}: {done.model_bytes:,} bytes, arena {done.arena_bytes:,} bytes",
        "sha256": done.sha256,
        "files": f"{sent} sent ({done.sent_bytes:,} bytes), {kept} kept",
        "kernels": done.mpy_set,
        "heap": f"{done.heap_start:,} bytes free, {done.heap_start - done.heap_imported:,} taken by"
        f" the runtime, {done.heap_imported - done.heap_loaded:,} by the model",
        "time": f"{done.seconds:.1f} s",
    }
    if done.passes:
        rows["passes"] = f"{', '.join(done.passes)}; {done.extra_macs:.1%} more MACs"
    _show(rows)


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


def show_bench(done: dict[str, Any]) -> None:
    """Print a benchmark's result: what it is of, and a table of ops."""
    heap, model, unit = done["heap_free"], done["model"], done["clock_unit"]
    rows = {
        "model": f"{model['name']}: {model['model_bytes']:,} bytes, arena"
        f" {model['arena_bytes']:,} bytes",
        "board": f"{done['board']['machine']}, {done['runtime']['kernels']} kernels",
        "invoke": f"median {done['median']:,.0f} {unit}, p10 {done['p10']:,}, p90"
        f" {done['p90']:,} ({done['runs']} runs)",
    }
    counts = done["instructions"]
    if counts is not None:
        per_mac = "" if counts["per_mac"] is None else f"{counts['per_mac']:.3f} per MAC, "
        rows["of these"] = (
            f"{per_mac}{counts['in_kernels']:,.0f} inside of kernels, {counts['outside']:,.0f}"
            f" ({counts['outside_share']:.2%}) outside"
        )
    rows["heap free"] = (
        f"{heap['start']:,} at the start, {heap['runtime_imported']:,} with the runtime,"
        f" {heap['model_loaded']:,} with the model, {heap['after_invoke']:,} after all runs"
    )
    _show(rows)
    screen = output.console()
    screen.print()
    screen.print(_timed_ops(done) if counts is None else _counted_ops(done))


def _timed_ops(done: dict[str, Any]) -> Table:
    spent = f"time {done['clock_unit']}"
    ops = output.table("op", "name", spent, right=("op", spent))
    for op in done["ops"]:
        ops.add_row(_place(op), output.safe(op["name"]), f"{op['time']:,.0f}")
    return ops


def _counted_ops(done: dict[str, Any]) -> Table:
    numbers = ("instructions", "share", "MACs", "per MAC", "in kernels")
    ops = output.table("op", "name", *numbers, right=("op", *numbers))
    for op in done["ops"]:
        macs = (f"{op['macs']:,}", f"{op['per_mac']:.3f}") if op["macs"] else ("", "")
        time, share = f"{op['time']:,.0f}", f"{op['time'] / done['instructions']['whole']:.1%}"
        inside = f"{op['in_kernels']:,.0f}"
        ops.add_row(_place(op), output.safe(op["name"]), time, share, *macs, inside)
    return ops


def _place(op: dict[str, Any]) -> str:
    return f"{op['subgraph']}:{op['index']}" if op["subgraph"] else str(op["index"])


def _show(rows: dict[str, str]) -> None:
    screen = output.console()
    for key, value in rows.items():
        line = Text(f"{key:10} ", style="bold") + output.safe(value, limit=300)
        screen.print(line, soft_wrap=True)
