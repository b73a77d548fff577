"""Whoever computes what, and whoever dies: the figures of `eval` stay the same."""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp.errors import InputError, MicrointerpError, ModelError, WorkerError
from microinterp.evaluation import Data, Settings, evaluate
from microinterp.evaluation.data import Pieces, entries_per_piece
from microinterp.evaluation.gathering import ATTEMPTS, Gathering
from microinterp.evaluation.job import Job
from microinterp.evaluation.workers import LostWorkers, run_locally
from tests.cli import copying_model
from tests.conftest import require_or_skip
from tests.eval_data import (
    DIGITS_MODEL,
    DeadlyPieces,
    adding_model,
    killer,
    many_digits,
    npz,
    opened,
    timeless,
)

MODEL = DIGITS_MODEL.read_bytes()


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return opened(MODEL, many_digits(tmp_path_factory.mktemp("digits") / "d.npz", 1500))


@pytest.fixture(scope="module")
def alone(digits: Data) -> str:
    return timeless(evaluate(MODEL, digits, Settings(piece=1500)))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that an evaluation starts."""
    processes: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        processes.append(popen(*arguments, **options))
        return processes[-1]

    monkeypatch.setattr("microinterp.evaluation.workers.subprocess.Popen", start)
    return processes


def need_litert() -> None:
    if find_spec("ai_edge_litert") is None:
        require_or_skip("LiteRT", "pip install ai-edge-litert")


@pytest.mark.parametrize("piece", [1, 7, 256, 1499, 10**6, None])
def test_pieces_do_not_show(digits: Data, alone: str, piece: int | None) -> None:
    assert timeless(evaluate(MODEL, digits, Settings(piece=piece))) == alone


@pytest.mark.parametrize(("workers", "piece"), [(2, None), (2, 13), (3, 300), (3, 1500)])
def test_workers_do_not_show(digits: Data, alone: str, workers: int, piece: int | None) -> None:
    found = evaluate(MODEL, digits, Settings(workers=workers, piece=piece))
    assert timeless(found) == alone
    assert (found.timing.workers, found.timing.lost_workers) == (workers, 0)


def test_a_killed_worker_loses_nothing(
    digits: Data, alone: str, started: list[subprocess.Popen[bytes]]
) -> None:
    kill = killer(lambda: started[0].pid, after=300)
    found = evaluate(MODEL, digits, Settings(workers=2, piece=10), kill)
    assert timeless(found) == alone
    assert found.timing.lost_workers == 1
    assert len(started) == 3


def test_the_only_worker_may_die_too(digits: Data, started: list[subprocess.Popen[bytes]]) -> None:
    need_litert()
    settings = Settings(workers=2, piece=700, against="litert")
    wanted = timeless(evaluate(MODEL, digits, settings))
    started.clear()
    kill = killer(lambda: started[-1].pid, after=1)
    found = evaluate(MODEL, digits, Settings(piece=100, against="litert"), kill)
    assert (timeless(found), found.timing.lost_workers) == (wanted, 1)


def test_all_processes_end_with_the_evaluation(
    digits: Data, started: list[subprocess.Popen[bytes]]
) -> None:
    evaluate(MODEL, digits, Settings(workers=2))

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(MODEL, digits, Settings(workers=2, piece=10), stop)
    assert len(started) == 4
    assert all(process.poll() is not None for process in started)


def test_a_piece_that_ends_every_worker_is_given_up(
    digits: Data, started: list[subprocess.Popen[bytes]]
) -> None:
    lost = LostWorkers()
    with pytest.raises(WorkerError) as caught:
        list(run_locally(Job(MODEL), DeadlyPieces(digits, None, None, 100), 2, lost))
    assert str(caught.value).startswith("entries 300 to 399 of ")
    assert "3 workers have ended while they computed this, the last one with status 3" in str(
        caught.value
    )
    assert "--piece" in caught.value.hint
    assert lost.count == ATTEMPTS
    assert all(process.poll() is not None for process in started)


def test_a_worker_that_cannot_start_is_given_up(
    digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no python here >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr("microinterp.evaluation.workers.sys.executable", str(broken))
    with pytest.raises(WorkerError, match="with status 1: no python here"):
        evaluate(MODEL, digits, Settings(workers=2))


@pytest.mark.parametrize("workers", [1, 3])
def test_the_first_failure_is_told(tmp_path: Path, workers: int) -> None:
    model = copying_model((1, 4))
    for name, size in (("a", 4), ("b", 4), ("c", 5), ("d", 4), ("e", 6), ("f", 3)):
        np.save(tmp_path / f"{name}.npy", np.zeros(size, np.int8))
    rows = "".join(f"{name}.npy,{number % 4}\n" for number, name in enumerate("abcdef"))
    (tmp_path / "labels.csv").write_text(rows)
    data = opened(model, tmp_path)
    for _ in range(3 if workers > 1 else 1):
        with pytest.raises(InputError, match=r"c\.npy.*got \[5\]"):
            evaluate(model, data, Settings(workers=workers, piece=1))


def test_errors_of_workers_are_ours(digits: Data) -> None:
    job = Job(b"garbage")
    with pytest.raises(ModelError) as caught:
        list(run_locally(job, Pieces(digits, None, None, 100), 2, LostWorkers()))
    assert caught.value.problems or caught.value.message
    stale = Job(MODEL, version="0.0.1")
    with pytest.raises(WorkerError, match=r"microinterp 0\.0\.1"):
        list(run_locally(stale, Pieces(digits, None, None, 100), 2, LostWorkers()))


def test_notes_do_not_show_the_split(tmp_path: Path) -> None:
    model = copying_model((1, 4))
    x = np.zeros((40, 4), np.float32)
    x[5:30:2] = 1e6
    data = opened(model, npz(tmp_path / "x.npz", x=x, y=np.zeros(40, int)))
    found = evaluate(model, data)
    assert found.note_count == 13
    assert [note.split(":")[0].rpartition("[")[2] for note in found.notes] == [
        f"{i}]" for i in (5, 7, 9, 11, 13)
    ]
    for settings in (Settings(piece=1), Settings(workers=2, piece=3)):
        assert timeless(evaluate(model, data, settings)) == timeless(found)


def test_sequences_are_never_cut(tmp_path: Path) -> None:
    model = adding_model()
    sequences = np.repeat([4, 1, 7, 0], [3, 1, 5, 2])
    path = npz(tmp_path / "s.npz", x=np.ones((11, 2), np.int8), y=np.zeros(11, int), s=sequences)
    data = opened(model, path, sequences="s")
    for entries, wanted in ((1, [3, 1, 5, 2]), (4, [4, 5, 2]), (5, [9, 2]), (99, [11])):
        pieces = Pieces(data, None, data.sequences, entries)
        assert [len(piece) for piece in pieces] == wanted
        assert [piece.first for piece in pieces] == [0, *np.cumsum(wanted)[:-1].tolist()]
    found = [
        timeless(evaluate(model, data, settings))
        for settings in (Settings(), Settings(piece=1), Settings(workers=3, piece=1))
    ]
    assert len(set(found)) == 1


def test_pieces_have_a_sensible_size(digits: Data) -> None:
    assert entries_per_piece(digits, 1, False) == 188
    assert entries_per_piece(digits, 100, True) == 2
    large = Data("x", (np.zeros((4, 1 << 19), np.float32),))
    assert entries_per_piece(large, 1, True) == 1
    many = Data("x", (np.zeros((4096, 1 << 14), np.uint8),))
    assert [entries_per_piece(many, 1, sent) for sent in (True, False)] == [64, 256]


def test_gathering_waits_for_what_stands_before_a_failure(digits: Data) -> None:
    gathering = Gathering(Pieces(digits, None, None, 500))
    assert [gathering.take() for _ in range(2)] == [0, 1]
    gathering.failed(1, InputError("second"))
    assert gathering.take() is None
    assert not gathering.finished()
    gathering.lost(0, "killed")
    assert gathering.take() == 0
    gathering.failed(0, InputError("first"))
    with pytest.raises(MicrointerpError, match="first"):
        gathering.finished()
