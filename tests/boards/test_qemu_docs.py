"""What pages say of heap and instructions on a Cortex-M4 is what is measured now.

With -s each test prints its figures: docs/board_kernels.md and board_memory.md have them as tables,
boards.md and mlperf.md in their text.
"""

from __future__ import annotations

import json
import re

import pytest

from microinterp_boards.packing import MemoryPasses, pack_for_board
from tests.boards.model_boards import GOLDEN
from tests.boards.qemu_port import mapped_model, mapped_runtime, qemu_board
from tests.boards.test_qemu_models import HEAP, NAMES, content, mapped
from tests.boards.unix_port import ROOT
from tests.conftest import shared_model
from tests.marks import slow, thorough

pytestmark = pytest.mark.usefixtures("qemu")

TEXT = (ROOT / "docs" / "board_kernels.md").read_text()
MEMORY = (ROOT / "docs" / "board_memory.md").read_text()
SLACK = 0.01
PASSED = re.findall(r"^\| (\w+) \| (\w+) \| (?:[\d,]+ \| ){2}[\d,]+ \|$", MEMORY, re.MULTILINE)
GOLDEN_FIGURES = """
import gc
from board import instructions
from microinterp import Interpreter

it = Interpreter.from_file("digits.mipk")
gc.collect()
free = gc.mem_free()
from microinterp import golden
gc.collect()
taken = free - gc.mem_free()

def counted(samples, per_op):
    marks = bytearray(8), bytearray(8)
    instructions(marks[0])
    told = golden.check(it, "tflm.golden", samples=samples, per_op=per_op)
    instructions(marks[1])
    assert told["equal"] and told["samples"] == samples
    before, after = (int.from_bytes(mark, "little") for mark in marks)
    return after - before

print([taken] + [(counted(40, each) - counted(20, each)) // 20 for each in (True, False)])
"""
"""Bytes of the module, instructions of a sample with and without its ops."""
MLPERF_FIGURES = """
import gc
from microinterp import Interpreter
gc.collect()
free = gc.mem_free()
from microinterp import mlperf
gc.collect()
print(free - gc.mem_free())
"""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_heap_and_instructions(name: str) -> None:
    with mapped(name, "m4") as (board, model):
        result = board.bench(content(name), runs=5, name=name)
    free = result["heap_free"]
    now = [
        len(model.packed),
        model.report.arena_bytes,
        free["start"] - free["runtime_imported"],
        free["runtime_imported"] - free["model_loaded"],
        result["median"],
    ]
    print(f"\n| {name} | " + " | ".join(f"{value:,}" for value in now) + " |")
    row = re.search(rf"^\| {name} \| ((?:[\d,]+ \| ){{4}}[\d,]+) \|$", TEXT, re.MULTILINE)
    assert row is not None
    told = [int(cell.replace(",", "")) for cell in row[1].split(" | ")]
    assert told == [pytest.approx(value, rel=SLACK) for value in now]


@pytest.mark.parametrize(("name", "kind"), [each for each in PASSED if each[0] != "vww_96"])
@pytest.mark.slow
def test_memory_passes(name: str, kind: str) -> None:
    assert_passed_as_told(name, kind)


@pytest.mark.parametrize("kind", [thorough("none"), thorough("overlap"), slow("auto")])
def test_memory_passes_of_a_large_model(kind: str) -> None:
    assert_passed_as_told("vww_96", kind)


def assert_passed_as_told(name: str, kind: str) -> None:
    """The row of docs/board_memory.md for the Cortex-M4: arena, heap of the model, instructions."""
    data = shared_model("vww_96_int8.tflite") if name == "vww_96" else content(name)
    model = pack_for_board(data, name, passes=MemoryPasses(kind)).for_tier("armv7em")
    with qemu_board("m4", heap=HEAP, preload=mapped_model(model, "m4")) as board:
        result = board.bench(data, runs=5, name=name, passes=kind)
    free = result["heap_free"]
    taken = free["runtime_imported"] - free["model_loaded"]
    now = [model.report.arena_bytes, taken, result["median"]]
    print(f"\n| {name} | {kind} | " + " | ".join(f"{value:,}" for value in now) + " |")
    table = MEMORY[MEMORY.index("| model | passes | arena |") :]
    row = re.search(
        rf"^\| {name} \| {kind} \| ((?:[\d,]+ \| ){{2}}[\d,]+) \|$", table, re.MULTILINE
    )
    assert row is not None
    assert figures(row[1], " | ") == [pytest.approx(value, rel=SLACK) for value in now]


def test_golden_module() -> None:
    model = pack_for_board(content("digits"), "digits")
    files = [*mapped_model(model, "m4"), ("tflm.golden", GOLDEN.read_bytes())]
    with qemu_board("m4", heap=HEAP, preload=files) as board:
        heap, by_op, plain = json.loads(board.exec(GOLDEN_FIGURES, 120.0))
    print(f"\ngolden: {heap:,} bytes; by op {by_op:,}, outputs {plain:,} instructions")
    text = " ".join((ROOT / "docs" / "boards.md").read_text().split())
    told = re.search(r"takes ([\d.]+) million instructions .*? in place of ([\d.]+)", text)
    taken = re.search(r"the module takes ([\d,]+) bytes of heap on a Cortex-M4", text)
    assert told is not None
    assert taken is not None
    assert [float(each) * 1e6 for each in told.groups()] == [
        pytest.approx(value, rel=0.02) for value in (plain, by_op)
    ]
    assert figures(taken[1]) == [pytest.approx(heap, abs=160)]


@pytest.mark.parametrize("is_mapped", [slow(True), False])
def test_mlperf_module(is_mapped: bool) -> None:
    data = content("digits")
    files = mapped_runtime("m4", "thumb") if is_mapped else []
    with qemu_board("m4", heap=HEAP, preload=files) as board:
        board.deploy(data, "digits")
        heap = json.loads(board.exec(MLPERF_FIGURES, 30.0))
    print(f"\nmlperf, {'mapped' if is_mapped else 'in the heap'}: {heap:,} bytes")
    text = " ".join((ROOT / "docs" / "mlperf.md").read_text().split())
    told = re.search(r"modules take up to ([\d,]+) bytes .*? Cortex-M4, ([\d,]+) where they", text)
    assert told is not None
    most = figures(told[1 + is_mapped])[0]
    assert most / 2 < heap <= most  # where the pool of names grows is by chance: 1,200 bytes


def figures(text: str, separator: str = "; ") -> list[int]:
    return [int(cell.replace(",", "")) for cell in text.split(separator)]
