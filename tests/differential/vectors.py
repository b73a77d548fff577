"""Recorded vectors: models, inputs and what TFLM's wheel made of them, for machines without it.

python -m tests.differential.vectors      records them into tests/vectors/operators.jsonl.xz

One line of JSON tells the wheel's version, the command and the seed; each line after it is one
model: its case, and base85 of the model, of the inputs and of the outputs, invoke after invoke
("resets" numbers the samples before which the interpreter is reset).
"""

from __future__ import annotations

import base64
import json
import lzma
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import numpy.typing as npt
from hypothesis import HealthCheck, Phase, given, settings

from microinterp import Interpreter
from microinterp.graph import Tensor
from microinterp.runtimes.tflm import Sample, TflmRuntime, version
from tests.differential.case import Case
from tests.differential.cases import all_cases

FILE = Path(__file__).resolve().parents[1] / "vectors" / "operators.jsonl.xz"
COMMAND = "python -m tests.differential.vectors"
SEED = 20261121
PER_CASE = 2
_DRAWN = 12  # models of which the smallest are kept


@dataclass(frozen=True)
class Vector:
    """One model with the samples of its invokes (None resets) and TFLM's outputs."""

    case: str
    model: bytes
    samples: list[Sample]
    outputs: list[list[npt.NDArray[Any]]]


def load() -> tuple[dict[str, Any], list[Vector]]:
    """The provenance and all vectors of the file."""
    head, *lines = lzma.decompress(FILE.read_bytes()).decode().splitlines()
    return json.loads(head), [_parsed(json.loads(line)) for line in lines]


def record(tflm: TflmRuntime) -> None:
    """Write the file anew from the installed wheel."""
    head = {"runtime": f"tflite-micro {version()}", "command": COMMAND, "seed": SEED}
    lines = [json.dumps(head)]
    for case in all_cases():
        lines += [json.dumps(_record(tflm, case, model)) for model in _models(case)]
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_bytes(lzma.compress("\n".join(lines).encode(), preset=9))


def _models(case: Case) -> list[bytes]:
    drawn: set[bytes] = set()

    @hypothesis.seed(SEED)
    @settings(
        max_examples=_DRAWN,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=case.models)
    def draw(data: bytes) -> None:
        drawn.add(data)

    draw()
    # hypothesis starts with the least of everything: the middle of the range says more
    return sorted(drawn, key=lambda data: (len(data), data))[len(drawn) // 3 :][:PER_CASE]


def _record(tflm: TflmRuntime, case: Case, model: bytes) -> dict[str, Any]:
    graph = Interpreter.from_bytes(model).graph
    samples = case.draw(np.random.default_rng(SEED), graph, case.samples)
    outputs = tflm.run(model, samples).outputs
    arrays = [array for sample in samples if sample is not None for array in sample]
    return {
        "case": case.name,
        "model": _text(model),
        "resets": [i for i, sample in enumerate(samples) if sample is None],
        "invokes": len(outputs),
        "inputs": _text(b"".join(array.tobytes() for array in arrays)),
        "outputs": _text(b"".join(array.tobytes() for arrays in outputs for array in arrays)),
    }


def _parsed(line: dict[str, Any]) -> Vector:
    model = base64.b85decode(line["model"])
    main = Interpreter.from_bytes(model).graph.main
    samples = list(_split(base64.b85decode(line["inputs"]), main.inputs, line["invokes"]))
    outputs = list(_split(base64.b85decode(line["outputs"]), main.outputs, line["invokes"]))
    mixed: list[Sample] = [*samples]
    for place in line["resets"]:
        mixed.insert(place, None)
    return Vector(line["case"], model, mixed, outputs)


def _split(
    data: bytes, tensors: Sequence[Tensor], invokes: int
) -> Iterator[list[npt.NDArray[Any]]]:
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


if __name__ == "__main__":
    with TflmRuntime() as runtime:
        record(runtime)
    print(f"{FILE.name}: {FILE.stat().st_size:,} bytes, {len(load()[1])} models", file=sys.stderr)
