"""Real models on a Cortex-M under QEMU: no byte differs, heaps are small, instructions are counted.

Models and runtime lie in the board's mapped memory, unless a test is about sending them. A plain
run has the heap locked: there a 32-bit board tells of every int over 30 bits, which allocates.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from microinterp_boards import Board, runtime
from microinterp_boards.kernel_sets import kernels_of
from microinterp_boards.packing import BoardModel, pack_for_board
from microinterp_boards.validate import Validation
from tests.boards.model_boards import MODEL
from tests.boards.qemu_port import (
    CPUS,
    mapped_model,
    mapped_runtime,
    qemu_board,
    set_of,
)
from tests.boards.test_bench import follows_schema
from tests.boards.unix_port import ROOT
from tests.conftest import shared_model
from tests.marks import slow, thorough

pytestmark = pytest.mark.usefixtures("qemu")

NAMES = ("digits", "hello_world", "kws", "micro_speech", "ad01")
LARGE = ("ad01", "kws", "micro_speech")
SAMPLES = 3
HEAP = 262144
SMALL = {"kws": 131072, "hello_world": 32768}
"""Heaps that are enough for some."""
PLACES = (("m4", "thumb"), ("m3", "thumb"), ("m3", "armv6m"))
CASES = [(name, SMALL.get(name, HEAP), *place) for name in NAMES for place in PLACES]
CASES += [("digits", HEAP, "m7", "thumb"), ("digits", HEAP, "m4", "viper")]
"""Model, heap, CPU and set: of the Thumb kernels all, and viper, which gets the smallest tests."""


def content(name: str) -> bytes:
    return MODEL.read_bytes() if name == "digits" else shared_model(f"{name}_int8.tflite")


@contextmanager
def mapped(
    name: str, cpu: str, heap: int = HEAP, tier: str = "thumb"
) -> Iterator[tuple[Board, BoardModel]]:
    """A board that has the model and the runtime of a tier in mapped memory."""
    model = pack_for_board(content(name), name).for_tier(runtime.tier_of(set_of(cpu, tier)))
    with qemu_board(cpu, heap=heap, preload=mapped_model(model, cpu, tier)) as board:
        yield board, model


def validated(board: Board, name: str, samples: int = SAMPLES) -> list[Validation]:
    """By plain runs, and op by op with other inputs."""
    data = content(name)
    plain = board.validate(data, samples=samples, name=name)
    return [plain, board.validate(data, samples=samples, per_op=True, seed=1, name=name)]


def assert_equal(done: list[Validation], mpy_set: str, samples: int = SAMPLES) -> None:
    for each in done:
        assert (each.kernels, each.mpy_set) == (kernels_of(mpy_set), mpy_set)
        assert (each.samples, each.differing_bytes, each.first_difference) == (samples, 0, None)
        assert each.model_intact
        assert each.compared_bytes > 0
    assert done[1].compared_crcs >= samples


@pytest.mark.parametrize(
    ("name", "heap", "cpu", "tier"),
    [slow(*case) if case[0] in LARGE else case for case in CASES],
)
def test_no_byte_differs(name: str, heap: int, cpu: str, tier: str) -> None:
    mpy_set = set_of(cpu, tier)
    with mapped(name, cpu, heap, tier) as (board, _):
        done = validated(board, name)
        kept = board.deploy(content(name), name, mpy_set=mpy_set)  # it finds everything there
    assert_equal(done, mpy_set)
    assert (kept.files_sent, kept.sent_bytes) == ((), 0)
    taken = kept.heap_imported - kept.heap_loaded
    sizes = f"file {kept.model_bytes}, arena {kept.arena_bytes}"
    print(f"\n{name} {cpu} {mpy_set}: {sizes}, heap taken {taken}")
    # The arena and the kernels lie in the heap, and the file does not.
    assert kept.arena_bytes < taken < kept.arena_bytes + 14000
    if name in ("kws", "ad01"):
        assert taken < kept.model_bytes


SLOW_IN_BYTECODE = [
    (slow if name in ("digits", "hello_world") else thorough)(name, cpu)
    for name in NAMES
    for cpu in CPUS
]


@pytest.mark.parametrize(("name", "cpu"), SLOW_IN_BYTECODE)
def test_bytecode_tier(name: str, cpu: str) -> None:
    samples = 1 if name == "micro_speech" else SAMPLES
    with mapped(name, cpu, tier="bytecode") as (board, _):
        done = validated(board, name, samples)
    assert_equal(done, "bytecode", samples)


SENT = ["hello_world", *(pytest.param(n, marks=pytest.mark.slow) for n in ("digits", "kws"))]


@pytest.mark.parametrize("cpu", ["m4", slow("m3")])
@pytest.mark.parametrize("name", SENT)
@pytest.mark.slow
def test_sent_by_the_link(name: str, cpu: str) -> None:
    data = content(name)
    with qemu_board(cpu) as board:
        sent = board.deploy(data, name)
        assert sent.mpy_set == set_of(cpu, "thumb")
        assert sent.sent_bytes > sent.model_bytes
        assert_equal(validated(board, name), sent.mpy_set)
        again = board.deploy(data, name)
    assert again.files_sent == ()


def test_a_mapped_model_takes_its_size_less_heap_than_one_that_is_sent() -> None:
    data = content("digits")
    model = pack_for_board(data, "digits").for_tier(runtime.tier_of("armv7em"))
    with qemu_board("m4", preload=mapped_runtime("m4", "thumb")) as board:
        sent = board.deploy(data, "digits")
        (name,) = sent.files_sent
    with mapped("digits", "m4") as (board, _):
        kept = board.deploy(data, "digits")
    assert name == f"models/{model.name}.a"
    assert sent.arena_bytes == kept.arena_bytes
    saved = (sent.heap_imported - sent.heap_loaded) - (kept.heap_imported - kept.heap_loaded)
    assert saved == pytest.approx(len(model.packed), abs=64)


def counted(board: Board, name: str) -> dict[str, Any]:
    result = board.bench(content(name), runs=3, name=name)
    follows_schema(result)
    assert result["clock_unit"] == "instructions"
    return result


LOOP = 4100
"""Instructions of an invoke that are no op's: those between its steps, and before the first."""


