"""Runs on the board (tests/boards/unix_port.py starts it): samples through packed models.

usage: board_samples.py jobs.bin answers.bin. Sent over a serial line, it reads the file jobs.bin
and writes the answers to the line.

A job is a model and samples; a sample is a mode and its inputs' bytes. Answered are the outputs'
bytes and the CRC32 of each tensor that an op has written, op after op; a job that raises is
answered with the error. A plain invoke tells no CRCs, but must not allocate.
"""

import gc
import struct
import sys

import micropython

from microinterp import Interpreter

RESET, PLAIN = 1, 2


def run(it, mode, data):
    if mode == RESET:
        it.reset()
    at = 0
    for i in range(len(it._inputs)):
        view = it.input_view(i)
        view[:] = data[at : at + len(view)]
        at += len(view)
    crcs = []
    if mode == PLAIN:
        micropython.heap_lock()
        try:
            it.invoke()
        finally:
            micropython.heap_unlock()
    else:
        it.invoke_ops(lambda s, i, name, us, written: crcs.append((s, i, written)))
    answer = bytearray()
    for i in range(len(it._outputs)):
        answer.extend(it.output_view(i))
    for subgraph, op, written in crcs:
        for _, crc in written:
            answer.extend(struct.pack("<HHI", subgraph, op, crc))
    return answer


def job(jobs):
    model_size, samples, sample_size = struct.unpack("<3I", jobs.read(12))
    model = bytearray(jobs.read(model_size))
    given = [(jobs.read(1)[0], jobs.read(sample_size)) for _ in range(samples)]
    try:
        it = Interpreter(model)
        return 1, [run(it, mode, data) for mode, data in given]
    except (ValueError, MemoryError) as error:
        return 0, [f"{type(error).__name__}: {error}".encode()]


def main(jobs, answer):
    (count,) = struct.unpack("<I", jobs.read(4))
    for _ in range(count):
        good, texts = job(jobs)
        answer(struct.pack("<2I", good, len(texts)))
        for text in texts:
            answer(struct.pack("<I", len(text)))
            answer(text)
        del texts
        gc.collect()


if len(sys.argv) == 3:
    with open(sys.argv[1], "rb") as jobs, open(sys.argv[2], "wb") as answers:
        main(jobs, answers.write)
else:
    with open("jobs.bin", "rb") as jobs:
        main(jobs, sys.stdout.buffer.write)
