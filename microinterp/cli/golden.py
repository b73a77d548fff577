"""`microinterp golden`: record what a model answers, and check later that it still does."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from microinterp import golden
from microinterp.cli import golden_show, options, output
from microinterp.cli.golden_verdict import many, verdict
from microinterp.errors import InputError
from microinterp.files import unreadable
from microinterp.golden_bundle import BundleReader
from microinterp.graph import Graph
from microinterp.images import parse_range
from microinterp.inputs import Reading
from microinterp.model import contents_of
from microinterp.operators_file import registry_with
from microinterp.quant.profile import PROFILES
from microinterp.sample_stream import SampleStream, random_stream

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

_Runtime = Annotated[
    str,
    typer.Option(
        metavar="|".join(golden.RUNTIMES),
        help="Who computes: this package, TFLM's wheel, LiteRT, or a board with the model on it.",
    ),
]


@app.callback(invoke_without_command=True)
def _start(context: typer.Context) -> None:
    """Golden outputs: record them once, check them in every build."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command("record")
def record(
    model: options.Model,
    to: Annotated[str, typer.Option("--output", "-o", metavar="OUT.golden", help="The bundle.")],
    inputs: options.Inputs = None,
    samples: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Make N random samples instead of reading files."),
    ] = None,
    seed: options.Seed = 0,
    runtime: _Runtime = "host",
    profile: options.Profile = "tflm",
    tensors: Annotated[
        str,
        typer.Option(
            metavar="|".join(golden.TENSORS),
            help="What to keep of each tensor that an op writes: its CRC32, its bytes too, or "
            "nothing.",
        ),
    ] = "crc",
    append: Annotated[
        bool, typer.Option("--append", help="Add the samples to a bundle that is there.")
    ] = False,
    raw: options.Raw = False,
    resize: options.Resize = False,
    image_range: options.ImageRange = "auto",
    operators: options.Operators = None,
    json: options.Json = False,
) -> None:
    """Run a model on samples and keep inputs and outputs in a bundle.

    Samples are read, run and written some at a time: there may be any number of them.

    JSON: path, model_sha256, profile, runtime, version, samples (recorded now), total_samples (in
    the bundle), output_bytes, tensors, checks (tensors with a CRC32 per sample), seed.
    """
    data = contents_of(model)
    if (samples is None) == (not inputs):
        raise InputError("give either input files or --samples N")
    if append:
        _look_at(to, samples, seed)
    reading = Reading(raw, resize, parse_range(image_range))
    registry = registry_with(operators)
    given = _Given(golden.sound_graph(data), inputs or [], samples, seed, reading)
    with output.progress("recording", given.count) as advance:
        made = golden.record(
            data,
            given.chunks,
            to,
            runtime=runtime,
            profile=profile,
            tensors=tensors,
            append=append,
            seed=given.seed,
            registry=registry,
            progress=advance,
        )
    for text in given.notes:
        output.note(text)
    if json:
        output.print_json(asdict(made))
        return
    output.console().print(_recorded(made, append), soft_wrap=True)


def _look_at(bundle: str, samples: int | None, seed: int) -> None:
    """Before samples are added: is there a bundle, and are random ones not in it already?"""
    if not os.path.exists(bundle):
        raise unreadable(bundle, "there is no such file", "without --append a new bundle begins")
    with BundleReader(bundle) as reader:
        if samples is not None and reader.header.seed == seed:
            output.note(
                f"the bundle begins with the same random inputs: --seed {seed + 1} adds others"
            )


class _Given:
    """The samples that a command line asks for."""

    def __init__(
        self, graph: Graph, paths: list[str], samples: int | None, seed: int, reading: Reading
    ) -> None:
        tensors = graph.main.inputs
        self._stream = SampleStream(paths, tensors, reading) if samples is None else None
        self.seed = None if samples is None else seed
        self.count = samples if self._stream is None else self._stream.count
        self.chunks: Iterable[tuple[golden.Array, ...]] = (
            random_stream(tensors, samples or 0, seed) if self._stream is None else self._stream
        )

    @property
    def notes(self) -> tuple[str, ...]:
        return () if self._stream is None else self._stream.notes


def _recorded(made: golden.Recorded, append: bool) -> Text:
    count = many(made.samples, "sample") + (" more" if append else "")
    kept = {
        "none": "",
        "crc": f", CRC32s of {many(made.checks, 'tensor')}",
        "bytes": f", the bytes of {many(made.checks, 'tensor')}",
    }[made.tensors]
    whole = f"; {made.total_samples:,} in all" if append else ""
    size = many(made.output_bytes, "byte")
    return (
        output.safe(made.path, limit=200)
        + Text(f": {count}, {size} of outputs{kept} of ")
        + output.safe(f"{made.runtime} ({made.version}){whole}", limit=200)
    )


@app.command("check")
def check(
    model: options.Model,
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="From `golden record`.")],
    runtime: _Runtime = "host",
    any_model: Annotated[
        bool,
        typer.Option("--any-model", help="Run the model though it is another than the recorded."),
    ] = False,
    profile: Annotated[
        str | None,
        typer.Option(metavar="|".join(PROFILES), help="Of the host, instead of the bundle's."),
    ] = None,
    operators: options.Operators = None,
    json: options.Json = False,
) -> None:
    """Run a bundle's inputs again and compare every byte of every output, and what ops write.

    Exit status: 0 equal, 1 different (another model, or other numbers), 2 bad use or a damaged
    bundle.

    JSON: equal, model_matches, runtime, version, samples, profile, compared_bytes (of outputs),
    compared_crcs, compared_tensor_bytes, differing_samples, differing_elements (of outputs),
    differing_tensors, recorded_crcs (more than compared_crcs where the runtime does not tell all
    tensors), changed_op, and first and first_output: null, or sample, subgraph, op_index, op_name
    (null where only outputs were compared), tensor, tensor_name, output, element, wanted, got,
    more, differing, elements, wanted_crc, got_crc. first is the first op in the order of execution
    in the first differing sample, first_output that sample's first differing output.
    """
    data = contents_of(model)
    registry = registry_with(operators)
    with BundleReader(bundle) as reader:
        samples = reader.samples
    with output.progress("checking", samples) as advance:
        result = golden.check(
            data,
            bundle,
            runtime,
            any_model=any_model,
            profile=profile,
            registry=registry,
            progress=advance,
        )
    if json:
        output.print_json(asdict(result))
    else:
        output.console().print(verdict(result), soft_wrap=True)
    if not result.equal:
        raise typer.Exit(output.NO)


app.command("show")(golden_show.show)
app.command("export")(golden_show.export)
