"""`microinterp example`: a model and data to try the other commands on."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from microinterp.errors import printable_path
from microinterp.examples import copy_digits

_NEXT = (
    ("run {model} {data}", "what the chip computes for each image"),
    ("golden check {model} {golden}", "is it what TFLM computed?"),
    ("eval {model} {data}", "accuracy over all images"),
    ("plan {model}", "the arena: its size, and where each tensor lies"),
    ("fit {model}", "which boards hold it"),
)


def command(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where to; made if need be.")
    ] = Path("examples/digits"),
) -> None:
    """Write the digits example: an int8 model, its test images, TFLM's outputs for them.

    Nothing that is there already is overwritten. The commands in the documentation name the files
    as they lie after `microinterp example`.
    """
    new, there = copy_digits(folder)
    typer.echo(f"{printable_path(str(folder))}: {len(new)} files written, {len(there)} were there")
    files = {
        "model": shlex.quote(str(folder / "digits_int8.tflite")),
        "data": shlex.quote(str(folder / "digits.npz")),
        "golden": shlex.quote(str(folder / "digits_tflm.golden")),
    }
    for words, what in _NEXT:
        typer.echo(f"\n# {what}\nmicrointerp {words.format(**files)}")
