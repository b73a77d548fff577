"""Record vectors from CMSIS-NN itself: python -m tests.cmsis_nn.record --source DIR.

DIR is a checkout of CMSIS-NN (git clone https://github.com/ARM-software/CMSIS-NN) at the commit
library.PINNED; gcc builds it for this machine. Nothing of it is kept but the numbers it gives.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

from microinterp import Interpreter
from microinterp.errors import PrepareError
from microinterp.quant.rules import RULES
from tests.cmsis_nn.cases import cases
from tests.cmsis_nn.device import Device
from tests.cmsis_nn.library import FLAGS, build, commit_of, compiler_version
from tests.cmsis_nn.vectors import FILE, Vector, load, outputs_of, save
from tests.differential.case import Case

SEED = 20261121
COMMAND = "python -m tests.cmsis_nn.record --source DIR"
PER_RULE = 2
_INVOKES = 2


def drawn(case: Case, count: int) -> list[bytes]:
    """`count` random models of a case, smallest first."""
    found: set[bytes] = set()

    @hypothesis.seed(SEED)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case.models)
    def draw(data: bytes) -> None:
        found.add(data)

    draw()
    return sorted(found, key=lambda data: (len(data), data))


def vectors(library: ctypes.CDLL, case: Case, count: int) -> list[Vector]:
    """Up to PER_RULE vectors, run and refused, for each set of rules that matter."""
    found: dict[tuple[bool, tuple[str, ...]], list[Vector]] = defaultdict(list)
    for model in drawn(case, count):
        vector = _vector(library, case, model)
        several = found[bool(vector.outputs), vector.rules]
        if len(several) < PER_RULE:
            several.append(vector)
    return [vector for several in found.values() for vector in several]


def _vector(library: ctypes.CDLL, case: Case, model: bytes) -> Vector:
    name = f"{case.op}[{case.types}]"
    try:
        graph = Interpreter.from_bytes(model, profile="cmsis-nn").graph
    except PrepareError as error:
        (rule,) = (rule for rule in RULES if f"rule {rule} " in str(error))
        return Vector(name, (rule,), model, [], [])
    drawn_samples = case.draw(np.random.default_rng(SEED), graph, _INVOKES)
    samples = [list(sample) for sample in drawn_samples if sample is not None]
    ours = outputs_of(model, samples)
    matters = [
        rule
        for rule, entry in RULES.items()
        if case.op in entry.ops
        and any((a != b).any() for a, b in zip(ours, outputs_of(model, samples, rule), strict=True))
    ]
    device = Device(library, model)
    return Vector(name, tuple(matters), model, samples, [device.invoke(s) for s in samples])


def main() -> None:
    """Build, record, say how large the file is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="checkout of CMSIS-NN")
    parser.add_argument("--commit", help="its commit, where git does not know it")
    parser.add_argument("--compiler", default="gcc")
    parser.add_argument("--models", type=int, default=150, help="drawn per operator and types")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        library = build(arguments.source, Path(folder) / "cmsis_nn.so", arguments.compiler)
        found = [v for case in cases() for v in vectors(library, case, arguments.models)]
    head = {
        "runtime": f"CMSIS-NN {arguments.commit or commit_of(arguments.source)}",
        "compiler": f"{compiler_version(arguments.compiler)} {' '.join(FLAGS)}",
        "command": COMMAND,
        "seed": SEED,
    }
    save(head, found)
    print(f"{FILE.name}: {FILE.stat().st_size:,} bytes, {len(load()[1])} layers", file=sys.stderr)


if __name__ == "__main__":
    main()
