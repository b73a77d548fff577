"""run_batch: any split and any number of threads gives the bytes of single runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from microinterp import Interpreter, fast_path
from microinterp.batch import Split
from microinterp.errors import InputError
from microinterp.fast_path import one_blas_thread
from microinterp.kernels import default_registry
from microinterp.model_builder import ModelBuilder
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op
from tests.fast.comparison import run_each
from tests.fast.layers import Array
from tests.ops.movement import Input, op_model
from tests.ops.test_variables import counter
from tests.processes import python

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
    python(HANG, timeout=120)


def blas_threads() -> set[int]:
    """Of NumPy's BLAS; other packages may bring libraries of their own, at any time."""
    return {blas.get_num_threads() for blas in fast_path._blas_libraries()}


def test_overlapping_batches_leave_blas_as_it_was() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        with ExitStack() as second:
            with one_blas_thread:
                second.enter_context(one_blas_thread)
                assert blas_threads() == {1}
            assert blas_threads() == {1}, "the second batch still runs"
        assert blas_threads() == before


def small_net(custom: str | None = None, seed: int = 1) -> bytes:
    """Convolution, depthwise convolution, perhaps a custom op, pool, dense layer; [1, 9, 7, 3]."""
    rng, b = np.random.default_rng(seed), ModelBuilder()
    g = b.subgraph("main")
    window = {"padding": "SAME", "stride_h": 1, "stride_w": 2}
    x = g.input("x", (1, 9, 7, 3), "int8", 0.5, 3)

    def weights(*shape: int) -> int:
        return g.constant("w", rng.integers(-128, 128, shape).astype(np.int8), None, 0.02, 0)

    bias = g.constant("b", rng.integers(-99, 99, 5).astype(np.int32), None, 0.01, 0)
    conv = g.tensor("conv", (1, 9, 4, 5), "int8", 3.0, -5)
    g.op("CONV_2D", [x, weights(5, 3, 3, 3), bias], [conv], **window)
    deep = g.tensor("deep", (1, 9, 2, 5), "int8", 9.0, 7)
    g.op("DEPTHWISE_CONV_2D", [conv, weights(1, 3, 3, 5)], [deep], depth_multiplier=1, **window)
    last = deep
    if custom is not None:
        last = g.tensor("custom", (1, 9, 2, 5), "int8", 9.0, 7)
        g.custom_op(custom, [deep], [last])
    pool = g.tensor("pool", (1, 4, 1, 5), "int8", 9.0, 7)
    options = {"padding": "VALID", "stride_h": 2, "stride_w": 1}
    g.op("AVERAGE_POOL_2D", [last], [pool], filter_height=2, filter_width=2, **options)
    out = g.tensor("out", (1, 6), "int8", 20.0, 0)
    g.op("FULLY_CONNECTED", [pool, weights(6, 20)], [out])
    g.output(out)
    g.output(conv)
    return b.finish()


RNG = np.random.default_rng(5)
BATCH = RNG.integers(-128, 128, (13, 1, 9, 7, 3)).astype(np.int8)


def singles(interpreter: Interpreter, batch: Array) -> list[bytes]:
    """Both outputs of one invoke after the other."""
    found: list[list[Array]] = [[], []]
    for sample in batch:
        interpreter.set_input(sample, 0)
        interpreter.invoke()
        for i, outputs in enumerate(found):
            outputs.append(interpreter.get_output(i))
    return [np.stack(outputs).tobytes() for outputs in found]


def as_bytes(outputs: Sequence[Array]) -> list[bytes]:
    return [array.tobytes() for array in outputs]


