"""Arguments and options that several commands take, each with one wording."""

from __future__ import annotations

from typing import Annotated

import typer

from microinterp.quant.profile import PROFILES

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A .tflite file.")]
Inputs = Annotated[
    list[str] | None, typer.Argument(metavar="INPUT", help="Files as for `microinterp run`.")
]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Seed of random samples.")]
Raw = Annotated[
    bool, typer.Option("--raw", help="Numbers in the files are the model's own integers, not real.")
]
Resize = Annotated[
    bool, typer.Option("--resize", help="Scale pictures to the model's size (aspect is not kept).")
]
ImageRange = Annotated[
    str,
    typer.Option(
        metavar="auto|full|raw|LOW:HIGH",
        help="What pixels mean, as for `microinterp run`; if not auto, uint8 arrays are pixels "
        "too.",
    ),
]
Profile = Annotated[
    str,
    typer.Option(
        metavar="|".join(PROFILES),
        help="Whose numbers: TFLM's kernels', those with single rounding, LiteRT's reference "
        "kernels', or CMSIS-NN's (docs/profiles.md).",
    ),
]
OtherProfile = Annotated[
    str,
    typer.Option(metavar="|".join(PROFILES), help="Profile of the other side, where it is host."),
]
Operators = Annotated[
    str | None,
    typer.Option(
        "--operators",
        metavar="FILE.py",
        help="Operators of your own: a Python file with OPS, which is run (docs/custom_ops.md).",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
