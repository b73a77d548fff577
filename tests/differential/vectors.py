"""Recorded vectors: models, inputs and what TFLM's wheel made of them, for machines without it.

python -m tests.differential.vectors      records them into tests/vectors/operators.jsonl.xz

One line of JSON tells the wheel's version, the command and the seed; each line after it is one
model: its case, and base85 of the model, of the inputs and of the outputs, invoke after invoke
("resets" numbers the samples before which the interpreter is reset).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import numpy.typing as npt
from hypothesis import HealthCheck, Phase, given, settings

from microinterp import Interpreter
from microinterp.runtimes.tflm import Sample, TflmRuntime, version
from tests.differential.case import Case
from tests.differential.cases import all_cases
from tests.vector_files import packed, read_lines, unpacked, write_lines

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
    head, lines = read_lines(FILE)
    return head, [_parsed(line) for line in lines]


def record(tflm: TflmRuntime) -> None:
    """Write the file anew from the installed wheel."""
    head = {"runtime": f"tflite-micro {version()}", "command": COMMAND, "seed": SEED}
    models = ((case, model) for case in all_cases() for model in _models(case))
    write_lines(FILE, head, (_record(tflm, case, model) for case, model in models))


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
    resets = [i for i, sample in enumerate(samples) if sample is None]
    arrays = [sample for sample in samples if sample is not None]
    return {"case": case.name, "resets": resets, **packed(model, arrays, outputs)}


def _parsed(line: dict[str, Any]) -> Vector:
    model, samples, outputs = unpacked(line)
    mixed: list[Sample] = [*samples]
    for place in line["resets"]:
        mixed.insert(place, None)
    return Vector(line["case"], model, mixed, outputs)


if __name__ == "__main__":
    with TflmRuntime() as runtime:
        record(runtime)
    print(f"{FILE.name}: {FILE.stat().st_size:,} bytes, {len(load()[1])} models", file=sys.stderr)
