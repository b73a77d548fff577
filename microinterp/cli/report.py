"""`microinterp report`: everything about a model on one page."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import Annotated

import typer
from rich.text import Text

from microinterp.cli import options, output
from microinterp.cli.compare_sides import Wanted, compared
from microinterp.errors import InputError
from microinterp.explain import explain, html_section
from microinterp.files import write_bytes
from microinterp.images import parse_range
from microinterp.inputs import Reading, random_samples, read_samples
from microinterp.interpreter import Interpreter
from microinterp.model import contents_of
from microinterp.operators_file import registry_with
from microinterp.registry import Registry
from microinterp.report.figures import Measured, ReportSamples, measure, plain
from microinterp.report.model_page import model_page

_NUMBERS = r"-?\d{1,18}(?:\s*,\s*-?\d{1,18})*"
_ELEMENT = re.compile(rf"(?:(\d{{1,9}})/)?(\d{{1,9}}):\s*\[?\s*({_NUMBERS})?\s*\]?", re.ASCII)
RANDOM_SAMPLES = 16
"""Where no samples are given: a figure for each histogram, in no time."""


def command(
    model: options.Model,
    to: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="OUT.html", help="The page."),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="FILE",
            help="Samples, as for `microinterp run`; once for each file.",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help=f"Make N random samples instead of reading files; {RANDOM_SAMPLES} without "
            "either. Ranges are not judged by them.",
        ),
    ] = None,
    seed: options.Seed = 0,
    profile: options.Profile = "tflm",
    raw: options.Raw = False,
    resize: options.Resize = False,
    image_range: options.ImageRange = "auto",
    other: Annotated[
        str | None,
        typer.Option(
            "--with",
            metavar="SIDE",
            help="Compare with tflm, litert, a bundle, ..., as `microinterp compare` does.",
        ),
    ] = None,
    other_profile: options.OtherProfile = "single",
    elements: Annotated[
        list[str] | None,
        typer.Option(
            "--explain",
            metavar="OP:I,J,...",
            help="Open up an element of an op's output for the first sample, as `microinterp "
            "explain` does; SUBGRAPH/OP:I,J,... outside the main subgraph. May be given again.",
        ),
    ] = None,
    operators: options.Operators = None,
    json: Annotated[bool, typer.Option("--json", help="Print the page's figures as JSON.")] = False,
) -> None:
    """Write one self-contained page: figures, graph, ops, arena, ranges, quantisation health.

    The page loads nothing from anywhere and holds its figures as JSON, too. A model that does not
    run gets a page with what is wrong, and exit status 1.

    JSON (docs/report.md): file, microinterp, profile, runs, totals, inputs, outputs, samples,
    invoke_us, arena, targets, ops, activations, weights, health, problems, comparison (as `compare
    --json`, or null), explanations (each as `explain --json`).
    """
    if to is None and not json:
        raise InputError("say where the page goes: -o OUT.html", hint="or ask for --json")
    if samples is not None and inputs:
        raise InputError("give either --input or --samples")
    reading = Reading(raw, resize, parse_range(image_range))

    def chosen(interpreter: Interpreter) -> ReportSamples:
        tensors = interpreter.graph.main.inputs
        if not inputs:
            return ReportSamples(random_samples(tensors, samples or RANDOM_SAMPLES, seed), seed)
        read = read_samples(inputs, tensors, reading)
        return ReportSamples(read.arrays, None, read.notes, read.names)

    data = contents_of(model)
    progress = partial(output.progress, "running")
    registry = registry_with(operators)
    measured = measure(data, os.path.basename(model), chosen, profile, progress, registry)
    more = [_explained(data, each, measured, profile, registry) for each in elements or ()]
    if other is not None and measured.samples is not None:
        count = measured.samples.count
        paths = tuple(inputs or ())
        wanted = Wanted(
            other, paths, reading, count, seed, profile, other_profile, registry=registry
        )
        measured.figures["comparison"] = plain(compared(data, wanted).as_dict())
    if to is not None:
        page = model_page(measured, more)
        write_bytes(to, page)
        if not json:
            text = f": {len(page):,} bytes, {_findings(len(measured.figures['health']))}"
            output.console().print(output.safe(to, limit=200) + Text(text), soft_wrap=True)
    if json:
        output.print_json(measured.figures)
    if not measured.figures["runs"]:
        output.note("the model does not run: see `microinterp verify`")
        raise typer.Exit(output.NO)


def _findings(count: int) -> str:
    return f"{count:,} finding{'' if count == 1 else 's'} of quantisation health"


def _explained(
    data: bytes, wanted: str, measured: Measured, profile: str, registry: Registry
) -> str:
    """The section of an element; its figures go to the others. "" where the model does not run."""
    found = _ELEMENT.fullmatch(wanted)
    if found is None:
        raise InputError(f"--explain {wanted!r} is no element", hint="for example 3:0,4,5,2")
    given = measured.samples
    if given is None:
        return ""
    index = tuple(int(each) for each in found[3].split(",")) if found[3] else ()
    told = given.names[0] if given.names else f"random input, seed {given.seed}"
    made = explain(
        data, int(found[2]), index, given.arrays,
        subgraph=int(found[1] or 0), profile=profile, registry=registry, sample=0,
        given=told,
    )  # fmt: skip
    measured.figures["explanations"].append(plain(made.as_dict()))
    return html_section(made)
