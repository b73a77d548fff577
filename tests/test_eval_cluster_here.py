"""What `eval` does with all that a Dask cluster may answer, told by a client of the test's own."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest

from microinterp.errors import InputError, MicrointerpError, WorkerError
from microinterp.evaluation import Data, cluster
from microinterp.evaluation.cluster import compute, run_on_cluster
from microinterp.evaluation.data import Pieces
from microinterp.evaluation.engine import Engine
from microinterp.evaluation.job import Job
from microinterp.evaluation.workers import run_here
from tests.cli import copying_model
from tests.eval_data import npz, opened
from tests.fake_dask import Client, KilledWorker, RepeatedFuture, SilentFuture, installed

MODEL = copying_model((1, 3))
JOB = Job(MODEL, task="classes")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    made = Client()
    installed(monkeypatch, made)
    monkeypatch.setattr(cluster, "_LOOK_SECONDS", 0.01)
    return made


@pytest.fixture
def pieces(tmp_path: Path) -> Pieces:
    """Six pieces of one sample each."""
    rows = np.random.default_rng(3).integers(-9, 9, (6, 3)).astype(np.int8)
    return Pieces(opened(MODEL, npz(tmp_path / "d.npz", x=rows)), None, None, 1)


def scores(found: dict[int, cluster.Result]) -> list[list[int]]:
    return [found[number].columns["scores"][0].tolist() for number in sorted(found)]


def raised(pieces: Pieces) -> MicrointerpError:
    with pytest.raises(MicrointerpError) as caught:
        list(run_on_cluster(JOB, pieces, "tcp://here"))
    return caught.value


def test_a_cluster_gives_what_this_process_gives(client: Client, pieces: Pieces) -> None:
    found = dict(run_on_cluster(JOB, pieces, "tcp://here"))
    assert scores(found) == scores(dict(run_here(JOB, pieces)))
    assert (client.submitted, client.scattered) == (list(range(6)), 1)
    assert client.is_closed


@pytest.mark.parametrize(("threads", "ahead"), [({}, 2), ({"a": 1}, 2), ({"a": 1, "b": 1}, 4)])
def test_two_pieces_for_each_thread_are_under_way(
    client: Client, pieces: Pieces, threads: dict[str, int], ahead: int
) -> None:
    client.threads = threads
    for number, _ in enumerate(run_on_cluster(JOB, pieces, "tcp://here")):
        assert len(client.submitted) == min(6, number + ahead)


def test_a_thread_loads_a_job_s_model_once(pieces: Pieces, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Job] = []

    class Counted(Engine):
        def __init__(self, job: Job) -> None:
            loaded.append(job)
            super().__init__(job)

    monkeypatch.setattr(cluster, "Engine", Counted)
    first, second = Job(MODEL, task="classes"), Job(MODEL, task="none")
    told = [compute(job, pieces[0]) for job in (first, first, second, second)]
    assert loaded == [first, second]
    assert [len(each.columns) for each in told if not isinstance(each, MicrointerpError)] == [
        1,
        1,
        0,
        0,
    ]
    stale = compute(Job(MODEL, version="0.0.1"), pieces[0])
    assert isinstance(stale, WorkerError)


@pytest.mark.parametrize("lost", [CancelledError(), asyncio.TimeoutError(), OSError("gone")])
def test_what_is_lost_is_handed_over_again_with_its_model(
    client: Client, pieces: Pieces, lost: Exception
) -> None:
    client.troubles = {1: [lost]}
    found = dict(run_on_cluster(JOB, pieces, "tcp://here"))
    assert scores(found) == scores(dict(run_here(JOB, pieces)))
    assert client.submitted == [0, 1, 2, 1, 3, 4, 5]
    assert client.scattered == 2


def test_what_is_lost_three_times_is_given_up(client: Client, pieces: Pieces) -> None:
    client.troubles = {1: [OSError("gone")] * 3}
    told = raised(pieces)
    assert isinstance(told, WorkerError)
    assert "d.npz[1]: 3 workers have ended while they computed this" in str(told)
    assert client.submitted.count(1) == 3
    assert client.is_closed


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (KilledWorker("x"), r"d\.npz\[1\]: worker after worker has ended .*\n.*memory"),
        (ImportError("no module\x1b"), r"lacks a package: no module\\x1b\n.*same microinterp"),
        (ValueError("odd\x1b"), r"d\.npz\[1\]: a worker failed: ValueError: odd\\x1b"),
    ],
)
def test_what_a_worker_cannot_do_is_told(
    client: Client, pieces: Pieces, trouble: Exception, words: str
) -> None:
    client.troubles = {1: [trouble]}
    with pytest.raises(WorkerError, match=words):
        list(run_on_cluster(JOB, pieces, "tcp://here"))


def test_where_files_are_looked_for_is_hinted_at(
    client: Client, pieces: Pieces, tmp_path: Path
) -> None:
    """Of arrays, which travel with their piece, that would be nonsense."""
    files = Data("set", None, (str(tmp_path / "none.npy"),))
    missing = raised(Pieces(files, None, None, 1))
    assert isinstance(missing, InputError)
    assert missing.hint.startswith("every worker of a cluster reads the files itself")
    wide = (np.zeros((1, 4), np.int8),)
    unfit = raised(Pieces(Data("set", wide), None, None, 1))
    assert isinstance(unfit, InputError)
    assert "every worker" not in unfit.hint


def test_work_that_is_done_twice_counts_once(client: Client, pieces: Pieces) -> None:
    client.kind = RepeatedFuture
    numbers = [number for number, _ in run_on_cluster(JOB, pieces, "tcp://here")]
    assert numbers == list(range(6))


def test_a_scheduler_that_is_gone_is_told(client: Client, pieces: Pieces) -> None:
    client.kind, client.status = SilentFuture, "closed"
    assert "the connection to the cluster's scheduler is lost" in str(raised(pieces))


def test_a_cluster_without_workers_is_waited_for_in_vain(
    client: Client, pieces: Pieces, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def nthreads() -> dict[str, int]:
        """Nobody; somebody, which begins the wait anew; no answer; then nobody for good."""
        seen.append("asked")
        if len(seen) == 4:
            return {"one": 1}
        if len(seen) == 5:
            raise OSError("no answer")
        return {}

    clock = iter(range(0, 9000, 40))
    monkeypatch.setattr(cluster.time, "monotonic", lambda: next(clock))
    made = cluster._Cluster(client, JOB, pieces)
    monkeypatch.setattr(client, "nthreads", nthreads)
    made._require_workers()  # at 0 s
    made._require_workers()  # at 40 s
    with pytest.raises(WorkerError, match="the cluster has had no worker for 60 s"):
        made._require_workers()  # at 80 s
    made._require_workers()  # somebody
    made._require_workers()  # at 120 s, without an answer
    made._require_workers()  # at 160 s
    with pytest.raises(WorkerError, match="no worker"):
        made._require_workers()
    assert len(seen) == 7


def test_pieces_are_looked_for_until_they_come(
    client: Client, pieces: Pieces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quiet cluster is asked again and again whether anybody is there."""
    client.kind = SilentFuture
    made = cluster._Cluster(client, JOB, pieces)
    looks: list[int] = []

    def look() -> None:
        looks.append(1)
        if len(looks) == 3:
            raise WorkerError("enough")

    monkeypatch.setattr(made, "_require_workers", look)
    with pytest.raises(WorkerError, match="enough"):
        list(made.answers())
    assert client.submitted == [0, 1]


