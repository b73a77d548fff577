"""`microinterp explain`: one output element of one op, opened up."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from microinterp.cli import options, output
from microinterp.cli.explain_report import show
from microinterp.errors import InputError
from microinterp.explain import explain
from microinterp.images import parse_range
from microinterp.inputs import Array, Reading, random_samples, read_samples
from microinterp.interpreter import prepare_model
from microinterp.model import contents_of
from microinterp.operators_file import registry_with


def command(
    model: options.Model,
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
    output_index: Annotated[
        int, typer.Option("--output-index", metavar="N", help="Which of the op's outputs.")
    ] = 0,
    sample: Annotated[
        int,
        typer.Option(
            min=0, metavar="K", help="Which sample; a model with state runs those before it too."
        ),
    ] = 0,
    seed: options.Seed = 0,
    raw: options.Raw = False,
    resize: options.Resize = False,
    image_range: options.ImageRange = "auto",
    profile: options.Profile = "tflm",
    operators: options.Operators = None,
    everything: Annotated[bool, typer.Option("--all", help="Fold nothing.")] = False,
    json: options.Json = False,
) -> None:
    """Open up one output element of an integer op: every product, rounding and clamp.

    Whoever does the steps again by hand arrives at the byte that the chip gives. What each step is:
    docs/explain.md.

    JSON: profile, input, op (subgraph, index, name), output (number, tensor, name, type, shape,
    scale, zero_point), index, runs, value, real, float_model (value, difference,
    difference_steps) or null, steps (number, kind, label, operands, from, result, and what else
    the step has: columns, terms, rounding, note, section, tensor, tensor_index, at, real).
    """
    data = contents_of(model)
    registry = registry_with(operators)
    main = prepare_model(data, profile, registry).graph.main
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
        output=output_index,
        profile=profile,
        registry=registry,
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
