"""What is done with several boards: the host's part once, the boards' part on each of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from microinterp_boards import bench, deploy, validate
from microinterp_boards.board import Board
from microinterp_boards.deploy import Deployment, Progress
from microinterp_boards.expected import Expected, expectations, samples_of
from microinterp_boards.fleet.inventory import Entry
from microinterp_boards.fleet.shared import Reader, shared
from microinterp_boards.fleet.work import Outcome, Watch, Work, on_all
from microinterp_boards.packing import NO_PASSES, MemoryPasses, ModelSource, pack_for_board
from microinterp_boards.validate import Validation


def _silent(name: str, stage: str, done: int, of: int) -> None:
    """Nobody watches."""


def deploy_all(
    entries: Sequence[Entry],
    model: ModelSource,
    name: str | None = None,
    *,
    mpy_set: str | None = None,
    passes: MemoryPasses = NO_PASSES,
    version: int | None = None,
    key: bytes | None = None,
    watch: Watch = _silent,
    patience: float = 0.0,
) -> list[Outcome[Deployment]]:
    """Board.deploy on each; the model is packed once, all have one key. See work.on_all."""
    packed = pack_for_board(model, name, passes)

    def work(board: Board, progress: Progress) -> Deployment:
        return deploy.deploy(
            board.link, packed, mpy_set=mpy_set, progress=progress, version=version, key=key
        )

    return on_all(entries, [work] * len(entries), watch, patience)


def validate_all(
    entries: Sequence[Entry],
    model: ModelSource,
    samples: int | None = None,
    per_op: bool = False,
    golden: str | os.PathLike[str] | None = None,
    seed: int = 0,
    name: str | None = None,
    *,
    passes: MemoryPasses = NO_PASSES,
    watch: Watch = _silent,
    patience: float = 0.0,
) -> list[Outcome[Validation]]:
    """Board.validate on each; what is expected is computed once. See work.on_all."""
    packed = pack_for_board(model, name, passes)
    wanted = samples_of(packed, samples, golden, seed)
    readers = shared(expectations(packed, wanted, per_op), len(entries))
    by_name = {entry.name: reader for entry, reader in zip(entries, readers, strict=True)}

    def work_with(expected: Reader[Expected]) -> Work[Validation]:
        return lambda board, progress: validate.validate_against(
            board.link, packed, wanted, expected, per_op, progress
        )

    def watched(name: str, stage: str, done: int, of: int) -> None:
        if stage in ("done", "failed"):  # nothing is kept any longer for a board that is through
            by_name[name].close()
        watch(name, stage, done, of)

    return on_all(entries, [work_with(reader) for reader in readers], watched, patience)


def bench_all(
    entries: Sequence[Entry],
    model: ModelSource,
    runs: int = bench.RUNS,
    name: str | None = None,
    *,
    seed: int = 0,
    passes: MemoryPasses = NO_PASSES,
    watch: Watch = _silent,
    patience: float = 0.0,
) -> list[Outcome[dict[str, Any]]]:
    """Board.bench on each; the model is packed once. See work.on_all."""
    packed = pack_for_board(model, name, passes)

    def work(board: Board, progress: Progress) -> dict[str, Any]:
        return bench.bench(board.link, packed, runs, seed=seed, progress=progress)

    return on_all(entries, [work] * len(entries), watch, patience)
