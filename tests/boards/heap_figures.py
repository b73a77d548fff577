"""Measures what microinterp_boards.heap_need has as constants: run it when the runtime changes.

    PYTHONPATH=.:host_tools python -m tests.boards.heap_figures [armv7em] [bytecode] ...

prints them as they stand in COSTS, in a minute or so for each kind of kernels. `base` is what is
left, once all else is taken away, of the smallest heap in which a model can be deployed and run;
the largest of some models' is taken, and rounded up.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from microinterp import packed
from microinterp.errors import DeviceError
from microinterp.model_builder import ModelBuilder
from microinterp_boards import Board, heap_need, virtual_board
from microinterp_boards.heap_need import COSTS
from microinterp_boards.packing import NO_PASSES, BoardModel, MemoryPasses, pack_for_board
from microinterp_boards.runtime import tier_of
from tests.boards.model_boards import LARGE_HEAP, MODEL
from tests.models import chain_model

BOARDS: Mapping[str, tuple[Mapping[str, str], str]] = {
    "x64": ({"kind": "unix"}, "x64"),
    "armv7em": ({"kind": "qemu", "cpu": "m4"}, "armv7em"),
    "armv7m": ({"kind": "qemu", "cpu": "m3"}, "armv7m"),
    "armv6m": ({"kind": "qemu", "cpu": "m3"}, "armv6m"),
    "viper": ({"kind": "qemu", "cpu": "m4"}, "viper-armv7m"),
    "bytecode": ({"kind": "qemu", "cpu": "m4"}, "bytecode"),
}
"""Where each kind of kernels is measured: a virtual board, and the set of .mpy files."""
_CODE = """
import gc
import microinterp
for name in ("_open", "_load") + %r:
    gc.collect()
    before = gc.mem_free()
    __import__("microinterp." + name, None, None, ("*",))
    gc.collect()
    print(name, before - gc.mem_free())
"""


@cache
def heavy_model() -> bytes:
    """512 x 300 weights: much to keep in flash, with a small arena."""
    rng = np.random.default_rng(7)
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 512), "int8", scale=0.5, zero_point=0)
    data = rng.integers(-127, 128, (300, 512)).astype(np.int8)
    w = g.constant("w", data, scale=0.01, zero_point=0)
    y = g.tensor("y", (1, 300), "int8", scale=0.5, zero_point=0)
    g.op("FULLY_CONNECTED", [x, w], [y])
    g.output(y)
    return b.finish()


def module_costs(kind: str) -> dict[str, int]:
    """Bytes of heap that each module of the runtime takes, beyond those imported before it."""
    where, mpy_set = BOARDS[kind]
    names = tuple(COSTS[kind].modules)
    with virtual_board(**where, heap=LARGE_HEAP) as port, Board(port) as board:
        board.deploy(MODEL, mpy_set=mpy_set)
        board.soft_reset()
        lines = board.exec(_CODE % (names,)).split("\n")
    found = dict(line.split() for line in lines if line)
    return {name: int(found[name]) for name in names}


def deployed(kind: str, heap: int, model: bytes, passes: Sequence[str] = (), **options: Any) -> str:
    """Deploy a model to a board with such a heap and run it once; the error's text, or ""."""
    where, mpy_set = BOARDS[kind]
    board_with = virtual_board(**where, heap=heap, **options)
    with board_with as port, Board(port, patience=5) as board:
        try:
            board.deploy(model, mpy_set=mpy_set, passes=passes)
            result = board.validate(model, samples=1, passes=passes)
        except DeviceError as error:
            return error.message
    assert result.equal
    return ""


def packed_for(kind: str, model: bytes, passes: MemoryPasses = NO_PASSES) -> BoardModel:
    """A model as a kind of kernels reads it."""
    return pack_for_board(model, passes=passes).for_tier(tier_of(BOARDS[kind][1]))


def smallest_heap(kind: str, model: bytes, precision: int = 128, mapped: bool = False) -> int:
    """The smallest heap in which a model can be deployed and run, found by halving."""
    made = packed_for(kind, model)
    low = made.report.arena_bytes + (0 if mapped else len(made.packed))
    high = low + (1 << 16)
    options = {"preload": [("model.mipk", made.packed)]} if mapped else {}
    assert not deployed(kind, high, model, **options)
    while high - low > precision:
        middle = (low + high) // 2
        is_short = deployed(kind, middle, model, **options)
        low, high = (middle, high) if is_short else (low, middle)
    return high


def left_for_base(
    kind: str, model: bytes, step: int, modules: Mapping[str, int], mapped: bool = False
) -> int:
    """What `base` must be for a model to need just the smallest heap that it runs in."""
    made = packed_for(kind, model)
    told = replace(COSTS[kind], base=0, step=step, modules=modules)
    block = told.block
    heap = smallest_heap(kind, model, mapped=mapped)
    usable = heap * 8 * block // (8 * block + 3) - 8 * block
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heap_need, "COSTS", {kind: told})
        mpy_set = BOARDS[kind][1]
        need = heap_need.heap_need(
            packed.load(made.packed), len(made.packed), mpy_set, mapped, is_virtual=True
        )
    return usable - need.model - need.arena - need.objects


def main(kinds: Sequence[str]) -> None:
    """Print the constants of each kind."""
    for kind in kinds or BOARDS:
        modules = module_costs(kind)
        few, many = (smallest_heap(kind, chain_model(steps)) for steps in (4, 24))
        packed_sizes = [len(packed_for(kind, chain_model(steps)).packed) for steps in (4, 24)]
        step = (many - few - packed_sizes[1] + packed_sizes[0]) // 20
        words = " ".join(map(str, modules.values()))
        block = COSTS[kind].block
        service = smallest_heap(kind, chain_model(1)) * 8 * block // (8 * block + 3) - 8 * block
        print(f"{kind}: service {service}, step {step}, modules {words}", flush=True)
        for name, model in (("digits", MODEL.read_bytes()), ("chain", chain_model(24))):
            print(f"  base by {name}: {left_for_base(kind, model, step, modules)}", flush=True)
        if kind != "x64":
            base = left_for_base(kind, heavy_model(), step, modules, mapped=True)
            print(f"  base by weights in flash: {base}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
