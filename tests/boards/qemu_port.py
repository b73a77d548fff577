"""Runs board code on our own Cortex-M board under QEMU: ints have 32 bits, the CPU is an Arm.

The runtime and what is to run lie in the board's mapped memory, so that no time goes into sending.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from microinterp_boards import Board, runtime, virtual_board
from microinterp_boards.packing import BoardModel
from tests.boards.unix_port import Job, Outcome, outcome, written

CPUS = ("m4", "m3")
"""The CPUs that kernels and models are tested on: an M7 gets the same files as an M4."""
ALL_CPUS = (*CPUS, "m7")
"""Those that the board itself is tested on."""
THUMB = {"m4": "armv7em", "m3": "armv7m", "m7": "armv7em"}
"""The set of .mpy files that each CPU gets."""
_JOBS = Path(__file__).with_name("board_jobs.py")
_HEAP = 1 << 20
_LIMIT = 120.0  # seconds for the next answer


def set_of(cpu: str, tier: str) -> str:
    """The set of .mpy files with "thumb" or "viper" kernels for a CPU, or the one of that name."""
    return {"thumb": THUMB[cpu], "viper": "viper-armv7m"}.get(tier, tier)


def mapped_runtime(cpu: str, tier: str) -> list[tuple[str, bytes]]:
    """The files of a set to be preloaded."""
    files = runtime.shipped(set_of(cpu, tier))
    return [(f"lib/microinterp/{name}", data) for name, data in files.items()]


def mapped_model(model: BoardModel, cpu: str, tier: str = "thumb") -> list[tuple[str, bytes]]:
    """A model, in the layout that a set reads, and the files of that set to be preloaded."""
    packed = model.for_tier(runtime.tier_of(set_of(cpu, tier))).packed
    return [(model.file_name, packed), *mapped_runtime(cpu, tier)]


@contextmanager
def qemu_board(cpu: str, **options: Any) -> Iterator[Board]:
    """A board on that CPU."""
    with virtual_board("qemu", cpu=cpu, **options) as port, Board(port, patience=5) as board:
        yield board


def run_jobs(
    jobs: Iterable[Job], tier: str, cpu: str, files: Sequence[tuple[str, bytes]] | None = None
) -> list[Outcome]:
    """Load and invoke each model in one go; canaries around the arena are checked there.

    files: the runtime, where it is not the shipped one of the tier.
    """
    content, count = written(jobs)
    preload = [("jobs.bin", content), *(files or mapped_runtime(cpu, tier))]
    outcomes = []
    with qemu_board(cpu, heap=_HEAP, preload=preload) as board:
        board.link.start(_JOBS.read_bytes())
        while True:
            good, size = struct.unpack("<2I", board.link.read(8, _LIMIT, "the next answer"))
            if good == 2:
                break
            assert good in (0, 1), good
            outcomes.append(outcome(good, board.link.read(size, _LIMIT, "an answer")))
        assert board.link.finish() == b""
    assert len(outcomes) == count
    return outcomes
