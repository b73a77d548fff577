"""The command `microinterp board mlperf`: a board that MLPerf Tiny's public runner drives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from microinterp.cli import output
from microinterp.cli.amounts import parse_bytes
from microinterp.cli.passes import MaxExtraMacs, Passes, Ram, parse_passes
from microinterp_boards.board import Board
from microinterp_boards.cli_options import Baud, Json, Model, Name, Port
from microinterp_boards.deploy import Progress
from microinterp_boards.fleet.work import require_expected
from microinterp_boards.mlperf import KINDS, PROTOCOL, Setup
from microinterp_boards.mlperf.kinds import kind_of
from microinterp_boards.mlperf.runner_files import ACCURACY, DEVICES, PERFORMANCE
from microinterp_boards.mlperf.stimuli import LABELS
from microinterp_boards.ports import choose_line


def mlperf_command(
    model: Model,
    kind: Annotated[str, typer.Option(metavar="|".join(KINDS), help="Which of the benchmarks.")],
    port: Port = None,
    name: Name = None,
    files: Annotated[
        Path | None,
        typer.Option("--files", metavar="FOLDER", help="For the runner's files; else mlperf_KIND."),
    ] = None,
    stimuli: Annotated[
        Path | None,
        typer.Option(
            "--stimuli",
            "--accuracy",
            metavar="FOLDER",
            help=f"Send these stimuli too, for the accuracy: {LABELS} and the files it names.",
        ),
    ] = None,
    boot: Annotated[
        bool,
        typer.Option(
            "--boot", help="Answer after each boot: for boards that a port's opening resets."
        ),
    ] = False,
    passes: Passes = "none",
    ram: Ram = None,
    max_extra_macs: MaxExtraMacs = 0.1,
    baud: Baud = None,
    json: Json = False,
) -> None:
    """Set a board up for MLPerf Tiny's public runner (its protocol, unofficial).

    The model is deployed and one inference timed; files for the runner are written, with counts of
    inferences that meet its limits; then the board answers the runner until the next command, or
    Ctrl-C. What comes out of it are no MLPerf results.

    JSON: protocol, port, and the fields of microinterp_boards.mlperf.Setup.
    """
    folder = Path(f"mlperf_{kind_of(kind).name}") if files is None else files
    limit = None if ram is None else parse_bytes(ram)
    line = choose_line(port, baud)
    with Board(line.port, baud=line.baud) as board, _progress(stimuli is not None) as told:
        if line.entry is not None:
            require_expected(line.entry, board)
        done = board.mlperf(
            model,
            kind,
            files=folder,
            stimuli=stimuli,
            boot=boot,
            name=name,
            passes=parse_passes(passes),
            ram_limit=limit,
            max_extra_macs=max_extra_macs,
            progress=told,
        )
        port_name = board.port
    if json:
        output.print_json({"protocol": PROTOCOL, "port": port_name, **_plain(done)})
    else:
        _show(port_name, done)


@contextmanager
def _progress(is_long: bool) -> Iterator[Progress]:
    if not is_long:
        yield lambda done, of: None
        return
    with output.progress("inferring", 1000) as advance:
        yield lambda done, of: advance(1000 * done // max(of, 1))


def _plain(done: Setup) -> dict[str, Any]:
    counts = None if done.iterations is None else done.iterations._asdict()
    changed = {
        "timing": done.timing._asdict(),
        "iterations": counts,
        "files": [str(path) for path in done.files],
    }
    return asdict(done) | changed


def _show(port: str, done: Setup) -> None:
    counts, accuracy = done.iterations, done.accuracy
    rows = {
        "protocol": f"{PROTOCOL}: {done.kind}, which the runner calls {done.model}",
        "model": f"{done.deployment.name}, {done.deployment.kernels} kernels, on {port}",
        "inference": f"{done.timing.microseconds / 1000:,.3f} ms by the board's clock,"
        f" {done.timing.seconds * 1000:,.3f} ms by this one's",
        "runner": "no count of inferences takes more than 10 s and less than 30 s"
        if counts is None
        else f"infer {counts.inferences} {counts.warmups}",
    }
    if accuracy is not None:
        top = ""
        if accuracy.top1 is not None:
            top = f"top-1 {accuracy.top1:.1%} ({accuracy.correct} of {accuracy.files}), "
        auc = "none: a class has no file" if accuracy.auc is None else f"{accuracy.auc:.3f}"
        count = f"{accuracy.inferences:,} inferences of {accuracy.files:,} files"
        rows["accuracy"] = f"{top}AUC {auc}; {count}"
    rows["files"] = ", ".join(str(path) for path in done.files)
    screen = output.console()
    for key, value in rows.items():
        line = Text(f"{key:10} ", style="bold") + output.safe(value, limit=600)
        screen.print(line, soft_wrap=True)
    folder = done.files[0].parent
    test = PERFORMANCE if counts is not None else ACCURACY
    mode = "p" if counts is not None else "a"
    output.note(
        f"the board answers now; python main.py -m {mode} -d {folder / DEVICES} -t {folder / test}"
        " -s DATASETS starts the runner, any other command of microinterp takes the board back"
    )
    if done.usb is None:
        output.note(
            "the runner finds boards by USB ids only, and this port has none: docs/mlperf.md"
        )
