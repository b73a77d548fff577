"""Calls of one Thumb kernel on an emulated CPU, without the runtime: arguments as the loader gives.

Each call is made twice with the heap locked; weights, arguments and canaries around the arena have
to stay as they were. Instructions are those of the second call, the call itself left out.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.boards.qemu_port import qemu_board
from tests.boards.test_qemu_port_code import compiled

_LIMIT = 120.0  # seconds for the next answer
_HEAP = 1 << 20
_SCRIPT = """
import array, board, gc, micropython, struct, sys
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

def call(arena, weights, p, memory, content):
    for _ in range(2):
        arena[:] = content
        micropython.heap_lock()
        try:
            result = kernel(arena, weights, p)
        finally:
            micropython.heap_unlock()
    answer = bytes(arena)
    arena[:] = content
    total = count(kernel, arena, weights, p) - count(empty, arena, weights, p)
    assert result == 0
    return answer, total

def run(calls):
    while True:
        header = calls.read(12)
        if not header:
            break
        words, size, room = struct.unpack("<3I", header)
        values = calls.read(4 * words)
        constants = calls.read(size)
        content = calls.read(room)
        p, weights = array.array("i", values), bytearray(constants)
        memory = bytearray(b"\\xa5" * (room + 128))
        arena = memoryview(memory)[64 : 64 + room]
        answer, total = call(arena, weights, p, memory, content)
        if memory[:64] + memory[-64:] != b"\\xa5" * 128 or bytes(p) != values:
            raise SystemExit("canary or arguments touched")
        if weights != constants:
            raise SystemExit("weights touched")
        sys.stdout.buffer.write(struct.pack("<2I", room, total))
        sys.stdout.buffer.write(answer)
        del p, weights, memory, arena, values, constants, content, answer
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
    """Make all calls on one board. module: text that defines the kernel `name`."""
    content = b""
    for call in calls:
        words = struct.pack(f"<{len(call.arguments)}i", *call.arguments)
        sizes = (len(call.arguments), len(call.weights), len(call.arena))
        content += struct.pack("<3I", *sizes) + words + call.weights + call.arena
    kernel = compiled(folder, "kernel_under_test", module, arch)
    preload = [("calls.bin", content), ("lib/kernel_under_test.mpy", kernel)]
    answers = []
    with qemu_board(cpu, heap=_HEAP, preload=preload) as board:
        board.link.start(_SCRIPT.format(name=name).encode())
        for _ in calls:
            size, total = struct.unpack("<2I", board.link.read(8, _LIMIT, "the next answer"))
            answers.append(Answer(board.link.read(size, _LIMIT, "an answer"), total))
        assert board.link.finish() == b""
    return answers
