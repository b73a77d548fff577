"""`microinterp explain`: one output element of one op, opened up."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from microinterp.cli import output
from microinterp.cli.explain_report import show
from microinterp.errors import InputError
from microinterp.explain import explain
from microinterp.images import parse_range
from microinterp.inputs import Array, Reading, random_samples, read_samples
from microinterp.interpreter import prepare_model
from microinterp.quant.profile import PROFILES


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A .tflite file.")],
    op: Annotated[int, typer.Option(metavar="N", help="The op, as `microinterp inspect` counts.")],
    index: Annotated[
        str,
        typer.Option(metavar="I,J,...", help="The element of its output, one number per axis."),
    ] = "",
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="FILE",
            help="Data as for `microinterp run`; again for each further input. Without it the "
            "input is random.",
        ),
    ] = None,
    subgraph: Annotated[int, typer.Option(metavar="S", help="The op's subgraph.")] = 0,
    to: Annotated[
        int, typer.Option("--output", metavar="K", help="Which of the op's outputs.")
    ] = 0,
    sample: Annotated[
        int,
        typer.Option(
            min=0, metavar="K", help="Which sample; a model with state runs those before it too."
        ),
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of random input.")] = 0,
    raw: Annotated[
        bool, typer.Option("--raw", help="Numbers in the files are the model's own integers.")
    ] = False,
    resize: Annotated[
        bool, typer.Option("--resize", help="Scale pictures to the model's size.")
    ] = False,
    image_range: Annotated[
        str,
        typer.Option(
            metavar="auto|full|raw|LOW:HIGH", help="What pixels mean, as for `microinterp run`."
        ),
    ] = "auto",
    profile: Annotated[
        str, typer.Option(metavar="|".join(PROFILES), help="Whose numbers (docs/profiles.md).")
    ] = "tflm",
    everything: Annotated[bool, typer.Option("--all", help="Fold nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Open up one output element of an integer op: every product, rounding and clamp.

    Whoever does the steps again by hand arrives at the byte that the chip gives. What each step is:
    docs/explain.md.

    JSON: profile, input, op (subgraph, index, name), output (number, tensor, name, type, shape,
    scale, zero_point), index, runs, value, real, float_model (value, difference,
    difference_steps) or null, steps (number, kind, label, operands, from, result, and what else
    the step has: columns, terms, rounding, note, section, tensor, tensor_index, at, real).
    """
    data = output.read_file(model)
    main = prepare_model(data, profile).graph.main
    arrays: tuple[Array, ...]
    if inputs or not main.inputs:
        reading = Reading(raw=raw, resize=resize, image_range=parse_range(image_range))
        samples = read_samples(inputs or [], main.inputs, reading)
        if sample >= len(samples):
            raise InputError(f"no sample {sample}: the files hold {len(samples)}")
        arrays, given, notes = samples.arrays, samples.names[sample], samples.notes
    else:
        arrays = random_samples(main.inputs, sample + 1, seed)
        given, notes = f"random input, seed {seed}", ()
    explanation = explain(
        data,
        op,
        _index(index),
        arrays,
        subgraph=subgraph,
        output=to,
        profile=profile,
        sample=sample,
        given=given,
    )
    if json:
        output.print_json(explanation.as_dict())
        return
    for text in notes:
        output.note(text)
    show(output.console(), explanation, everything)


def _index(text: str) -> tuple[int, ...]:
    """Numbers between commas; brackets and blanks do no harm. "" is a scalar's."""
    plain = text.strip().strip("[]()").strip()
    if not plain:
        return ()
    pieces = re.split(r"\s*,\s*|\s+", plain.rstrip(", "))
    if not all(re.fullmatch(r"-?[0-9]{1,18}", piece, re.ASCII) for piece in pieces):
        raise InputError(f"--index {text!r} is no list of numbers", hint="for example 0,4,5,2")
    return tuple(int(piece) for piece in pieces)