@pytest.mark.parametrize("kernels", ["plain", "auto"])
@pytest.mark.parametrize("threads", [None, 1, 2, 3, 4])
def test_every_split_equals_single_runs(kernels: str, threads: int | None) -> None:
    want = singles(Interpreter.from_bytes(small_net(), kernels="plain"), BATCH)
    assert len(set(want[0])) > 8
    interpreter = Interpreter.from_bytes(small_net(), kernels=kernels)
    per_sample = interpreter.arena.head_bytes
    for turn, bound in enumerate((None, 1, per_sample - 1, 2 * per_sample, 7 * per_sample, 10**9)):
        order = np.roll(np.arange(len(BATCH)), turn)  # memory may hold the last answers
        have = interpreter.run_batch(BATCH[order], max_bytes=bound, threads=threads)
        back = [array[np.argsort(order)] for array in have]
        assert as_bytes(back) == want, bound


@pytest.mark.parametrize("samples", [0, 1, 2, 3])
@pytest.mark.parametrize("threads", [None, 1, 2, 4])
def test_few_samples(samples: int, threads: int | None) -> None:
    plain = Interpreter.from_bytes(small_net(), kernels="plain")
    interpreter = Interpreter.from_bytes(small_net())
    for bound in (None, 1):
        have = interpreter.run_batch(BATCH[:samples], max_bytes=bound, threads=threads)
        assert [array.shape for array in have] == [(samples, 1, 6), (samples, 1, 9, 4, 5)]
        if samples:
            assert as_bytes(have) == singles(plain, BATCH[:samples])


def test_splits_cover_every_sample_and_stay_within_their_size() -> None:
    for total in range(1, 40):
        for samples in range(1, total + 1):
            parts = Split(total, samples, 1).parts
            sizes = {len(range(total)[part]) for part in parts}
            assert sizes == {samples}
            assert {i for part in parts for i in range(total)[part]} == set(range(total))
            assert len(parts) == -(-total // samples)


def test_batches_of_other_sizes_follow_each_other() -> None:
    """Chunks are kept for the next batch: of the same size, and after others."""
    plain = Interpreter.from_bytes(small_net(), kernels="plain")
    interpreter = Interpreter.from_bytes(small_net())
    for count in (13, 5, 13, 1, 8, 8, 2, 13):
        part = np.roll(BATCH, count, axis=0)[:count]
        have = interpreter.run_batch(part, threads=2, max_bytes=4 * interpreter.arena.head_bytes)
        assert as_bytes(have) == singles(plain, part)


def test_batches_leave_single_runs_alone() -> None:
    interpreter = Interpreter.from_bytes(small_net())
    interpreter.set_input(BATCH[0], 0)
    interpreter.run_batch(BATCH[1:], threads=2)
    interpreter.invoke()
    first = [interpreter.get_output(i) for i in range(2)]
    interpreter.run_batch(BATCH[1:], threads=2)
    again = [interpreter.get_output(i) for i in range(2)]
    want = singles(Interpreter.from_bytes(small_net(), kernels="plain"), BATCH[:1])
    assert as_bytes(first) == as_bytes(again) == want


def test_inputs_of_any_layout_are_taken_as_they_are() -> None:
    interpreter = Interpreter.from_bytes(small_net())
    want = as_bytes(interpreter.run_batch(BATCH))
    spread = np.repeat(BATCH, 2, axis=0)[::2]
    backwards = np.asfortranarray(BATCH)[::-1].copy(order="F")[::-1]
    before = backwards.copy()
    for batch in (spread, backwards):
        assert as_bytes(interpreter.run_batch(batch, threads=2, max_bytes=1)) == want
    assert (backwards == before).all()


def test_batches_at_once_on_one_interpreter() -> None:
    """Chunks of one size, which threads that run at the same time must not share."""
    interpreter = Interpreter.from_bytes(small_net())
    plain = Interpreter.from_bytes(small_net(), kernels="plain")
    batches = [np.roll(BATCH, i, axis=0) for i in range(4)]
    want = [singles(plain, batch) for batch in batches]
    bound = 5 * interpreter.arena.head_bytes

    def run(turn: int) -> bool:
        have = interpreter.run_batch(batches[turn % 4], threads=1, max_bytes=bound)
        return as_bytes(have) == want[turn % 4]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(run, range(120)))
    finally:
        sys.setswitchinterval(interval)