@pytest.mark.parametrize("cpu", ["m4", slow("m3")])
@pytest.mark.parametrize("name", ["digits", slow("kws")])
@pytest.mark.slow
def test_instruction_counts_are_the_same_in_three_runs(name: str, cpu: str) -> None:
    with mapped(name, cpu) as (board, _):
        runs = [counted(board, name) for _ in range(2)]
    with mapped(name, cpu) as (board, _):  # and on another board, which starts at another time
        runs.append(counted(board, name))
    first = runs[0]
    for run in runs[1:]:
        assert run["ops"] == first["ops"]
        assert [run[key] for key in ("median", "p10", "p90")] == [
            first[key] for key in ("median", "p10", "p90")
        ]
        assert run["heap_free"] == first["heap_free"]
    total = sum(op["time"] for op in first["ops"])
    outside = first["median"] - total
    assert 0 <= outside <= LOOP
    print(f"\n{name} {cpu}: {first['median']} instructions, {outside} of them outside of ops")


def test_the_clock_of_another_firmware_is_microseconds() -> None:
    """What the clock counts is for the board to tell: here it is one that cannot count."""
    code = (ROOT / "host_tools" / "microinterp_boards" / "device" / "clock.py").read_text()
    with qemu_board("m4") as board:
        told = board.exec(
            f"{code}\n"
            "import sys\n"
            "print(_clock()[0])\n"
            "class Without: pass\n"
            "sys.modules['board'] = Without()\n"
            "print(_clock()[0])\n"
        )
    assert told == "instructions\nus\n"
