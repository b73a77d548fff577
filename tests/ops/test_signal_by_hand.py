"""Signal* operators: numbers worked out by hand, elements that stay as they were, refusals."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from microinterp import Interpreter
from microinterp.errors import PrepareError, UnsupportedError
from microinterp.quant.kiss_fft import make_plan
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.custom import custom_model
from tests.ops.movement import Constant, Input, assert_refused, run_one

Array = npt.NDArray[Any]


def i16(*values: int) -> Array:
    return np.array(values, np.int16)


def u32(*values: int) -> Array:
    return np.array(values, np.uint32)


def stream(data: bytes, *samples: Array | None) -> list[list[Any]]:
    """Outputs of each invoke as lists; None resets."""
    interpreter = Interpreter.from_bytes(data)
    found = []
    for sample in samples:
        if sample is None:
            interpreter.reset()
            continue
        interpreter.set_input(sample, 0)
        interpreter.invoke()
        count = len(interpreter.graph.main.outputs)
        found.append([interpreter.get_output(i).tolist() for i in range(count)])
    return found


def framer(length: int, size: int, step: int, prefill: bool) -> bytes:
    return custom_model(
        "SignalFramer",
        [Input((length,), "int16")],
        [Input((length // step, size), "int16"), Input((), "bool")],
        {"frame_size": size, "frame_step": step, "prefill": prefill},
    )


def energy(start: int, end: int, bins: int) -> bytes:
    return custom_model(
        "SignalEnergy",
        [Input((2 * bins,), "int16")],
        [Input((bins,), "uint32")],
        {"start_index": start, "end_index": end},
    )


def test_window() -> None:
    data = custom_model(
        "SignalWindow",
        [Input((4,), "int16"), Constant(i16(4096, -3))],
        [Input((4,), "int16")],
        {"shift": 1},
    )
    assert run_one(data, i16(1, 1, 32767, 5)).tolist() == [2048, -2, 32767, -8]


def test_auto_scale() -> None:
    one = Input((3,), "int16")
    data = custom_model("SignalFftAutoScale", [one], [one, Input((), "int32")])
    found = stream(data, i16(3, -5, 0), i16(0, 0, 0), i16(1, 32767, 1))
    assert found == [[[12288, -20480, 0], 12], [[0, 0, 0], 0], [[1, 32767, 1], 0]]
    # |-32768| overflows to -32768 in TFLM: the maximum starts anew behind it, with its sign
    assert stream(data, i16(99, -32768, -7)) == [[[99, -32768, -7], 0]]
    assert stream(data, i16(9, -32768, 7)) == [[[-28672, 0, 28672], 12]]


def test_framer_with_zeros_in_front() -> None:
    found = stream(framer(4, 3, 2, True), i16(1, 2, 3, 4), i16(5, 6, 7, 8), None, i16(9, 8, 7, 6))
    assert found == [
        [[[0, 1, 2], [2, 3, 4]], True],
        [[[4, 5, 6], [6, 7, 8]], True],
        [[[0, 9, 8], [8, 7, 6]], True],
    ]


def test_framer_waits_for_its_first_frame(tflm: TflmRuntime) -> None:
    """The first frame is there after two steps, the oldest 3 of 4 samples; until then no frame."""
    data = framer(2, 3, 2, False)
    samples = [i16(1, 2), i16(3, 4), i16(5, 6), None, i16(7, 8), i16(9, 10)]
    found = stream(data, *samples)
    assert [valid for _, valid in found] == [False, True, True, False, True]
    assert [frames for frames, valid in found if valid] == [[[1, 2, 3]], [[3, 4, 5]], [[7, 8, 9]]]
    theirs = tflm.run(data, [None if s is None else [s] for s in samples]).outputs
    for (frames, valid), (want, want_valid) in zip(found, theirs, strict=True):
        assert valid == want_valid.item()
        assert not valid or frames == want.tolist()


def test_large_framers_equal_tflm_where_frames_are_valid(tflm: TflmRuntime) -> None:
    rng = np.random.default_rng(1)
    for size, step, length in ((40, 8, 16), (33, 8, 8), (7, 7, 21), (5, 8, 16), (64, 5, 20)):
        data = framer(length, size, step, False)
        samples = [rng.integers(-(2**15), 2**15, length).astype(np.int16) for _ in range(16)]
        theirs = tflm.run(data, [[s] for s in samples]).outputs
        seen = 0
        for (frames, valid), (want, want_valid) in zip(stream(data, *samples), theirs, strict=True):
            assert valid == want_valid.item()
            seen += valid
            assert not valid or frames == want.tolist()
        assert seen > 3


def test_stacker() -> None:
    data = custom_model(
        "SignalStacker",
        [Input((1,), "int16")],
        [Input((3,), "int16"), Input((), "bool")],
        {
            "num_channels": 1,
            "stacker_left_context": 1,
            "stacker_right_context": 1,
            "stacker_step": 2,
        },
    )
    found = stream(data, *(i16(n) for n in (1, 2, 3, 4)), None, i16(5), i16(6))
    assert [valid for _, valid in found] == [False, True, False, True, False, True]
    assert [out for out, valid in found if valid] == [[1, 1, 2], [2, 3, 4], [5, 5, 6]]


def test_delay_and_overlap_add() -> None:
    row = Input((2,), "int16")
    data = custom_model("SignalDelay", [row], [row], {"delay_length": 3})
    found = stream(data, i16(1, 2), i16(3, 4), i16(5, 6), None, i16(7, 8))
    assert found == [[[0, 0]], [[0, 1]], [[2, 3]], [[0, 0]]]
    data = custom_model(
        "SignalOverlapAdd", [Input((1, 3), "int16")], [row], {"T": 7, "frame_step": 2}
    )
    frames = i16(1, 2, 30000).reshape(1, 3), i16(10000, 5, 6).reshape(1, 3)
    assert stream(data, *frames, None, frames[0]) == [[[1, 2]], [[32767, 5]], [[1, 2]]]


def test_energy_leaves_other_bins_alone(tflm: TflmRuntime) -> None:
    x = i16(1, 2, 3, 4, -32768, -32768, 5, 6)
    found = run_one(energy(1, 3, 4), x)
    assert found[1:3].tolist() == [25, 2**31]
    (theirs,) = tflm.run(energy(1, 3, 4), [[x]]).outputs[0]
    assert theirs[1:3].tolist() == [25, 2**31]


def test_features_of_a_channel() -> None:
    one = Input((2,), "uint32")
    log = custom_model(
        "SignalFilterBankLog",
        [one],
        [Input((2,), "int16")],
        {"input_correction_bits": 0, "output_scale": 64},
    )
    # 64 * log(2^10), 45426 / 2^16 for log(2)
    assert run_one(log, u32(1, 1024)).tolist() == [0, round(64 * 10 * 45426 / 65536)]
    table = Constant(np.arange(125, dtype=np.int16) * 64)
    pcan = custom_model("SignalPCAN", [one, Constant(u32(0, 2)), table], [one], {"snr_shift": 0})
    # gains 0 and 128; 128 * 64 = 2.0 in 2^-12, minus 1, in 2^-6
    assert run_one(pcan, u32(999, 64)).tolist() == [0, 64]
    root = custom_model(
        "SignalFilterBankSquareRoot",
        [Input((4,), "uint64"), Constant(np.array(1, np.int32))],
        [Input((4,), "uint32")],
    )
    x = np.array([90, 91, 2**32 - 1, 2**64 - 1], np.uint64)
    # 9.49 and 9.54 round to 9 and 10; below 2^32 a root has 16 bits
    assert run_one(root, x).tolist() == [4, 5, 0x7FFF, 0x7FFFFFFF]


def test_an_impulse_has_a_flat_spectrum() -> None:
    """In fixed point each stage divides: 16 samples come out as x / 16, rounded stage by stage."""
    ends = [Input((16,), "int16")], [Input((18,), "int16")]
    data = custom_model("SignalRfft", *ends, {"T": 7, "fft_length": 16})
    x = np.zeros(16, np.int16)
    x[0] = 16384
    assert run_one(data, x).reshape(9, 2).tolist()[0] == [1024, 0]
    real = [Input((8,), "float32")], [Input((10,), "float32")]
    data = custom_model("SignalRfft", *real, {"T": 0, "fft_length": 8})
    impulse = np.array([1, 0, 0, 0, 0, 0, 0, 0], np.float32)
    assert run_one(data, impulse).reshape(5, 2).tolist() == [[1, 0]] * 5


@pytest.mark.parametrize("length", [0, 2, 3, 7, 14, 22, 2**16 + 2, -4])
def test_fft_lengths_without_a_plan(length: int) -> None:
    ends = [Input((max(length, 2),), "int16")], [Input((max(length, 2) + 2,), "int16")]
    data = custom_model("SignalRfft", *ends, {"T": 7, "fft_length": length})
    assert_refused(data, f"an FFT of {length} samples is not supported", kind=UnsupportedError)


ROW, WORD, FLAG = Input((4,), "int16"), Input((4,), "uint32"), Input((), "bool")
FRAMES = Input((2, 3), "int16")
STACK = {
    "num_channels": 4,
    "stacker_left_context": 0,
    "stacker_right_context": 0,
    "stacker_step": 1,
}
SUBTRACTION = {
    "alternate_one_minus_smoothing": 1,
    "alternate_smoothing": 1,
    "clamping": False,
    "min_signal_remaining": 1,
    "num_channels": 4,
    "one_minus_smoothing": 1,
    "smoothing": 1,
    "smoothing_bits": 1,
    "spectral_subtraction_bits": 14,
}
BANDS = [Constant(i16(0, 1)), Constant(i16(0, 1)), Constant(i16(1, 3))]
WEIGHTS = Constant(i16(1, 2, 3, 4))
REFUSED = {
    "no options": ("SignalDelay", [ROW], [ROW], None, "the custom options are no map"),
    "damaged": ("SignalDelay", [ROW], [ROW], b"\x00\x24\x81", "the custom options are no map"),
    "another op": ("SignalDelay", [ROW], [ROW], {"shift": 1}, "wanted delay_length"),
    "a text": ("SignalDelay", [ROW], [ROW], {"delay_length": "x"}, "no number as delay_length"),
    "delay": ("SignalDelay", [ROW], [ROW], {"delay_length": -1}, "delay_length is -1"),
    "weights": (
        "SignalWindow",
        [ROW, Constant(i16(1, 2, 3))],
        [ROW],
        {"shift": 1},
        "no multiple of 3 weights",
    ),
    "shift": ("SignalWindow", [ROW, Constant(i16(1))], [ROW], {"shift": 32}, "shift is 32"),
    "step": (
        "SignalFramer",
        [ROW],
        [FRAMES, FLAG],
        {"frame_size": 3, "frame_step": 3, "prefill": True},
        "no multiple of 3 samples",
    ),
    "prefill": (
        "SignalFramer",
        [ROW],
        [Input((1, 3), "int16"), FLAG],
        {"frame_size": 3, "frame_step": 4, "prefill": True},
        "frame_step is 4, wanted 3 (frame_size) at most",
    ),
    "no step": (
        "SignalFramer",
        [ROW],
        [FRAMES, FLAG],
        {"frame_size": 3, "frame_step": 0, "prefill": True},
        "frame_size is 3, frame_step 0, wanted 1 or more",
    ),
    "stack": (
        "SignalStacker",
        [ROW],
        [ROW, FLAG],
        {**STACK, "stacker_step": 2},
        "stacker_step is 2, wanted 1 to 1",
    ),
    "context": (
        "SignalStacker",
        [ROW],
        [ROW, FLAG],
        {**STACK, "stacker_left_context": -1},
        "contexts of -1 and 0 vectors, wanted 0 or more",
    ),
    "bins": (
        "SignalEnergy",
        [ROW],
        [WORD],
        {"start_index": 0, "end_index": 3},
        "4 numbers hold no 3 bins",
    ),
    "range": (
        "SignalEnergy",
        [ROW],
        [WORD],
        {"start_index": 2, "end_index": 1},
        "bins 2 to 1 are no range",
    ),
    "band": (
        "SignalFilterBank",
        [WORD, WEIGHTS, WEIGHTS, BANDS[0], BANDS[1], Constant(i16(1, 4))],
        [Input((1,), "uint64")],
        {"num_channels": 1},
        "a band of 4 at 1 does not lie inside",
    ),
    "few bands": (
        "SignalFilterBank",
        [WORD, WEIGHTS, WEIGHTS, *BANDS],
        [Input((2,), "uint64")],
        {"num_channels": 2},
        "has 2 numbers, wanted 3 or more",
    ),
    "subtraction": (
        "SignalFilterBankSpectralSubtraction",
        [WORD],
        [WORD, WORD],
        {**SUBTRACTION, "smoothing_bits": 32},
        "smoothing_bits is 32",
    ),
    "table": (
        "SignalPCAN",
        [WORD, WORD, Constant(np.zeros(124, np.int16))],
        [WORD],
        {"snr_shift": 6},
        "int16[124] has 124 numbers, wanted 125 or more",
    ),
    "frame_step": (
        "SignalOverlapAdd",
        [FRAMES],
        [Input((8,), "int16")],
        {"T": 7, "frame_step": 4},
        "frame_step is 4, wanted 1 to 3",
    ),
    "rows": (
        "SignalRfft",
        [Input((12,), "int16")],
        [Input((10,), "int16")],
        {"T": 7, "fft_length": 8},
        "has rows longer than the FFT of 8 points",
    ),
    "spectrum": (
        "SignalIrfft",
        [Input((9,), "int16")],
        [Input((8,), "int16")],
        {"T": 7, "fft_length": 8},
        "wanted [10]",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    op, inputs, outputs, options, text = REFUSED[name]
    with pytest.raises(PrepareError) as caught:
        Interpreter.from_bytes(custom_model(op, inputs, outputs, options))
    assert text in str(caught.value)
    assert (caught.value.where.op_index, caught.value.where.op_name) == (0, op)


@pytest.mark.parametrize("op", ["SignalRfft", "SignalIrfft", "SignalOverlapAdd"])
def test_type_numbers(op: str) -> None:
    name = "frame_step" if op == "SignalOverlapAdd" else "fft_length"
    data = custom_model(op, [FRAMES], [ROW], {"T": 9, name: 4})
    assert_refused(data, "element type number 9 is not supported", kind=UnsupportedError)


def test_bands_must_be_constant() -> None:
    inputs = [WORD, WEIGHTS, WEIGHTS, Input((2,), "int16"), *BANDS[1:]]
    data = custom_model("SignalFilterBank", inputs, [Input((1,), "uint64")], {"num_channels": 1})
    assert_refused(data, "bands computed at run time", 3, UnsupportedError)


def test_plans_of_transforms_are_not_changed() -> None:
    """Number types are shared by all plans, and a plan by all calls of an op."""
    plan = make_plan(8, "int16", inverse=False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.inverse = True  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.numbers.bits = 7  # type: ignore[misc]
