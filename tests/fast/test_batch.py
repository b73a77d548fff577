"""run_batch: any split and any number of threads gives the bytes of single runs."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack

import numpy as np
from threadpoolctl import ThreadpoolController, threadpool_limits

from microinterp.fast_path import one_blas_thread

RNG = np.random.default_rng(5)
ROUNDS = 1000
HANG = f"""
import sys
import numpy as np
from microinterp import Interpreter
from tests.ops.test_fully_connected import BASE
sys.setswitchinterval(1e-6)
interpreter = Interpreter.from_bytes(BASE.data())
for _ in range({ROUNDS}):
    interpreter.run_batch(np.zeros((8, 1, 3), np.int8), threads=4, max_bytes=1)
"""


def test_threads_that_find_no_more_work_end() -> None:
    """Threads race for the last chunk in each of many runs; whoever loses must not wait for it."""
    subprocess.run([sys.executable, "-c", HANG], check=True, timeout=120)


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in ThreadpoolController().info()}


def test_overlapping_batches_leave_blas_as_it_was() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        with ExitStack() as second:
            with one_blas_thread:
                second.enter_context(one_blas_thread)
                assert blas_threads() == {1}
            assert blas_threads() == {1}, "the second batch still runs"
        assert blas_threads() == before
