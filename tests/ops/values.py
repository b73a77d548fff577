"""What the tests of arithmetic ops share: cases with expected values, special floats, bounds."""

from __future__ import annotations

import platform
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp import Interpreter
from microinterp.runtimes.tflm import Sample, TflmRuntime
from tests.ops.movement import EVERY_TYPE
from tests.oracle import check_model, random_samples

Number = int | float
Array = npt.NDArray[Any]
SPECIAL_FLOATS = (0.0, -0.0, 1.0, -1.0, 6.0, 6.0000005, -9.0, 17.0, 88.0, -104.0, 1e-45, -1e-45)
EXTREME_FLOATS = (3e38, -3e38, float("inf"), -float("inf"), float("nan"))


@dataclass(frozen=True)
class ValueCase:
    """A model, and what it must give: from flat lists of each input to the list of its output."""

    data: bytes
    expected: Callable[[list[list[Any]]], Sequence[Number]]


def check_values(tflm: TflmRuntime, case: ValueCase, seed: int, seen: Counter[str]) -> None:
    """Bit for bit against TFLM, in a batch, and against the expectation.

    Args:
        seen: counts models, and those whose output takes more than one value.
    """
    rng = np.random.default_rng(seed)
    result = check_model(tflm, case.data, rng, dtypes=EVERY_TYPE)
    assert result.tensors == 1
    seen["models"] += 1
    seen["varied"] += bool(result.varied)
    interpreter = Interpreter.from_bytes(case.data)
    (sample,) = random_samples(rng, interpreter.graph, 1)
    assert sample is not None
    have = run_on(interpreter, sample).reshape(-1)
    want = np.array(case.expected([array.reshape(-1).tolist() for array in sample]))
    np.testing.assert_array_equal(have, want.astype(have.dtype))
    assert np.array_equal(np.signbit(have), np.signbit(want))  # tells 0.0 from -0.0


def assert_mostly_varied(seen: Counter[str], share: float = 0.6) -> None:
    """The random models of a test are no constants."""
    assert seen["models"] > 0
    assert seen["varied"] >= share * seen["models"], seen


def run_on(interpreter: Interpreter, sample: Sequence[Array]) -> Array:
    """First output of one invoke."""
    for i, array in enumerate(sample):
        interpreter.set_input(array, i)
    interpreter.invoke()
    return interpreter.get_output(0)


def outputs_of_both(
    tflm: TflmRuntime, data: bytes, samples: Sequence[Sequence[Array]]
) -> tuple[Array, Array]:
    """First outputs of ours and of TFLM, stacked."""
    interpreter = Interpreter.from_bytes(data)
    ours = [run_on(interpreter, sample) for sample in samples]
    given: list[Sample] = list(samples)
    theirs = [output[0] for output in tflm.run(data, given).outputs]
    return np.stack(ours), np.stack(theirs)


def assert_same_floats(ours: Array, theirs: Array) -> None:
    """Equal bits, with one NaN for all: its sign and payload are no numbers."""
    nan = struct.unpack("<f", b"\x00\x00\xc0\x7f")[0]
    mine = np.where(np.isnan(ours), np.float32(nan), ours)
    other = np.where(np.isnan(theirs), np.float32(nan), theirs)
    np.testing.assert_array_equal(mine.view(np.int32), other.view(np.int32))


def ulps_between(a: Array, b: Array) -> Array:
    """How many float32 numbers lie between two arrays of finite ones."""

    def ordered(x: Array) -> Array:
        bits = x.astype(np.float32).view(np.int32).astype(np.int64)
        return np.where(bits < 0, np.int64(-(1 << 31)) - bits, bits)

    return np.abs(ordered(a) - ordered(b))


def tanh_ulps() -> int:
    """glibc rounds tanhf correctly from 2.41 on; the wheel calls that of the machine."""
    name, number = platform.libc_ver()
    is_fdlibm = name == "glibc" and tuple(map(int, number.split("."))) < (2, 41)
    return 0 if is_fdlibm else 2
