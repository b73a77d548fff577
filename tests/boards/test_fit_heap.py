"""The constants of the account of the heap, measured again on the virtual boards.

A runtime that takes more than they say makes `fit` promise what deploy cannot keep; one that takes
much less makes it refuse what would run.
"""

from __future__ import annotations

import ast
import platform
from dataclasses import replace
from functools import cache

import pytest

from microinterp import packed
from microinterp.packed.steps import CODES, STEP_TYPES
from microinterp_boards.heap_need import (
    BYTECODE_LIMIT,
    COSTS,
    PORT_BYTES,
    STEP_MODULES,
    bytecode_refusal,
    heap_need,
)
from microinterp_boards.packing import pack_for_board
from tests.boards.heap_figures import BOARDS, deployed, module_costs
from tests.boards.model_boards import MODEL
from tests.boards.unix_port import ROOT
from tests.models import chain_model

SLACK = 4096
"""Bytes by which the account may exceed what is really needed; measured: at most 2,100."""


@pytest.fixture(params=["x64", "thumb", pytest.param("bytecode", marks=pytest.mark.slow)])
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of kernels that has a virtual board here."""
    request.getfixturevalue("interpreter" if request.param == "x64" else "qemu")
    if request.param == "x64" and platform.machine() != "x86_64":
        pytest.skip("viper code of the unix port is for x86-64")
    return str(request.param)


@cache
def need(kind: str, model: bytes) -> int:
    made = pack_for_board(model)
    mpy_set = BOARDS[kind][1]
    return heap_need(packed.load(made.packed), len(made.packed), mpy_set, is_virtual=True).total


def test_modules_take_what_the_table_says(kind: str) -> None:
    measured, told = module_costs(kind), dict(COSTS[kind].modules)
    print(f"\n{kind}: {measured}")
    assert measured == {name: pytest.approx(cost, abs=160) for name, cost in told.items()}


@pytest.mark.parametrize("model", [pytest.param("digits", marks=pytest.mark.slow), "24 steps"])
def test_the_need_is_enough_and_little_less_is_not(kind: str, model: str) -> None:
    data = MODEL.read_bytes() if model == "digits" else chain_model(24)
    heap = need(kind, data)
    assert deployed(kind, heap, data) == ""
    assert "MemoryError" in deployed(kind, heap - SLACK, data)


def test_the_parts_by_hand() -> None:
    """3 steps of one kind: 16-byte blocks, 3 bits of tables for each, and one block's slack."""
    model = packed.load(pack_for_board(chain_model(3)).packed)
    costs = COSTS["thumb"]
    objects = costs.base + 3 * costs.step + costs.modules["_check_filter"] + costs.modules["_conv"]
    found = heap_need(model, 1001, "armv6m", is_virtual=True)
    assert (found.model, found.arena, found.objects) == (1008, model.arena_bytes, objects)
    blocks = -(-(1008 + model.arena_bytes + objects) // 16)
    assert 0 <= found.total - (16 * blocks + -(-3 * blocks // 8)) <= 8 * 16 + 16
    assert heap_need(model, 1001, "armv6m").objects == objects + PORT_BYTES
    mapped = heap_need(model, 1001, "armv6m", mapped=True, is_virtual=True)
    assert (mapped.model, mapped.objects) == (0, objects)


def test_steps_import_what_the_runtimes_own_table_says() -> None:
    """firmware/microinterp/_load.py: code - 1 -> name, arguments, module that checks, and runs."""
    tree = ast.parse((ROOT / "firmware" / "microinterp" / "_load.py").read_text())
    (steps,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_STEPS"
    )
    for kind in STEP_TYPES.values():
        checker, runner = steps[CODES[kind] - 1][2:4]
        imported = tuple(name for name in (checker, runner) if name not in ("", "_check"))
        assert STEP_MODULES[kind.__name__] == imported, kind
    modules = {name for names in STEP_MODULES.values() for name in names}
    for costs in COSTS.values():
        assert costs.modules.keys() == modules


def test_the_bytecode_tiers_limit_is_the_runtimes() -> None:
    text = (ROOT / "firmware" / "bytecode" / "_tier.py").read_text()
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
