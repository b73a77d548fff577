"""The constants of the account of the heap, measured again on the virtual boards.

A runtime that takes more than they say makes `fit` promise what deploy cannot keep; one that takes
much less makes it refuse what would run.
"""

from __future__ import annotations

import ast
import platform
import re
from dataclasses import replace
from functools import cache

import pytest

from microinterp import packed
from microinterp.packed.steps import CODES, STEP_TYPES
from microinterp_boards.heap_need import (
    BYTECODE_LIMIT,
    COSTS,
    PORT_BYTES,
    bytecode_refusal,
    costs_of,
    heap_need,
    modules_of,
)
from microinterp_boards.kernel_sets import SETS
from microinterp_boards.packing import pack_for_board
from microinterp_boards.processor import TIERS
from tests.boards.heap_figures import BOARDS, deployed, module_costs, packed_for
from tests.boards.model_boards import MODEL
from tests.boards.unix_port import ROOT
from tests.marks import slow, thorough
from tests.models import chain_model

SLACK = 4096
"""Bytes by which the account may exceed what is really needed; measured: at most 2,500."""


SLOW = ("armv7em", "bytecode")
"""Of boards under QEMU the fastest and the slowest kernels; the others are thorough tests."""


@pytest.fixture(
    params=["x64", *map(slow, SLOW), *(thorough(b) for b in BOARDS if b not in ("x64", *SLOW))]
)
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of kernels that has a virtual board here."""
    request.getfixturevalue("interpreter" if request.param == "x64" else "qemu")
    if request.param == "x64" and platform.machine() != "x86_64":
        pytest.skip("viper code of the unix port is for x86-64")
    return str(request.param)


@cache
def need(kind: str, model: bytes) -> int:
    made = packed_for(kind, model)
    mpy_set = BOARDS[kind][1]
    return heap_need(packed.load(made.packed), len(made.packed), mpy_set, is_virtual=True).total


def test_modules_take_what_the_table_says(kind: str) -> None:
    measured, told = module_costs(kind), dict(COSTS[kind].modules)
    print(f"\n{kind}: {measured}")
    assert measured == {name: pytest.approx(cost, abs=160) for name, cost in told.items()}


@pytest.mark.parametrize("model", [thorough("digits"), "24 steps"])
def test_the_need_is_enough_and_little_less_is_not(kind: str, model: str) -> None:
    data = MODEL.read_bytes() if model == "digits" else chain_model(24)
    heap = need(kind, data)
    assert deployed(kind, heap, data) == ""
    assert "MemoryError" in deployed(kind, heap - SLACK, data)


def test_the_parts_by_hand() -> None:
    """30 steps of one kind: 16-byte blocks, 3 bits of tables for each, and one block's slack."""
    model = packed.load(packed_for("armv6m", chain_model(30)).packed)
    costs = COSTS["armv6m"]
    modules = sum(costs.modules[name] for name in ("_check_filter", "_check_layout", "_conv"))
    objects = costs.base + 30 * costs.step + modules
    found = heap_need(model, 1001, "armv6m", is_virtual=True)
    assert (found.model, found.arena, found.objects) == (1008, model.arena_bytes, objects)
    blocks = -(-(1008 + model.arena_bytes + objects) // 16)
    assert 0 <= found.total - (16 * blocks + -(-3 * blocks // 8)) <= 8 * 16 + 16
    assert heap_need(model, 1001, "armv6m").objects == objects + PORT_BYTES
    mapped = heap_need(model, 1001, "armv6m", mapped=True, is_virtual=True)
    assert (mapped.model, mapped.objects) == (0, objects)


def test_the_service_counts_where_it_is_more_than_the_model() -> None:
    model = packed.load(packed_for("armv6m", chain_model(1)).packed)
    found = heap_need(model, 1000, "armv6m", is_virtual=True)
    assert found.service == COSTS["armv6m"].service > found.model + found.arena + found.objects
    blocks = -(-found.service // 16)
    assert 0 <= found.total - (16 * blocks + -(-3 * blocks // 8)) <= 8 * 16 + 16


def test_the_services_heap_is_enough_and_little_less_is_not(kind: str) -> None:
    """The smallest model there is: nothing but the service counts."""
    data = chain_model(1)
    heap = need(kind, data)
    assert deployed(kind, heap, data) == ""
    assert "beside the link: MemoryError" in deployed(kind, heap - SLACK, data)


@pytest.mark.parametrize("mpy_set", SETS)
def test_steps_import_what_the_runtimes_own_table_says(mpy_set: str) -> None:
    """firmware/microinterp/_load.py: code - 1 -> name, arguments, module that checks, and runs."""
    folder = "thumb" if mpy_set in TIERS else "portable"
    assert "from microinterp._check_filter import" in source(folder, "_check_layout")
    tier = "thumb" if mpy_set in TIERS else "bytecode" if mpy_set == "bytecode" else "viper"
    (lut,) = re.findall(r'^LUT = "(.+?)"', source(tier, "_tier"), re.MULTILINE)
    table = re.search(r"^_STEPS = (\(.+?^\))", source("microinterp", "_load"), re.M | re.S)
    assert table is not None
    steps = ast.literal_eval(table[1].replace(", LUT)", f", {lut!r})"))
    costs = costs_of(mpy_set)
    for kind in STEP_TYPES.values():
        checker, runner = steps[CODES[kind] - 1][2:4]
        imported = {checker, runner} - {"", "_check"}
        imported |= {"_check_filter"} if checker == "_check_layout" else set()
        assert set(modules_of(kind.__name__, mpy_set)) == imported, kind
        assert imported <= costs.modules.keys()


def source(folder: str, module: str) -> str:
    """The text of a module of the runtime."""
    return (ROOT / "firmware" / folder / f"{module}.py").read_text()


def test_the_bytecode_tiers_limit_is_the_runtimes() -> None:
    text = source("bytecode", "_tier")
    (line,) = (line for line in text.splitlines() if line.startswith("LIMIT = "))
    low, high = line.removeprefix("LIMIT = ").split(" << ")
    assert int(low) << int(high) == BYTECODE_LIMIT


def test_wide_sums_are_refused_for_bytecode_as_the_board_does() -> None:
    """65,025 a tap, doubled by the shift to the left of these weights: below 2^29, or not."""
    model = packed.load(pack_for_board(chain_model(1)).packed)
    (step,) = model.subgraphs[0].steps
    assert bytecode_refusal(model) == ""
    for taps, refused in ((4128, False), (4129, True)):
        wide = step._replace(ic=taps)  # type: ignore[call-arg]
        subgraph = replace(model.subgraphs[0], steps=(wide,))
        found = bytecode_refusal(replace(model, subgraphs=(subgraph,)))
        assert found == ("step 0: its sums are too wide for bytecode kernels" if refused else "")
