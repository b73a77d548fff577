"""`eval` on a Dask cluster of local processes: the same figures, also when a worker is killed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp.errors import InputError, WorkerError
from microinterp.evaluation import Data, Settings, cluster, evaluate
from microinterp.evaluation.cluster import run_on_cluster
from microinterp.evaluation.data import Pieces
from microinterp.evaluation.job import Job
from tests.cli import copying_model, refused
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
from tests.marks import slow
from tests.processes import python

MODEL = DIGITS_MODEL.read_bytes()


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Any]:
    """A scheduler here and two worker processes that are started again when they die."""
    if find_spec("distributed") is None:
        require_or_skip("Dask", "pip install 'microinterp[cluster]'")
    import dask

    # A dead worker is not waited for as long as one behind a slow network.
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "3s"}),
        local_cluster(2) as started,
    ):
        yield started


def local_cluster(workers: int, threads: int = 1) -> Any:
    from distributed import LocalCluster

    return LocalCluster(n_workers=workers, threads_per_worker=threads, dashboard_address=":0")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return opened(MODEL, many_digits(tmp_path_factory.mktemp("digits") / "d.npz", 10_000))


@pytest.fixture(scope="module")
def alone(digits: Data) -> str:
    return timeless(evaluate(MODEL, digits))


def on(started: Any, **settings: Any) -> Settings:
    return Settings(cluster=started.scheduler_address, **settings)


def test_a_cluster_gives_the_same_figures(two_workers: Any, digits: Data, alone: str) -> None:
    found = evaluate(MODEL, digits, on(two_workers))
    assert timeless(found) == alone
    assert found.timing.workers is None
    assert timeless(evaluate(MODEL, digits, on(two_workers, piece=999))) == alone


@pytest.mark.parametrize("which", [0, slow(1)])
def test_a_killed_worker_changes_nothing(
    two_workers: Any, digits: Data, alone: str, which: int
) -> None:
    before = two_workers.workers[which].pid
    kill = killer(lambda: int(two_workers.workers[which].pid), after=2000)
    assert timeless(evaluate(MODEL, digits, on(two_workers, piece=100), kill)) == alone
    two_workers.sync(wait_for_start, two_workers.workers[which], before)


async def wait_for_start(worker: Any, before: int) -> None:
    """Until the nanny has put another process in the place of the dead one."""
    import asyncio

    for _ in range(600):
        if worker.process is not None and worker.pid not in (None, before):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the worker was not killed")


@pytest.mark.slow
def test_the_model_s_only_holder_may_die(two_workers: Any, digits: Data, alone: str) -> None:
    with local_cluster(1, threads=2) as started:
        kill = killer(lambda: int(started.workers[0].pid), after=2000)
        assert timeless(evaluate(MODEL, digits, on(started, piece=250), kill)) == alone


def test_a_piece_that_ends_every_worker_is_given_up(two_workers: Any, digits: Data) -> None:
    pieces = DeadlyPieces(digits, None, None, 2500)
    with pytest.raises(WorkerError, match=r"entries 7500 to 9999.*: (worker after|3 workers have)"):
        list(run_on_cluster(Job(MODEL), pieces, two_workers.scheduler_address))


def test_errors_of_workers_are_ours(two_workers: Any, tmp_path: Path) -> None:
    model = copying_model((1, 4))
    for name, size in (("a", 4), ("b", 5), ("c", 6)):
        np.save(tmp_path / f"{name}.npy", np.zeros(size, np.int8))
    (tmp_path / "labels.csv").write_text("a.npy,0\nb.npy,1\nc.npy,2\n")
    data = opened(model, tmp_path)
    with pytest.raises(InputError, match=r"b\.npy.*got \[5\]"):
        evaluate(model, data, on(two_workers, piece=1))
    (tmp_path / "b.npy").unlink()
    with pytest.raises(InputError, match=r"b\.npy.*\n  hint: every worker of a cluster reads"):
        evaluate(model, data, on(two_workers, piece=1))
    stale, pieces = Job(model, version="0.0.1"), Pieces(data, None, None, 9)
    with pytest.raises(WorkerError, match=r"the job comes from microinterp 0\.0\.1"):
        list(run_on_cluster(stale, pieces, two_workers.scheduler_address))


def test_sequences_are_shared_out_whole(two_workers: Any, tmp_path: Path) -> None:
    model = adding_model()
    rng = np.random.default_rng(2)
    path = npz(
        tmp_path / "s.npz",
        x=rng.integers(-9, 9, (60, 2)).astype(np.int8),
        y=rng.integers(0, 2, 60),
        s=np.arange(60) // 7,
    )
    data = opened(model, path, sequences="s")
    wanted = timeless(evaluate(model, data))
    assert timeless(evaluate(model, data, on(two_workers, piece=1))) == wanted


def test_no_scheduler_and_no_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two_workers: Any
) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 1)
    data = npz(tmp_path / "d.npz", x=np.zeros((2, 8, 8, 1), np.float32), y=np.zeros(2, int))
    message = refused("eval", DIGITS_MODEL, data, "--cluster", "tcp://127.0.0.1:9")
    assert message.startswith("no scheduler answers at 'tcp://127.0.0.1:9'")
    assert "dask scheduler" in message
    assert "no scheduler answers" in refused(
        "eval", DIGITS_MODEL, data, "--cluster", "nonsense://["
    )
    with local_cluster(0) as empty:
        message = refused("eval", DIGITS_MODEL, data, "--cluster", empty.scheduler_address)
    assert "has no workers" in message


def test_dask_is_imported_only_for_a_cluster() -> None:
    code = "import sys, microinterp.cli; print({'dask', 'distributed'} & set(sys.modules))"
    assert python(code) == "set()\n"


def test_dask_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(cluster, "import_module", missing)
    data = npz(tmp_path / "d.npz", x=np.zeros((2, 8, 8, 1), np.float32), y=np.zeros(2, int))
    message = refused("eval", DIGITS_MODEL, data, "--cluster", "tcp://127.0.0.1:9")
    assert "pip install 'microinterp[cluster]'" in message
