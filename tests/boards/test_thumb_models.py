"""Whole models on Thumb kernels, on emulated Cortex-M: random ones, real ones, with memory passes.

Outputs, and the CRC32 of each tensor that an op has written, are those of the host's interpreter.
"""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.interpreter import prepare_model
from microinterp.passes import run_passes
from tests.marks import slow, slow_but, thorough
from tests.ops.strategies import seeds
from tests.ops.variable_programs import Program, programs
from tests.oracle import random_samples
from tests.packed import test_filters, test_movement, test_values
from tests.packed.compare import Family, check_on_cortex_m, compare
from tests.packed.test_passes import CHOICES, SMALLER, checked, random_net
from tests.packed.test_real import MODELS, packed
from tests.random_graphs import random_graphs

PLACES = [("m4", "armv7em"), ("m3", "armv7m"), ("m3", "armv6m")]
LARGE_HEAP = 3 << 20
QUICK = ("digits_int8", "micro_speech_int8", "okay_nabu")

pytestmark = pytest.mark.usefixtures("qemu")
on_each = pytest.mark.parametrize(
    ("cpu", "tier"), [PLACES[0], *(slow(*each) for each in PLACES[1:])]
)


@on_each
@pytest.mark.parametrize("count", [10, thorough(120)])
def test_random_graphs(cpu: str, tier: str, count: int) -> None:
    family = Family()

    @settings(max_examples=count)
    @given(data=random_graphs(), seed=seeds())
    def check(data: bytes, seed: int) -> None:
        family.add(data, seed)

    check()
    assert family.seen["packed"] >= count
    check_on_cortex_m(family.packed, tier, cpu)


@on_each
@pytest.mark.parametrize("count", [10, thorough(100)])
def test_random_programs_of_variables(cpu: str, tier: str, count: int) -> None:
    models = []

    @settings(max_examples=count)
    @given(program=programs(), seed=seeds())
    def check(program: Program, seed: int) -> None:
        graph = Interpreter.from_bytes(program.data).graph
        samples = random_samples(np.random.default_rng(seed), graph, 6)
        models.append(compare(program.data, [*samples[:4], None, *samples[4:]]))

    check()
    check_on_cortex_m(models, tier, cpu)


@on_each
@pytest.mark.parametrize("count", [slow(8), thorough(20), thorough(100)])
def test_random_models_with_passes(cpu: str, tier: str, count: int) -> None:
    """Layers in place, backward, over one another, in strips and in columns."""
    seen: Counter[str] = Counter()
    rng = random.Random(f"passes {count}")
    nets = [random_net(rng) for _ in range(count)]
    models = [checked(data, passes, seen) for data in nets for passes in CHOICES]
    kinds = ("in place, depthwise", "in place", "backward", "joined", "strips", "over one another")
    assert min(seen[kind] for kind in kinds) >= 3, seen
    check_on_cortex_m(models, tier, cpu)


OPS: dict[str, st.SearchStrategy[bytes]] = {
    **{
        name: layers.filter(lambda layer: not layer.computed).map(lambda layer: layer.data())
        for name, layers in test_filters.LAYERS.items()
    },
    **test_values.MODELS,
    **{name: cases.map(lambda case: case.data) for name, cases in test_movement.CASES.items()},
}


@pytest.mark.parametrize("count", [slow(15), thorough(80)])
@pytest.mark.parametrize("op", OPS)
def test_ops(op: str, count: int) -> None:
    family = Family()

    @settings(max_examples=count)
    @given(data=OPS[op], seed=seeds())
    def check(data: bytes, seed: int) -> None:
        family.add(data, seed)

    check()
    assert family.packed
    for cpu, tier in PLACES:
        check_on_cortex_m(family.packed, tier, cpu)


LONG = ("kws_int8", "person_detect", "vww_96_int8")
"""With passes and all tiers."""


@pytest.mark.parametrize("name", slow_but(MODELS, *QUICK))
def test_real_models(name: str) -> None:
    model = packed(name, 2)
    for cpu, tier in PLACES:
        check_on_cortex_m([model], tier, cpu, LARGE_HEAP)


@pytest.mark.parametrize(
    "name",
    [*[n for n in SMALLER if n not in LONG], *map(thorough, LONG)],
)
@pytest.mark.slow
def test_real_models_with_passes(name: str) -> None:
    data = MODELS[name](name)
    prepared = prepare_model(data, kernels="plain")
    models = []
    for passes in CHOICES:
        passed = run_passes(prepared, passes, None, 0.2, strips=True)
        samples = random_samples(np.random.default_rng(5), prepared.graph, 2)
        models.append(compare(data, samples, passed))
    for cpu, tier in PLACES:
        check_on_cortex_m(models, tier, cpu, LARGE_HEAP)
