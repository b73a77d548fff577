"""A runtime's process: its errors, its death and its silence are messages, and it starts again."""

from __future__ import annotations

import os
import signal
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.child import Child
from benchmarks.models import BenchModel, conv_chain
from benchmarks.runtimes import EXACT, MAKERS
from benchmarks.worker import clock_of, waiting_seconds
from microinterp.errors import RuntimeUnavailableError
from microinterp.runtimes.tflm import version
from tests.conftest import require_or_skip


@pytest.fixture(scope="module")
def model() -> BenchModel:
    return conv_chain(3, 2, side=6)


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    with Child("fast") as made:
        yield made


def pid_of(child: Child) -> int:
    assert child._process is not None
    return child._process.pid


def test_a_refused_model_is_a_message_and_the_process_lives_on(
    child: Child, model: BenchModel
) -> None:
    with pytest.raises(RuntimeUnavailableError, match="ModelError"):
        child.ask("load", b"no model", 1)
    before = pid_of(child)
    child.ask("load", model.data, 1)
    assert pid_of(child) == before


def test_a_long_message_is_cut(child: Child) -> None:
    """LiteRT has thousands of letters to say of a model with many wrong tensors."""
    with pytest.raises(RuntimeUnavailableError, match=r"says: .*xxx\.\.\.$") as caught:
        child.ask("x" * 5000)
    assert len(str(caught.value)) < 450


def test_a_crash_is_a_message_and_the_next_request_starts_anew(
    child: Child, model: BenchModel
) -> None:
    child.ask("load", model.data, 1)
    before = pid_of(child)
    os.kill(before, signal.SIGSEGV)
    with pytest.raises(RuntimeUnavailableError, match="crashed with SIGSEGV"):
        child.ask("peak")
    child.ask("load", model.data, 1)
    assert pid_of(child) != before


def test_silence_ends_at_the_timeout(model: BenchModel) -> None:
    with Child("fast", timeout=1.5) as child:
        child.ask("load", model.data, 1)
        with pytest.raises(RuntimeUnavailableError, match=r"no answer within 1\.5 s"):
            child.ask("seconds", model.samples(1), 60.0)


def test_an_unknown_runtime_is_a_message() -> None:
    with (
        Child("no such runtime") as child,
        pytest.raises(RuntimeUnavailableError, match="no such runtime"),
    ):
        child.ask("load", b"", 1)


def test_peak_memory_is_the_process_own(child: Child) -> None:
    """What the parent held when it started the child does not count."""
    ballast = np.ones(300 << 20, np.uint8)
    with Child("fast") as fresh:
        assert 5e6 < fresh.ask("peak") < 200e6 < ballast.nbytes


def test_waiting_for_a_processor_is_seen() -> None:
    """More busy threads than processors: some of them must wait; they live on while we look."""
    if not Path("/proc/self/schedstat").exists():
        pytest.skip("this system does not count how long threads wait")
    stop = threading.Event()

    def burn() -> None:
        data = bytes(1 << 20)
        while not stop.is_set():
            zlib.crc32(data)  # lets the other threads run

    threads = [threading.Thread(target=burn) for _ in range(2 * (os.cpu_count() or 1) + 1)]
    before = waiting_seconds()
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    waited = waiting_seconds() - before
    stop.set()
    for thread in threads:
        thread.join()
    assert waited > 0.1


def test_one_thread_is_timed_by_processor_time_and_more_by_the_wall() -> None:
    clocks = {name: clock_of(name) for name in MAKERS}
    on_the_wall = {name for name, clock in clocks.items() if clock is time.perf_counter}
    assert on_the_wall == {"batched", *(name for name in MAKERS if "2 threads" in name)}
    assert set(clocks.values()) == {time.perf_counter, time.process_time}


@pytest.mark.parametrize("name", ["fast", "batched, 2 threads"])
def test_times_are_within_those_of_the_parent(model: BenchModel, name: str) -> None:
    samples = model.samples(8)
    with Child(name) as child:
        child.ask("load", model.data, 1, 8)
        start = time.perf_counter()
        times, _ = child.ask("seconds", samples, 0.1)
        took = time.perf_counter() - start
    blocks = sum(times) * (8 if "batched" in name else 1)
    assert 0 < blocks < took


def test_first_output_steps_and_ops_are_timed(child: Child, model: BenchModel) -> None:
    sample = [array[0] for array in model.samples(1)]
    first = child.ask("first", model.data, 1, sample)
    assert set(first) == {"import", "load", "invoke", "peak_bytes"}
    assert all(value > 0 for value in first.values())
    stages = child.ask("stages", model.data)
    names = ["load", "verify", "build", "prepare", "plan", "bind", "first invoke"]
    assert list(stages) == names
    assert all(value > 0 for value in stages.values())
    seconds = child.ask("op_seconds", model.samples(2), 0.0)
    assert sorted(seconds) == [0, 1]


@pytest.mark.parametrize("name", [name for name in EXACT if name != "TFLM"])
def test_our_ways_give_tflms_bytes(tflm_outputs: np.ndarray, model: BenchModel, name: str) -> None:
    samples = model.samples(7)
    with Child(name) as child:
        child.ask("load", model.data, 1, 7)
        (outputs,) = child.ask("outputs", samples)
        times, waited = child.ask("seconds", samples, 0.0)
        assert len(times) == 1
        assert 0 <= waited < 100
    assert outputs.tobytes() == tflm_outputs.tobytes()


@pytest.fixture(scope="module")
def tflm_outputs(model: BenchModel) -> np.ndarray:
    if version() is None:
        require_or_skip("the TFLM wheel", "pip install 'microinterp[oracle]' (Linux x86-64)")
    with Child("TFLM") as child:
        child.ask("load", model.data, 1)
        outputs: np.ndarray = child.ask("outputs", model.samples(7))[0]
    assert outputs.shape == (7, 1, 6, 6, 3)
    assert len(np.unique(outputs)) > 50
    return outputs


@pytest.mark.parametrize("name", [name for name in MAKERS if "XNNPACK" in name])
def test_litert_batched_is_litert(model: BenchModel, name: str) -> None:
    pytest.importorskip("ai_edge_litert.interpreter")
    samples = model.samples(5)
    with Child("XNNPACK, 1 thread") as single, Child(name) as other:
        single.ask("load", model.data, 1)
        other.ask("load", model.data, 1, 5)
        (expected,), (found,) = single.ask("outputs", samples), other.ask("outputs", samples)
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()
