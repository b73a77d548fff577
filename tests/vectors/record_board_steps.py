"""Records board_steps.npz: steps for boards, with the arena before and after each.

    python -m tests.vectors.record_board_steps

What comes out is computed by tests/boards/step_reference.py: schemas/steps.md in plain Python ints,
loop by loop. Random steps of every kind, and CONV, DEPTHWISE, ADD and MUL at the values where
requantisation matters: where the result steps, near zero, at the extremes. The file says which
edition of steps.md it was recorded from; the tests hold it to that.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.boards.packed_builder import build, one_step
from tests.boards.random_steps import MAKERS, make
from tests.boards.step_reference import Step, rq, run
from tests.boards.test_requantisation import (
    SHIFTS,
    ZERO_POINT,
    accumulator,
    clamped,
    filter_step,
    multipliers,
    parts,
)

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_name("board_steps.npz")
SPECIFICATION = "schemas/steps.md"
STEPS, ACCUMULATORS, SIDE = 12, 250, 20
_BYTECODE_LIMIT, _BYTECODE_SHIFT = 2**29 - 1, 12


@dataclass(frozen=True)
class Vector:
    """A packed model of one step, the arena before and after; `scratch` is not compared.

    tier: "" for both, or "viper" where accumulators are wider than the bytecode tier takes.
    """

    name: str
    tier: str
    model: bytes
    before: bytes
    after: bytes
    scratch: tuple[tuple[int, int], ...]

    def masked(self, arena: bytes) -> bytes:
        """`arena` with nothing in its scratch."""
        cleared = bytearray(arena)
        for offset, size in self.scratch:
            cleared[offset : offset + size] = bytes(size)
        return bytes(cleared)


def vectors() -> Iterator[Vector]:
    """All of them, made again."""
    for name in MAKERS:
        rng = random.Random(f"recorded {name}")
        for _ in range(STEPS):
            case = make(name, rng)
            after = bytearray(case.arena)
            run([[case.step]], after, case.weights)
            yield Vector(name, "", build(case.packed), case.arena, bytes(after), case.scratch)
    for name in ("CONV", "DEPTHWISE"):
        for shift in SHIFTS:
            yield _filter(name, min(shift, _BYTECODE_SHIFT), "")
            yield _filter(name, shift, "viper")
    yield from _pairs()


def _filter(name: str, shift: int, tier: str) -> Vector:
    """One output for each accumulator; the right answers come straight from `rq`."""
    rng = random.Random(f"recorded {name} {shift} {tier}")
    limit = 2**31 if tier else (_BYTECODE_LIMIT >> max(shift, 0)) - 255 * 255
    factors = [multipliers(rng) for _ in range(ACCUMULATORS)]
    sums = [accumulator(rng, factor, shift, limit) for factor in factors]
    pairs = list(zip(sums, factors, strict=True))
    # TFLM adds the zero point in int32: what overflows there has no right answer.
    sums = [v - 255 if rq(v, m, shift) + ZERO_POINT >= 2**31 else v for v, m in pairs]
    before = bytes([-7 & 255]) * (ACCUMULATORS + 16)
    exact = clamped([rq(v, m, shift) for v, m in zip(sums, factors, strict=True)])
    scratch = () if name == "DEPTHWISE" else ((ACCUMULATORS + 8, 8),)
    model = filter_step(name, sums, factors, shift)
    return Vector(f"{name} {shift}", tier, model, before, exact + before[len(exact) :], scratch)


def _pairs() -> Iterator[Vector]:
    """ADD and MUL of int8 values with each other."""
    rng = random.Random("recorded pairs")
    for shift in (-19, -7, -2, 0, 2):
        a, b = [rng.sample(range(256), SIDE) for _ in range(2)]
        n = SIDE * SIDE
        before = bytes(x for x in a for _ in b) + bytes(b) + bytes(n)
        places = [0, n, n, SIDE, n + SIDE, n]
        zero_points = [rng.choice((-128, 127, 5)) for _ in range(2)]
        scaling = [
            value
            for each in (0, min(shift, 0), -19)
            for value in parts(rng.randrange(2**30, 2**31), each)
        ]
        yield _step(("ADD", [*places, 20, *zero_points, *scaling, 3, -128, 127]), before)
        one = parts(rng.randrange(2**30, 2**31), shift)
        yield _step(("MUL", [*places, *zero_points, *one, ZERO_POINT, -128, 127]), before)


def _step(step: Step, before: bytes) -> Vector:
    after = bytearray(before)
    run([[step]], after, b"")
    return Vector(step[0], "", build(one_step(len(before), step)), before, bytes(after), ())


def provenance() -> dict[str, object]:
    """What the file was recorded from."""
    return {
        "script": "tests/vectors/record_board_steps.py",
        "reference": "tests/boards/step_reference.py, plain Python ints",
        "specification": SPECIFICATION,
        "sha256": hashlib.sha256((ROOT / SPECIFICATION).read_bytes()).hexdigest(),
    }


def load() -> list[Vector]:
    """The recorded vectors."""
    with np.load(FILE) as file:
        notes = json.loads(str(file["notes"]))
        columns = [_cut(file[key], file[f"{key}_ends"]) for key in ("model", "before", "after")]
    return [
        Vector(name, tier, *contents, tuple((offset, size) for offset, size in scratch))
        for (name, tier, scratch), *contents in zip(notes, *columns, strict=True)
    ]


def recorded_provenance() -> object:
    """What the file says it was recorded from."""
    with np.load(FILE) as file:
        return json.loads(str(file["provenance"]))


def _cut(data: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> list[bytes]:
    return [piece.tobytes() for piece in np.split(data, ends[:-1])]


def main() -> None:
    """Write the file."""
    made = list(vectors())
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "notes": np.array(json.dumps([(v.name, v.tier, v.scratch) for v in made])),
        "provenance": np.array(json.dumps(provenance())),
    }
    for key in ("model", "before", "after"):
        contents = [getattr(vector, key) for vector in made]
        arrays[key] = np.frombuffer(b"".join(contents), np.uint8)
        arrays[f"{key}_ends"] = np.cumsum([len(each) for each in contents])
    np.savez_compressed(FILE, **arrays)
    print(f"{FILE.name}: {len(made)} vectors, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
