"""Signal* operators against spec loops, invoke by invoke, and FFTs against TFLM at every length."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from flatbuffers import flexbuffers
from hypothesis import given, settings
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.quant.kiss_fft import has_plan
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.signal import CASES
from tests.ops.custom import custom_model, signals
from tests.ops.movement import Input
from tests.ops.signal_models import TYPE_NUMBERS
from tests.ops.strategies import seeds
from tests.spec_ops.fft import FixedFft
from tests.spec_ops.signal import SPECS

WITH_SPEC = [case for case in CASES if case.op in SPECS and case.types != "float32"]
FFTS = [case for case in CASES if case.op.endswith("fft") and case.types != "float32"]
MANY_LENGTHS = [length for length in range(4, 1025) if has_plan(length)] + [2048, 4096]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in WITH_SPEC])
def test_spec_loops(case: Any) -> None:
    @settings(max_examples=60)
    @given(case.models, seeds())
    def check(data: bytes, seed: int) -> None:
        interpreter = Interpreter.from_bytes(data)
        (node,) = interpreter.graph.nodes()
        options = flexbuffers.Loads(node.custom_options) if node.custom_options else {}
        shapes = [t.shape for t in (*node.inputs, *node.outputs) if t is not None]
        state: dict[str, Any] = {}
        for sample in signals(np.random.default_rng(seed), interpreter.graph, 5):
            if sample is None:
                interpreter.reset()
                state.clear()
                continue
            for i, array in enumerate(sample):
                interpreter.set_input(array, i)
            given_arrays = iter(sample)
            ins = [
                (t.data if t.data is not None else next(given_arrays)).ravel().tolist()
                for t in node.inputs
                if t is not None
            ]
            interpreter.invoke()
            for i, want in enumerate(SPECS[case.op](options, ins, shapes, state)):
                have = interpreter.get_output(i).ravel().tolist()
                assert [h for h, w in zip(have, want, strict=True) if w is not None] == [
                    w for w in want if w is not None
                ]

    check()


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in FFTS])
def test_ffts_against_spec_loops(case: Any) -> None:
    @settings(max_examples=60)
    @given(case.models, seeds())
    def check(data: bytes, seed: int) -> None:
        interpreter = Interpreter.from_bytes(data)
        (node,) = interpreter.graph.nodes()
        length = flexbuffers.Loads(node.custom_options)["fft_length"]
        forward = case.op == "SignalRfft"
        fft = FixedFft(length, 8 * node.output().dtype.itemsize, not forward)
        (sample,) = signals(np.random.default_rng(seed), interpreter.graph, 1)
        assert sample is not None
        interpreter.set_input(sample[0], 0)
        interpreter.invoke()
        rows = sample[0].reshape(-1, sample[0].shape[-1]).tolist()
        have = interpreter.get_output(0).reshape(len(rows), -1).tolist()
        for row, got in zip(rows, have, strict=True):
            filled = row + [0] * (length - len(row))
            assert got == (fft.forward(filled) if forward else fft.backward(row))

    check()


def fft_model(op: str, dtype: str, length: int, rows: int) -> bytes:
    ends = Input((rows, length), dtype), Input((rows, length + 2), dtype)
    before, after = ends if op == "SignalRfft" else ends[::-1]
    return custom_model(
        op, [before], [after], {"T": int(TYPE_NUMBERS[dtype]), "fft_length": length}
    )


def loud(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    """Numbers so large that a twiddle factor wrong in its last bit shows."""
    if dtype == "float32":
        return rng.standard_normal(shape).astype(np.float32)
    largest = np.iinfo(dtype).max
    return rng.integers(-largest, largest, shape, dtype, endpoint=True)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
@pytest.mark.parametrize("op", ["SignalRfft", "SignalIrfft"])
def test_every_twiddle_of_every_length(tflm: TflmRuntime, op: str, dtype: str) -> None:
    """Every length up to 1024 that there is, 2048 and 4096, 16 rows of loud noise each."""
    rng = np.random.default_rng(11)
    for length in MANY_LENGTHS:
        data = fft_model(op, dtype, length, 16)
        interpreter = Interpreter.from_bytes(data)
        sample = loud(rng, interpreter.graph.main.inputs[0].shape, dtype)
        interpreter.set_input(sample, 0)
        interpreter.invoke()
        (want,) = tflm.run(data, [[sample]]).outputs[0]
        assert interpreter.get_output(0).tobytes() == want.tobytes(), length


@given(st.integers(0, 2**14))
def test_which_lengths_have_a_plan(length: int) -> None:
    left = length
    for p in (2, 3, 5):
        while left and left % p == 0:
            left //= p
    assert has_plan(length) == (length >= 4 and length % 2 == 0 and left == 1)