def test_who_cannot_be_reached_is_told(
    client: Client, pieces: Pieces, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.ready = TimeoutError()
    told = raised(pieces)
    assert "the scheduler at 'tcp://here' has no workers" in str(told)
    assert told.hint == "start some: dask worker tcp://here"
    assert client.is_closed
    installed(monkeypatch, OSError("refused\x1b"))
    assert "no scheduler answers at 'tcp://here': refused\\x1b" in str(raised(pieces))


def test_a_cluster_whose_workers_start_anew_is_waited_for(client: Client, pieces: Pieces) -> None:
    client.empty_for = 3
    found = dict(run_on_cluster(JOB, pieces, "tcp://here"))
    assert scores(found) == scores(dict(run_here(JOB, pieces)))
    assert (client.empty_for, client.scattered) == (0, 1)
    assert client.submitted == list(range(6))


def test_workers_that_do_not_take_the_job_are_not_asked_for_ever(
    client: Client, pieces: Pieces
) -> None:
    client.empty_for = 1000
    told = str(raised(pieces))
    assert "do not take the model: TimeoutError: No valid workers found" in told
    assert client.empty_for == 1000 - cluster._REFUSALS


def test_a_cluster_whose_workers_never_come_back_is_given_up(
    client: Client, pieces: Pieces, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.empty_for, client.threads = 1000, {}
    monkeypatch.setattr(cluster, "_NO_WORKER_SECONDS", 0.05)
    assert "the cluster has had no worker" in str(raised(pieces))
    assert client.submitted == []
