"""Random models of the Signal* operators; options and shapes reach their edges."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from tflite import TensorType

from tests.ops.custom import custom_model
from tests.ops.movement import Constant, Input, random_constant
from tests.ops.strategies import seeds, shapes

TYPE_NUMBERS = {
    "float32": TensorType.FLOAT32,
    "int16": TensorType.INT16,
    "int32": TensorType.INT32,
}
LENGTHS = (4, 6, 8, 10, 12, 16, 18, 20, 24, 30, 32, 36, 48, 50, 54, 60, 64, 90, 128, 150, 240)
"""Of FFTs: every radix alone and with each of the others."""


def _constant(draw: st.DrawFn, shape: tuple[int, ...], dtype: str) -> Constant:
    return Constant(random_constant(np.random.default_rng(draw(seeds())), shape, dtype))


def _maybe_constant(draw: st.DrawFn, shape: tuple[int, ...], dtype: str) -> Input | Constant:
    return _constant(draw, shape, dtype) if draw(st.booleans()) else Input(shape, dtype)


@st.composite
def windows(draw: st.DrawFn) -> bytes:
    """The weights once or several times over the input."""
    shape = draw(shapes(1, 4, 8))
    divisors = [n for n in range(1, int(np.prod(shape)) + 1) if np.prod(shape) % n == 0]
    size = draw(st.sampled_from(divisors))
    return custom_model(
        "SignalWindow",
        [Input(shape, "int16"), _maybe_constant(draw, (size,), "int16")],
        [Input(shape, "int16")],
        {"shift": draw(st.sampled_from((0, 1, 12, 14, 15, 16, 20, 31)))},
    )


@st.composite
def auto_scales(draw: st.DrawFn) -> bytes:
    """One row of samples."""
    shape = (draw(st.integers(1, 40)),)
    return custom_model(
        "SignalFftAutoScale", [Input(shape, "int16")], [Input(shape, "int16"), Input((), "int32")]
    )


@st.composite
def ffts(draw: st.DrawFn, op: str, dtype: str) -> bytes:
    """Any length and any number of rows; forward ones may be filled up with zeros."""
    length = draw(st.sampled_from(LENGTHS))
    lead = draw(shapes(0, 2, 3))
    samples = draw(st.integers(1, length)) if op == "SignalRfft" and draw(st.booleans()) else length
    ends = Input((*lead, samples), dtype), Input((*lead, length + 2), dtype)
    before, after = ends if op == "SignalRfft" else ends[::-1]
    options = {"T": int(TYPE_NUMBERS[dtype]), "fft_length": length}
    return custom_model(op, [before], [after], options)


@st.composite
def energies(draw: st.DrawFn) -> bytes:
    """All bins: what others would hold depends on the memory (tests/ops/test_signal_spectrum)."""
    bins = draw(st.integers(1, 40))
    return custom_model(
        "SignalEnergy",
        [Input((2 * bins + draw(st.integers(0, 3)),), "int16")],
        [Input((bins,), "uint32")],
        {"start_index": 0, "end_index": bins},
    )


@st.composite
def filter_banks(draw: st.DrawFn) -> bytes:
    """Bands that overlap, are empty or of negative width; negative weights."""
    bins, count = draw(st.integers(1, 30)), draw(st.integers(1, 60))
    channels = draw(st.integers(1, 12))
    bands = []
    for _ in range(channels + 1):
        width = draw(st.integers(-1, min(bins, count)))
        room = max(width, 0)
        bands.append((draw(st.integers(0, bins - room)), draw(st.integers(0, count - room)), width))
    tables = [Constant(np.array(column, np.int16)) for column in zip(*bands, strict=True)]
    weights = [_maybe_constant(draw, (count,), "int16") for _ in range(2)]
    return custom_model(
        "SignalFilterBank",
        [Input((bins,), "uint32"), *weights, *tables],
        [Input((channels,), "uint64")],
        {"num_channels": channels},
    )


@st.composite
def square_roots(draw: st.DrawFn) -> bytes:
    """The shift is a constant or an input."""
    shape = (draw(st.integers(1, 40)),)
    shift: Input | Constant = Input((), "int32")
    if draw(st.booleans()):
        shift = Constant(np.array(draw(st.integers(0, 31)), np.int32))
    return custom_model(
        "SignalFilterBankSquareRoot",
        [Input(shape, "uint64"), shift],
        [Input(shape, "uint32")],
    )


@st.composite
def subtractions(draw: st.DrawFn) -> bytes:
    """Factors as front ends have them, or any."""
    channels = draw(st.integers(1, 20))
    bits = draw(st.sampled_from((14, 14, 8, 16, 31, 40)))

    def factor() -> int:
        if draw(st.integers(0, 3)):
            return draw(st.integers(0, 1 << min(bits, 30)))
        return draw(st.integers(-(2**31), 2**31 - 1))

    names = ("smoothing", "one_minus_smoothing", "min_signal_remaining")
    factors = {name: factor() for name in (*names, *(f"alternate_{n}" for n in names[:2]))}
    options: dict[str, Any] = {
        **factors,
        "clamping": draw(st.booleans()),
        "num_channels": channels,
        "smoothing_bits": draw(st.sampled_from((0, 1, 10, 16, 31))),
        "spectral_subtraction_bits": bits,
    }
    one = Input((channels,), "uint32")
    return custom_model("SignalFilterBankSpectralSubtraction", [one], [one, one], options)


@st.composite
def gain_controls(draw: st.DrawFn) -> bytes:
    """Any table of gains, constant or not."""
    one = Input((draw(st.integers(1, 20)),), "uint32")
    table = _maybe_constant(draw, (125 + draw(st.integers(0, 2)),), "int16")
    shift = draw(st.sampled_from((0, 1, 6, 12, 31, 40, 63)))
    return custom_model("SignalPCAN", [one, one, table], [one], {"snr_shift": shift})


@st.composite
def logs(draw: st.DrawFn) -> bytes:
    """Any scale; the usual one is 64."""
    shape = (draw(st.integers(1, 40)),)
    scale = 64 if draw(st.booleans()) else draw(st.integers(-(2**31), 2**31 - 1))
    bits = draw(st.sampled_from((0, 3, 3, 10, 31)))
    return custom_model(
        "SignalFilterBankLog",
        [Input(shape, "uint32")],
        [Input(shape, "int16")],
        {"input_correction_bits": bits, "output_scale": scale},
    )


@st.composite
def framers(draw: st.DrawFn) -> bytes:
    """Frames longer and shorter than the step, and no multiple of it.

    Small ones start with frames that are not valid; what large ones hold then depends on what TFLM
    had in its memory before.
    """
    lead = draw(shapes(0, 2, 3))
    step, size, count = (draw(st.integers(1, n)) for n in (8, 24, 4))
    is_small = int(np.prod(lead)) * size * count <= 20
    prefill = size >= step and (not is_small or draw(st.booleans()))
    return custom_model(
        "SignalFramer",
        [Input((*lead, count * step), "int16")],
        [Input((*lead, count, size), "int16"), Input((), "bool")],
        {"frame_size": size, "frame_step": step, "prefill": prefill},
    )


@st.composite
def stackers(draw: st.DrawFn) -> bytes:
    """Contexts on either side, or none; steps up to a whole stack."""
    channels, left, right = (draw(st.integers(n, 4)) for n in (1, 0, 0))
    size = left + right + 1
    return custom_model(
        "SignalStacker",
        [Input((channels,), "int16")],
        [Input((size * channels,), "int16"), Input((), "bool")],
        {
            "num_channels": channels,
            "stacker_left_context": left,
            "stacker_right_context": right,
            "stacker_step": draw(st.integers(1, size)),
        },
    )


@st.composite
def delays(draw: st.DrawFn) -> bytes:
    """None, less than a row, and more than one."""
    shape = draw(shapes(1, 3, 8))
    return custom_model(
        "SignalDelay",
        [Input(shape, "int16")],
        [Input(shape, "int16")],
        {"delay_length": draw(st.integers(0, 20))},
    )


@st.composite
def overlap_adds(draw: st.DrawFn, dtype: str) -> bytes:
    """Frames that overlap much, a little or not."""
    lead = draw(shapes(0, 2, 3))
    count, size = draw(st.integers(1, 4)), draw(st.integers(1, 12))
    step = draw(st.integers(1, size))
    return custom_model(
        "SignalOverlapAdd",
        [Input((*lead, count, size), dtype)],
        [Input((*lead, count * step), dtype)],
        {"T": int(TYPE_NUMBERS[dtype]), "frame_step": step},
    )
