"""`microinterp compare`: where another runtime differs from the chip's numbers, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from microinterp.cli import compare_report, options, output
from microinterp.cli.compare_sides import Wanted, compared
from microinterp.images import parse_range
from microinterp.inputs import Reading
from microinterp.model import contents_of
from microinterp.operators_file import registry_with


def command(
    model: options.Model,
    other: Annotated[
        str,
        typer.Option(
            "--with",
            metavar="SIDE",
            help="tflm, litert, litert-ref, litert-noxnn, board, board:PORT, host (in "
            "--other-profile), a golden bundle, an .npz file, a dump (docs/compare.md), or a "
            "float .tflite.",
        ),
    ],
    inputs: options.Inputs = None,
    samples: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Random samples, 10 if not told; of files at most so many."
        ),
    ] = None,
    seed: options.Seed = 0,
    profile: options.Profile = "tflm",
    other_profile: options.OtherProfile = "single",
    raw: options.Raw = False,
    resize: options.Resize = False,
    image_range: options.ImageRange = "auto",
    dump: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write our side as a dump, too.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="List every op, also those that agree.")
    ] = False,
    operators: options.Operators = None,
    json: options.Json = False,
) -> None:
    """Compare a model's run with another runtime's, tensor by tensor, and name the cause.

    Each op is compared twice: as both sides ran it, and by itself, with what the other side has fed
    to it. The first op that differs is then run with every known cause of a difference; those that
    give the other side's bytes exactly are named.

    Exit status: 0 equal, 1 different, 2 bad use.

    JSON (docs/compare.md): equal, differing_elements, first_op (null, or index, name, subgraph),
    cause (null, or words), compared_elements, samples, ours, other, other_name, model_sha256, ops,
    outputs, findings, evidence, notes.
    """
    reading = Reading(raw, resize, parse_range(image_range))
    wanted = Wanted(
        other,
        tuple(inputs or ()),
        reading,
        samples,
        seed,
        profile,
        other_profile,
        dump,
        registry_with(operators),
    )
    result = compared(contents_of(model), wanted)
    if json:
        output.print_json(result.as_dict())
    else:
        compare_report.show(result, every)
    if not result.equal:
        raise typer.Exit(output.NO)
