"""Recorded layers: what CMSIS-NN itself made of them, and layers that the profile refuses.

tests/vectors/cmsis_nn.jsonl.xz: the first line says how it was made; each line after it is one
model of one layer in base85, with `rules`, those of the profile cmsis-nn without which it comes out
differently, and inputs and outputs of its invokes, one behind the other. A line without outputs is
a layer that the rule it names refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy.typing as npt

from microinterp import Interpreter
from microinterp.quant.profile import get_profile
from tests.vector_files import packed, read_lines, unpacked, write_lines

FILE = Path(__file__).resolve().parents[1] / "vectors" / "cmsis_nn.jsonl.xz"
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Vector:
    """One layer: [invoke][input] and the output of each invoke; refused layers have none."""

    case: str
    rules: tuple[str, ...]
    model: bytes
    samples: list[list[Array]]
    outputs: list[Array]


def load() -> tuple[dict[str, Any], list[Vector]]:
    """How the file was made, and what it holds."""
    head, lines = read_lines(FILE)
    return head, [_parsed(line) for line in lines]


def save(head: dict[str, Any], vectors: Iterable[Vector]) -> None:
    """Write the file anew."""
    write_lines(FILE, head, map(_line, vectors))


def outputs_of(model: bytes, samples: Sequence[Sequence[Array]], but: str = "") -> list[Array]:
    """Outputs of our kernels in the profile cmsis-nn, without the rule called `but`."""
    full = get_profile("cmsis-nn")
    profile = replace(full, rules=full.rules - {but})
    with patch("microinterp.interpreter.get_profile", return_value=profile):
        interpreter = Interpreter.from_bytes(model, profile="cmsis-nn")
    found = []
    for sample in samples:
        for i, array in enumerate(sample):
            interpreter.set_input(array, i)
        interpreter.invoke()
        found.append(interpreter.get_output(0))
    return found


def _line(vector: Vector) -> dict[str, Any]:
    outputs = [[output] for output in vector.outputs]
    about = {"case": vector.case, "rules": vector.rules}
    return {**about, **packed(vector.model, vector.samples, outputs)}


def _parsed(line: dict[str, Any]) -> Vector:
    model, samples, outputs = unpacked(line)
    return Vector(line["case"], tuple(line["rules"]), model, samples, [o[0] for o in outputs])
