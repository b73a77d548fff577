"""`microinterp golden`: record what a model answers, and check later that it still does."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from microinterp import golden
from microinterp.cli import output
from microinterp.errors import InputError
from microinterp.images import parse_range
from microinterp.inputs import Reading, random_samples, read_samples
from microinterp.quant.profile import PROFILES

app = typer.Typer(rich_markup_mode="markdown")

_Model = Annotated[str, typer.Argument(metavar="MODEL", help="A .tflite file.")]
_Runtime = Annotated[
    str,
    typer.Option(metavar="|".join(golden.RUNTIMES), help="Who computes: this package, or TFLM."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]


@app.callback(invoke_without_command=True)
def _start(context: typer.Context) -> None:
    """Golden outputs: record them once, check them in every build."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command("record")
def record(
    model: _Model,
    to: Annotated[str, typer.Option("--output", "-o", metavar="OUT.npz", help="The bundle.")],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="Files as for `microinterp run`."),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Make N random samples instead of reading files."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random samples.")] = 0,
    runtime: _Runtime = "host",
    profile: Annotated[
        str,
        typer.Option(
            metavar="|".join(PROFILES), help="Whose numbers, for the host (docs/profiles.md)."
        ),
    ] = "tflm",
    raw: Annotated[
        bool, typer.Option("--raw", help="Numbers in the files are the model's own integers.")
    ] = False,
    resize: Annotated[
        bool, typer.Option("--resize", help="Scale pictures to the model's size.")
    ] = False,
    image_range: Annotated[
        str, typer.Option(metavar="auto|full|raw|LOW:HIGH", help="As for `microinterp run`.")
    ] = "auto",
    json: _Json = False,
) -> None:
    """Run a model on samples and keep inputs and outputs in a bundle.

    JSON: path, model_sha256, profile, runtime, version, samples, seed, output_bytes.
    """
    data = output.read_file(model)
    if (samples is None) == (not inputs):
        raise InputError("give either input files or --samples N")
    tensors = golden.sound_graph(data).main.inputs
    notes: tuple[str, ...] = ()
    if samples is not None:
        arrays = random_samples(tensors, samples, seed)
    else:
        reading = Reading(raw, resize, parse_range(image_range))
        read = read_samples(inputs or [], tensors, reading)
        arrays, notes = read.arrays, read.notes
    count = len(arrays[0]) if arrays else 1
    with output.progress("recording", count) as advance:
        made = golden.record(
            data, arrays, runtime, profile, seed if samples is not None else None, advance
        )
    golden.save(made, to)
    size = sum(array.nbytes for array in made.outputs)
    for text in notes:
        output.note(text)
    if json:
        header = {k: v for k, v in asdict(made.header).items() if k != "format"}
        output.print_json({"path": to, **header, "output_bytes": size})
        return
    output.console().print(
        output.safe(to, limit=200)
        + Text(f": {_many(count, 'sample')}, {_many(size, 'byte')} of outputs of ")
        + output.safe(f"{made.header.runtime} {made.header.version}"),
        soft_wrap=True,
    )


@app.command("check")
def check(
    model: _Model,
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="From `golden record`.")],
    runtime: _Runtime = "host",
    json: _Json = False,
) -> None:
    """Run a bundle's inputs again and compare every byte of every output.

    Exit status: 0 equal, 1 different (another model, or other outputs), 2 bad use.

    JSON: equal, model_matches, runtime, version, samples, compared_bytes, differing_samples,
    differing_elements, first (null, or sample, output, element, wanted, got).
    """
    data = output.read_file(model)
    recorded = golden.load(bundle)
    with output.progress("checking", recorded.header.samples) as advance:
        result = golden.check(recorded, data, runtime, advance)
    if json:
        output.print_json(asdict(result))
    else:
        output.console().print(_verdict(result), soft_wrap=True)
    if not result.equal:
        raise typer.Exit(output.NO)


def _verdict(result: golden.CheckResult) -> Text:
    if not result.model_matches:
        return Text(
            "the model is another file than the bundle was recorded from: check that file, or"
            " record anew",
            "bold red",
        )
    samples, runtime = _many(result.samples, "sample"), f"{result.runtime} {result.version}"
    if result.first is None:
        compared = f"{samples}, {_many(result.compared_bytes, 'byte')}"
        return Text(f"equal: {compared}, computed by {runtime}", style="green")
    first = result.first
    return Text(
        f"different: {result.differing_samples} of {samples}; "
        f"{_many(result.differing_elements, 'element')} in all, computed by {runtime}\n"
        f"first: sample {first.sample}, output {first.output}, element {list(first.element)}: "
        f"wanted {first.wanted}, got {first.got}",
        style="bold red",
    )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