def gather() -> bytes:
    """Rows of a table of 4, by 2 indices."""
    table = np.arange(12, dtype=np.int8).reshape(4, 3)
    b = ModelBuilder()
    g = b.subgraph("main")
    indices = g.input("indices", (2,), "int32")
    rows = g.tensor("rows", (2, 3), "int8", 1.0, 0)
    g.op("GATHER", [g.constant("table", table, None, 1.0, 0), indices], [rows], axis=0)
    g.output(rows)
    return b.finish()


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("place", [0, 7, 11])
def test_an_error_in_any_thread_reaches_the_caller(threads: int, place: int) -> None:
    """And the interpreter works on."""
    interpreter = Interpreter.from_bytes(gather())
    good = np.arange(24, dtype=np.int32).reshape(12, 2) % 4
    bad = good.copy()
    bad[place, 1] = 9
    for _ in range(2):
        with pytest.raises(InputError, match="op 0 GATHER"):
            interpreter.run_batch(bad, threads=threads, max_bytes=1)
        (rows,) = interpreter.run_batch(good, threads=threads, max_bytes=1)
        assert (rows[..., 0] == 3 * good).all()


@pytest.mark.parametrize("name", ["max_bytes", "threads"])
@pytest.mark.parametrize("value", [0, -1])
def test_bounds_below_one_are_refused(name: str, value: int) -> None:
    with pytest.raises(InputError, match=f"{name} is {value}, wanted 1 or more"):
        Interpreter.from_bytes(small_net()).run_batch(BATCH, **{name: value})


@pytest.mark.parametrize("threads", [None, 3])
def test_sequences_stay_sequences(threads: int | None) -> None:
    """A model with state gives in a batch what single runs in that order give, and goes on."""
    batch = np.arange(12, dtype=np.int8).reshape(6, 2)
    one, many = Interpreter.from_bytes(counter()), Interpreter.from_bytes(counter())
    want = run_each(one, batch)
    for part in (batch[:1], batch[1:4], batch[4:]):
        (have,) = many.run_batch(part, threads=threads, max_bytes=1)
        assert have.tobytes() == want[: len(part)].tobytes()
        want = want[len(part) :]
    assert want.size == 0


def halved(params: object, arrays: Arrays) -> None:
    """A user's own op, in whole arrays or for one sample."""
    x, (out,) = arrays.inputs[0], arrays.outputs
    assert x is not None
    out[...] = x // 2


def prepare_halved(node: object, context: Context) -> Kernel:
    return Kernel(halved)


def test_a_custom_op_in_the_middle() -> None:
    registry = default_registry().with_op(Op("Halved", prepare_halved, is_custom=True))
    data = small_net("Halved")
    plain = Interpreter.from_bytes(data, registry=registry, kernels="plain")
    interpreter = Interpreter.from_bytes(data, registry=registry)
    assert [bool(n.fast) for n in interpreter.prepared.nodes()] == [True, True, False, True, True]
    want = singles(plain, BATCH)
    assert want != singles(Interpreter.from_bytes(small_net(), kernels="plain"), BATCH)
    assert singles(interpreter, BATCH) == want
    assert as_bytes(interpreter.run_batch(BATCH, threads=2, max_bytes=3000)) == want


def test_batches_in_the_file_itself() -> None:
    """A file with several images, run in a batch of several samples."""
    shape, rng = (3, 5, 4, 2), np.random.default_rng(3)
    x, y = Input(shape, "int8", 0.5, 0), Input((3, 2, 2, 2), "int8", 0.5, 0)
    options = {"padding": "VALID", "stride_h": 2, "stride_w": 2}
    options |= {"filter_height": 3, "filter_width": 2}
    data = op_model("AVERAGE_POOL_2D", [x], [y], **options)
    batch = rng.integers(-128, 128, (7, *shape)).astype(np.int8)
    plain = Interpreter.from_bytes(data, kernels="plain")
    (have,) = Interpreter.from_bytes(data).run_batch(batch, threads=3, max_bytes=1)
    assert have.tobytes() == run_each(plain, batch).tobytes()
