"""The command line as the tests call it, and models whose answers are worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import CliRunner, Result

from microinterp.cli import app
from microinterp.model_builder import ModelBuilder

HOSTILE = {
    "markup": "[red]boom[/red]",
    "ansi": "\x1b[31mred\x1b]0;title\x07",
    "nul": "a\x00b",
    "newline": "first\nerror: faked\r",
    "bidi": "abc\u202edcba",
    "not-utf8": "\udcff\udcfe!",
    "long": "n" * 10_000,
}
"""Names that a terminal, or rich, would act on."""


def call(*arguments: object) -> Result:
    """Run a command in this process; only an exit may come out of it, never another exception."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert "Traceback" not in result.stdout + result.stderr
    return result


def good(*arguments: object) -> str:
    """What a command that ends well prints."""
    result = call(*arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def good_json(*arguments: object) -> Any:
    """What it prints as JSON; nothing else may stand beside it."""
    return json.loads(good(*arguments, "--json"))


def refused(*arguments: object) -> str:
    """The one error message of a command that must end with status 2 and print nothing else."""
    result = call(*arguments)
    assert result.exit_code == 2, result.stdout
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert "\nerror: " not in result.stderr
    return result.stderr.removeprefix("error: ")


def stored(folder: Path, data: bytes, name: str = "model.tflite") -> Path:
    """Write a file into a test's folder."""
    path = folder / name
    path.write_bytes(data)
    return path


def sums_model(
    weights: Sequence[Sequence[int]] = ((1, 1, 1, 1), (1, -1, 0, 0)), name: str = ""
) -> bytes:
    """int8 [1, 4] -> FULLY_CONNECTED -> int8 [1, 2]: each raw output is the weights' sum.

    Input scale 0.5, zero point 3; the output's raw numbers are sum(w * (x - 3)), their scale 0.25.
    Every name in it begins with `name`.
    """
    b = ModelBuilder(description=name)
    g = b.subgraph(name)
    x = g.input(f"{name}x", (1, 4), "int8", scale=0.5, zero_point=3)
    w = g.constant(f"{name}w", np.array(weights, np.int8), scale=0.5, zero_point=0)
    y = g.tensor(f"{name}y", (1, len(weights)), "int8", scale=0.25, zero_point=0)
    g.op("FULLY_CONNECTED", [x, w], [y])
    g.output(y)
    if name:
        b.signature(name, {f"{name}x": x}, {f"{name}y": y})
        b.metadata(name, b"abcd")
    return b.finish()


def copying_model(
    shape: tuple[int, ...],
    dtype: str = "int8",
    scale: float | None = 0.5,
    zero_point: int | None = 0,
    count: int = 1,
) -> bytes:
    """`count` inputs x0, x1, ... each of `shape`, each RESHAPEd to a vector: outputs as inputs."""
    b = ModelBuilder()
    g = b.subgraph("main")
    size = int(np.prod(shape))
    for number in range(count):
        x = g.input(f"x{number}", shape, dtype, scale, zero_point)
        y = g.tensor(f"y{number}", (size,), dtype, scale, zero_point)
        form = g.constant(f"form{number}", np.array([size], np.int32))
        g.op("RESHAPE", [x, form], [y])
        g.output(y)
    return b.finish()


def quantising_model(size: int, dtype: str, scale: float, zero_point: int) -> bytes:
    """float32 [size] -> QUANTIZE -> `dtype` [size]."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (size,), "float32")
    y = g.tensor("y", (size,), dtype, scale, zero_point)
    g.op("QUANTIZE", [x], [y])
    g.output(y)
    return b.finish()


def broken_models() -> dict[str, tuple[bytes, list[str]]]:
    """Name to a model and everything that `verify` must say of it."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 4), "int8", scale=0.5, zero_point=0)
    y = g.tensor("y", (1, 4), "int8", scale=-1.0, zero_point=0)
    z = g.tensor("z", (1, -3), "int8", scale=1.0, zero_point=200)
    g.op("RELU", [x], [y])
    g.op("RELU", [z], [9])
    g.output(y)
    rules = b.finish()

    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 4), "int8", scale=0.5, zero_point=0)
    y = g.tensor("y", (1, 4), "int8", scale=0.5, zero_point=0)
    z = g.tensor("z", (1, 4), "float32")
    g.op("TILE", [x], [y])
    g.custom_op("Flying[bold]", [y], [z])
    g.output(z)
    unknown = b.finish()

    return {
        "rules": (rules, ["scale 0 is -1", "[1, -3] has a negative", "200", "tensor 9"]),
        "operators": (unknown, ["op 0 TILE", "op 1 Flying[bold]"]),
    }
