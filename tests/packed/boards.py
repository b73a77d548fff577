"""Packed models on boards: MicroPython's unix port, and Cortex-M under QEMU."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from tests.boards.qemu_port import mapped_runtime, qemu_board
from tests.boards.unix_port import run_script

Crcs = tuple[tuple[int, int, int], ...]
KEEP, RESET, PLAIN = 0, 1, 2


@dataclass(frozen=True)
class BoardSample:
    """Inputs, and what comes before: nothing, a reset; PLAIN is a plain invoke, without CRCs."""

    inputs: Sequence[npt.NDArray[Any]]
    mode: int = KEEP

    def data(self) -> bytes:
        """All inputs' bytes."""
        return b"".join(array.tobytes() for array in self.inputs)


@dataclass(frozen=True)
class BoardRun:
    """Per sample the outputs' bytes and (subgraph, op, CRC32) triples; or the error."""

    answers: tuple[tuple[bytes, Crcs], ...] = ()
    error: str = ""


BoardJob = tuple[bytes, Sequence[BoardSample], int]
"""A packed model, samples, and the bytes of all outputs."""
_SCRIPT = Path(__file__).with_name("board_samples.py")
_LIMIT = 120.0  # seconds for the next answer


def run_on_board(jobs: Sequence[BoardJob], tier: str, folder: Path) -> list[BoardRun]:
    """Run each job in one process of the unix port."""
    wanted, answered = folder / f"jobs_{tier}.bin", folder / f"answers_{tier}.bin"
    wanted.write_bytes(_written(jobs))
    run_script(_SCRIPT, [str(wanted), str(answered)], tier, folder)
    with answered.open("rb") as answers:
        return _runs(jobs, answers.read)


def run_on_cortex_m(jobs: Sequence[BoardJob], mpy_set: str, cpu: str, heap: int) -> list[BoardRun]:
    """Run each job on one board under QEMU."""
    preload = [("jobs.bin", _written(jobs)), *mapped_runtime(cpu, mpy_set)]
    with qemu_board(cpu, heap=heap, preload=preload) as board:
        board.link.start(_SCRIPT.read_bytes())
        runs = _runs(jobs, lambda count: board.link.read(count, _LIMIT, "an answer"))
        assert board.link.finish() == b""
    return runs


def _written(jobs: Sequence[BoardJob]) -> bytes:
    parts = [struct.pack("<I", len(jobs))]
    for model, samples, _ in jobs:
        datas = [sample.data() for sample in samples]
        parts += [struct.pack("<3I", len(model), len(samples), len(datas[0])), model]
        parts += [bytes([sample.mode]) + data for sample, data in zip(samples, datas, strict=True)]
    return b"".join(parts)


def _runs(jobs: Sequence[BoardJob], read: Callable[[int], bytes]) -> list[BoardRun]:
    """The answers to jobs; read: the next so many bytes of them."""
    runs = []
    for _, _, output_bytes in jobs:
        good, count = struct.unpack("<2I", read(8))
        texts = [read(*struct.unpack("<I", read(4))) for _ in range(count)]
        if good:
            runs.append(BoardRun(tuple(_split(text, output_bytes) for text in texts)))
        else:
            runs.append(BoardRun(error=texts[0].decode()))
    return runs


def _split(text: bytes, output_bytes: int) -> tuple[bytes, Crcs]:
    return text[:output_bytes], tuple(struct.iter_unpack("<HHI", text[output_bytes:]))
