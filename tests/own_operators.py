"""An operator as users write it in a file, DOUBLED: y = 2 x - zero point; and models with it."""

from __future__ import annotations

from pathlib import Path

from microinterp.model_builder import ModelBuilder

SOURCE = """\
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from microinterp.prepare import Kernel
from microinterp.registry import Op


@dataclass(frozen=True)
class Params:
    zero_point: int


def evaluate(p: Params, arrays):
    (x,), (out,) = arrays.inputs, arrays.outputs
    out[...] = np.clip(2 * x.astype(np.int32) - p.zero_point, -128, 127)


def prepare(node, context):
    return Kernel(evaluate, Params(node.input(0).zero_point))


OPS = (Op("DOUBLED", prepare, ("int8",), is_custom=True),)
"""


def doubled_file(folder: Path) -> Path:
    """The file with the operator."""
    path = folder / "doubled.py"
    path.write_text(SOURCE)
    return path


def doubled_model() -> bytes:
    """int8 [1, 4], scale 1, zero point 3 -> DOUBLED -> RELU -> int8 [1, 4]."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 4), "int8", scale=1.0, zero_point=3)
    y = g.tensor("y", (1, 4), "int8", scale=1.0, zero_point=3)
    z = g.tensor("z", (1, 4), "int8", scale=1.0, zero_point=3)
    g.custom_op("DOUBLED", [x], [y])
    g.op("RELU", [y], [z])
    g.output(z)
    return b.finish()
