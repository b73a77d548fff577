"""Benchmarks on boards that count instructions: per op, per MAC, inside of kernels and outside."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from microinterp.errors import DeviceError
from microinterp.inspect_model import inspect_model
from microinterp_boards import Board, device, virtual_board
from microinterp_boards.bench import bench
from microinterp_boards.counting import count
from microinterp_boards.packing import pack_for_board
from microinterp_boards.session import Session
from microinterp_boards.session_facts import OpCount
from tests.boards.model_boards import MODEL, NAME, board_with, needs_viper
from tests.boards.qemu_port import mapped_model, mapped_runtime, qemu_board
from tests.boards.test_bench import follows_schema
from tests.boards.test_qemu_models import content, mapped
from tests.cli import good
from tests.test_wakewords import wakeword

KERNELS = """
import micropython
from array import array

@micropython.asm_thumb
def nothing(r0, r1, r2):
    mov(r0, 0)

@micropython.asm_thumb
def five_more(r0, r1, r2):
    nop()
    nop()
    nop()
    nop()
    nop()
    mov(r0, 0)

@micropython.asm_thumb
def loop(r0, r1, r2):
    ldr(r3, [r2, 4])
    label(again)
    sub(r3, 1)
    bne(again)
    mov(r0, 0)
"""

USE = """
class Reader:
    def tables(self, table, field):
        return iter(OPS if table == "main" else ("main", "other"))
    def number(self, op, field):
        return op[field]

class Model:
    def _call_once(self, arena, weights, arguments):
        return arguments[1]

