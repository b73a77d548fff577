"""Calls of one Thumb kernel on an emulated CPU, without the runtime: arguments as the loader gives.

Arena and weights lie between guards, which the CPU's memory protection lets nobody read or write;
the guard behind is where they end, rounded up to 4 bytes. Each call is made twice, with the heap
locked; weights, arguments and what lies around the blocks have to stay as they were. The
instructions counted are those of a third call, without those of calling.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from microinterp_boards import Board
from tests.boards.qemu_port import qemu_board
from tests.boards.test_qemu_port_code import compiled

_LIMIT = 30.0  # seconds for the next answer
_HEAP = 1 << 20
_SCRIPT = """
import array, board, gc, machine, micropython, struct, sys, uctypes
from kernel_under_test import {name} as kernel

@micropython.asm_thumb
def empty(r0, r1, r2):
    mov(r0, 0)

first, second = bytearray(8), bytearray(8)

def count(f, arena, weights, p):
    board.instructions(first)
    f(arena, weights, p)
    board.instructions(second)
    return struct.unpack("<Q", second)[0] - struct.unpack("<Q", first)[0]

class Block:
    def __init__(self, content, regions):
        self.content, self.regions = content, regions
        self.room = len(content) + 3 & -4
        self.memory = bytearray(b"\\xa5" * (self.room + 128))
        base = uctypes.addressof(self.memory)
        self.end = base + 64 + self.room + 31 & -32
        self.at = self.end - self.room - base
        self.data = memoryview(self.memory)[self.at : self.at + len(content)]
        self.data[:] = content

    def guard(self, on):
        places = (self.end - self.room - 32 & -32, self.end)
        for region, place in zip(self.regions, places):
            machine.mem32[0xE000ED9C] = place | 16 | region  # RBAR
            machine.mem32[0xE000EDA0] = 9 if on else 0  # RASR: 32 bytes, no access

    def is_kept(self, content):
        outside = self.memory[: self.at] + self.memory[self.at + len(content) :]
        return outside == b"\\xa5" * len(outside) and self.data == content

def call(arena, weights, p):
    a, w = arena.data, weights.data
    for block in (arena, weights):
        block.guard(True)
    for _ in range(2):
        a[:] = arena.content
        micropython.heap_lock()
        try:
            result = kernel(a, w, p)
        finally:
            micropython.heap_unlock()
        assert result == 0
    for block in (arena, weights):
        block.guard(False)
    answer = bytes(a)
    a[:] = arena.content
    count(empty, a, w, p)  # names are found faster afterwards
    total = count(kernel, a, w, p) - count(empty, a, w, p)
    if not arena.is_kept(answer) or not weights.is_kept(weights.content):
        raise ValueError("something else was written")
    return answer, total

def run(calls):
    while True:
        header = calls.read(12)
        if not header:
            break
        words, size, room = struct.unpack("<3I", header)
        values = calls.read(4 * words)
        p = array.array("i", values)
        weights = Block(calls.read(size), (4, 5))
        arena = Block(calls.read(room), (2, 3))
        answer, total = call(arena, weights, p)
        if bytes(p) != values:
            raise ValueError("arguments were written")
        sys.stdout.buffer.write(struct.pack("<2I", room, total))
        sys.stdout.buffer.write(answer)
        del p, weights, arena, values, answer
        gc.collect()

with open("calls.bin", "rb") as calls:
    run(calls)
"""


@dataclass(frozen=True)
class Call:
    """A call: words of the argument block from the first, weights, and what the arena holds."""

    arguments: Sequence[int]
    weights: bytes
    arena: bytes


@dataclass(frozen=True)
class Answer:
    """The arena after a call, and the instructions that the call took."""

    arena: bytes
    instructions: int


def run_calls(
    calls: Sequence[Call], module: str, name: str, arch: str, cpu: str, folder: Path
) -> list[Answer]:
    """Make all calls on one board. module: text that defines the kernel `name`.

    Raises AssertionError with the number of the first call that goes wrong, counted from 0.
    """
    content = b""
    for call in calls:
        words = struct.pack(f"<{len(call.arguments)}i", *call.arguments)
        sizes = (len(call.arguments), len(call.weights), len(call.arena))
        content += struct.pack("<3I", *sizes) + words + call.weights + call.arena
    kernel = compiled(folder, "kernel_under_test", module, arch)
    preload = [("calls.bin", content), ("lib/kernel_under_test.mpy", kernel)]
    answers: list[Answer] = []
    with qemu_board(cpu, heap=_HEAP, preload=preload) as board:
        board.link.start(_SCRIPT.format(name=name).encode())
        for number, call in enumerate(calls):
            answers.append(_answer(board, number, len(call.arena)))
        assert board.link.finish() == b""
    return answers


def _answer(board: Board, number: int, size: int) -> Answer:
    header = board.link.read(8, _LIMIT, f"answer {number}")
    room, total = struct.unpack("<2I", header)
    if room != size:  # a report of a fault, or a traceback
        end = b"\n" if b"FAULT" in header else b"\x04>"
        told = header + board.link.transport.read_until(end, _LIMIT, "what went wrong")
        raise AssertionError(f"call {number}: {told!r}")
    return Answer(board.link.read(size, _LIMIT, f"answer {number}"), total)
