"""Recorded layers: what CMSIS-NN itself made of them, and layers that the profile refuses.

tests/vectors/cmsis_nn.jsonl.xz: the first line says how it was made; each line after it is one
model of one layer in base85, with `rules`, those of the profile cmsis-nn without which it comes out
differently, and inputs and outputs of its invokes, one behind the other. A line without outputs is
a layer that the rule it names refuses.
"""

from __future__ import annotations

import base64
import json
import lzma
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

from microinterp import Interpreter
from microinterp.graph import Tensor
from microinterp.quant.profile import get_profile

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
    head, *lines = lzma.decompress(FILE.read_bytes()).decode().splitlines()
    return json.loads(head), [_parsed(json.loads(line)) for line in lines]


def save(head: dict[str, Any], vectors: Iterable[Vector]) -> None:
    """Write the file anew."""
    lines = [json.dumps(head), *(json.dumps(_line(vector)) for vector in vectors)]
    FILE.write_bytes(lzma.compress("\n".join(lines).encode(), preset=9))


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
    return {
        "case": vector.case,
        "rules": vector.rules,
        "model": _text(vector.model),
        "invokes": len(vector.outputs),
        "inputs": _text(b"".join(a.tobytes() for arrays in vector.samples for a in arrays)),
        "outputs": _text(b"".join(a.tobytes() for a in vector.outputs)),
    }


def _parsed(line: dict[str, Any]) -> Vector:
    model = base64.b85decode(line["model"])
    main = Interpreter.from_bytes(model).graph.main
    samples = list(_split(base64.b85decode(line["inputs"]), main.inputs, line["invokes"]))
    outputs = list(_split(base64.b85decode(line["outputs"]), main.outputs, line["invokes"]))
    return Vector(line["case"], tuple(line["rules"]), model, samples, [o[0] for o in outputs])


def _split(data: bytes, tensors: Sequence[Tensor], invokes: int) -> Iterator[list[Array]]:
    start = 0
    for _ in range(invokes):
        arrays = []
        for tensor in tensors:
            flat = np.frombuffer(data, tensor.dtype, tensor.elements, start)
            arrays.append(flat.reshape(tensor.shape))
            start += flat.nbytes
        yield arrays
    assert start == len(data)


def _text(data: bytes) -> str:
    return base64.b85encode(data).decode()
