"""Runs on the board: loads and invokes models, and checks canaries.

usage: board_jobs.py jobs.bin answers.bin (unix_port.py calls it). Sent over a serial line
(qemu_port.py), it reads the file jobs.bin and writes the answers to the line.
"""

import gc
import struct
import sys
from binascii import crc32

import micropython

from microinterp import Interpreter

CANARY = 64


def invoke(it, per_op):
    if per_op:
        it.invoke_ops(lambda *told: None)
        return
    micropython.heap_lock()
    try:
        it.invoke()
    finally:
        micropython.heap_unlock()


def job(model, content, invokes, flags, ignored):
    memory = bytearray(b"\xa5" * (len(content) + 2 * CANARY))
    arena = memoryview(memory)[CANARY : CANARY + len(content)]
    untouched = bytes(model)
    try:
        it = Interpreter(model, arena)
        arena[:] = content
        it._set_state(True)
        for _ in range(invokes):
            invoke(it, flags & 1)
        for at in range(0, len(ignored), 8):
            offset, size = struct.unpack_from("<2I", ignored, at)
            arena[offset : offset + size] = bytes(size)
        answer = 1, struct.pack("<I", crc32(arena)) if flags & 2 else bytes(arena)
    except (ValueError, MemoryError) as error:
        answer = 0, f"{type(error).__name__}: {error}".encode()
    if memory[:CANARY] + memory[-CANARY:] != b"\xa5" * 2 * CANARY or model != untouched:
        raise SystemExit("canary touched")
    return answer


def run(jobs, answer):
    while True:
        header = jobs.read(20)
        if not header:
            break
        model_size, arena_size, invokes, flags, places = struct.unpack("<5I", header)
        model = bytearray(jobs.read(model_size))
        content = jobs.read(arena_size)
        good, text = job(model, content, invokes, flags, jobs.read(8 * places))
        answer(struct.pack("<2I", good, len(text)))
        answer(text)
        del model, content, text
        gc.collect()


if len(sys.argv) == 3:
    with open(sys.argv[1], "rb") as jobs, open(sys.argv[2], "wb") as answers:
        run(jobs, answers.write)
else:  # sent over a serial line
    with open("jobs.bin", "rb") as jobs:
        run(jobs, sys.stdout.buffer.write)
    sys.stdout.buffer.write(struct.pack("<2I", 2, 0))