it = Model()
it._reader, it._root = Reader(), None
it._arena, it._weights = memoryview(bytearray(8)), memoryview(bytes(8))
p = array("i", (0, 100))
steps = [(nothing, p), (five_more, p), (loop, p), (five_more, p), (it._call_once, p)]
it._programs = [steps, None]
OPS = (3, None, 0, 1), (4, None, 1, 0), (5, None, 1, 3), (9, None, 4, 1)  # op, -, first, steps
unit, *clock = _clock()
told = _count_ops(it, clock)
print(unit, told.hex())
"""


@pytest.mark.usefixtures("qemu")
def test_what_is_inside_is_counted_to_the_instruction() -> None:
    """Kernels whose instructions one can count by hand."""
    code = device.define("clock", "count_ops").decode() + KERNELS + USE
    with qemu_board("m3") as board:
        unit, told = board.exec(code).split()
    assert unit == "instructions"
    rows = list(struct.iter_unpack("<HHQQ", bytes.fromhex(told)))
    assert [row[:2] for row in rows] == [(0, 3), (0, 4), (0, 5), (0, 9)]
    calls, inside = zip(*(row[2:] for row in rows), strict=True)
    # ldr, 100 times sub and branch; what CALL_ONCE does is no kernel's
    assert inside == (0, 0, 5 + (1 + 2 * 100) + 5, 0)
    empty = calls[0]
    assert 100 < empty < 1000
    assert calls[1] == 0
    assert calls[2] == 3 * empty + inside[2]
    assert calls[3] > empty


@pytest.mark.usefixtures("qemu")
def test_digits_on_a_board_that_counts() -> None:
    facts = inspect_model(MODEL.read_bytes())
    with mapped("digits", "m4") as (board, model):
        result = board.bench(MODEL, runs=4, name=model.name)
        counts = list(count(board.link, model.file_name, [(bytes(64),), (b"\x7f" * 64,)]))
    follows_schema(result)
    told = result["instructions"]
    ops = result["ops"]
    assert [op["macs"] for op in ops] == [op.macs for op in facts.subgraphs[0].ops]
    assert result["model"]["macs"] == facts.macs == sum(op["macs"] for op in ops)
    assert told["per_mac"] == told["whole"] / facts.macs
    for op in ops:
        assert 0 < op["in_kernels"] < op["time"]
        assert op["per_mac"] == (op["time"] / op["macs"] if op["macs"] else None)
    # Python does the same whatever the numbers are: to the instruction
    assert counts[0].in_kernels != counts[1].in_kernels
    assert counts[0].outside == counts[1].outside == told["outside"]
    # each call takes something, and so does the loop around them
    calls = sum(op.time for op in counts[0].ops)
    assert counts[0].in_kernels + 100 * len(ops) < calls < counts[0].whole
    assert told["outside"] < 1000 * len(ops)
    assert told["outside_share"] == pytest.approx(told["outside"] / told["whole"], rel=1e-3)
    assert told["whole"] == pytest.approx(result["median"], rel=1e-3)


@pytest.mark.usefixtures("qemu")
def test_counts_are_the_same_again_and_on_another_board() -> None:
    def counted() -> Any:
        result = board.bench(MODEL, runs=2, name=model.name)
        return result["instructions"], result["ops"]

    with mapped("digits", "m3") as (board, model):
        first = counted()
        assert counted() == first
    with mapped("digits", "m3") as (board, model):
        assert counted() == first


@pytest.mark.slow
@pytest.mark.usefixtures("qemu")
def test_what_runs_once_is_no_part_of_it() -> None:
    data = wakeword("okay_nabu")
    with qemu_board("m4", heap=1 << 20, preload=mapped_runtime("m4", "thumb")) as board:
        board.deploy(data, "nabu")
        result = board.bench(data, runs=2, name="nabu")
    follows_schema(result)
    (once,) = (op for op in result["ops"] if op["name"] == "CALL_ONCE")
    assert once["time"] > once["in_kernels"] == 0
    assert 100 < result["instructions"]["outside"] / len(result["ops"]) < 2000


@pytest.mark.slow
@pytest.mark.usefixtures("qemu")
def test_multiplications_of_an_op_in_strips_count_once() -> None:
    data = content("digits")
    with qemu_board("m4", heap=1 << 20, preload=mapped_runtime("m4", "thumb")) as board:
        board.deploy(data, "digits", passes="auto")
        result = board.bench(data, runs=1, name="digits", passes="auto")
    assert "patches" in result["model"]["passes"]
    assert result["model"]["macs"] == inspect_model(data).macs
    assert len(result["ops"]) == len(inspect_model(data).subgraphs[0].ops)
    total = sum(op["in_kernels"] for op in result["ops"])
    assert total == result["instructions"]["in_kernels"]


@needs_viper
@pytest.mark.usefixtures("interpreter")
def test_a_clock_of_microseconds_tells_no_instructions() -> None:
    with board_with() as board:
        board.deploy(MODEL)
        seen: list[tuple[int, int]] = []
        result = bench(board.link, MODEL, 2, progress=lambda *done: seen.append(done))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (result["clock_unit"], result["instructions"]) == ("us", None)
    assert result["model"]["macs"] == inspect_model(MODEL.read_bytes()).macs > 0
    assert {(op["in_kernels"], op["per_mac"]) for op in result["ops"]} == {(None, None)}
    assert result["model"]["name"] == NAME


@pytest.mark.usefixtures("qemu")
@pytest.mark.parametrize(("whole", "inside"), [(0, 0), (99, 100)])
def test_counts_that_contradict_each_other(
    monkeypatch: pytest.MonkeyPatch, whole: int, inside: int
) -> None:
    monkeypatch.setattr(Session, "invoke", lambda self: whole)
    monkeypatch.setattr(Session, "count_ops", lambda self: [OpCount(0, 0, inside, inside)])
    with mapped("digits", "m4") as (board, model):
        text = f"an invoke takes {whole} instructions, and its kernels {inside}"
        with pytest.raises(DeviceError, match=text):
            list(count(board.link, model.file_name, [(bytes(64),)]))


@pytest.mark.usefixtures("qemu")
def test_the_command_shows_them() -> None:
    model = pack_for_board(MODEL).for_tier("armv7em")
    with virtual_board("qemu", preload=mapped_model(model, "m4")) as port:
        lines = good("board", "bench", MODEL, "--port", port, "--runs", 1).splitlines()
        with Board(port) as board:
            result = board.bench(MODEL, runs=1)
    told, (conv, *_) = result["instructions"], result["ops"]
    (line,) = (line for line in lines if line.startswith("of these"))
    assert line.split(maxsplit=2)[2] == (
        f"{told['per_mac']:.3f} per MAC, {told['in_kernels']:,} inside of kernels,"
        f" {told['outside']:,} ({told['outside_share']:.2%}) outside"
    )
    table = lines[lines.index("") + 1 :]
    head, first = table[:2]
    assert head.split() == [
        "op",
        "name",
        "instructions",
        "share",
        "MACs",
        "per",
        "MAC",
        "in",
        "kernels",
    ]
    share = f"{conv['time'] / told['whole']:.1%}"
    per_mac = f"{conv['time'] / conv['macs']:.3f}"
    assert first.split() == [
        *("0", "CONV_2D", f"{conv['time']:,}", share),
        *(f"{conv['macs']:,}", per_mac, f"{conv['in_kernels']:,}"),
    ]
    assert max(map(len, table)) <= 80
