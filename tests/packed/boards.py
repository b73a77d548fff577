"""Packed models on MicroPython's unix port, compared with the host's packed interpreter."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

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


def run_on_board(
    jobs: Iterable[tuple[bytes, Sequence[BoardSample], int]], tier: str, folder: Path
) -> list[BoardRun]:
    """Run each (packed model, samples, bytes of all outputs) in one process of the unix port."""
    wanted, answered = folder / f"jobs_{tier}.bin", folder / f"answers_{tier}.bin"
    listed = list(jobs)
    with wanted.open("wb") as file:
        file.write(struct.pack("<I", len(listed)))
        for model, samples, _ in listed:
            datas = [sample.data() for sample in samples]
            file.write(struct.pack("<3I", len(model), len(samples), len(datas[0])) + model)
            for sample, data in zip(samples, datas, strict=True):
                file.write(bytes([sample.mode]) + data)
    script = Path(__file__).with_name("board_samples.py")
    run_script(script, [str(wanted), str(answered)], tier, folder)
    data, at, runs = answered.read_bytes(), 0, []
    for _, _, output_bytes in listed:
        good, count = struct.unpack_from("<2I", data, at)
        at += 8
        texts = []
        for _ in range(count):
            (size,) = struct.unpack_from("<I", data, at)
            texts.append(data[at + 4 : at + 4 + size])
            at += 4 + size
        if good:
            runs.append(BoardRun(tuple(_split(text, output_bytes) for text in texts)))
        else:
            runs.append(BoardRun(error=texts[0].decode()))
    return runs


def _split(text: bytes, output_bytes: int) -> tuple[bytes, Crcs]:
    return text[:output_bytes], tuple(struct.iter_unpack("<HHI", text[output_bytes:]))
