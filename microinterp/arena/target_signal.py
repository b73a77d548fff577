"""What TFLM's signal kernels (audio front ends) take from the arena; see target_ops.py.

Source: signal/micro/kernels/*.cc, signal/src/circular_buffer.cc, kiss_fft.c and kiss_fftr.c.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from microinterp.arena.target_ops import Footprint, Site
from microinterp.custom_options import Options


def _circular(site: Site, capacity: int) -> int:
    """Bytes of a circular buffer: its struct, then twice the capacity in int16."""
    return site.table.size("CircularBuffer") + 2 * 2 * capacity


def _rows(site: Site) -> int:
    x = site.node.input(0)
    return x.elements // x.shape[-1]


def _circular_rows(site: Site, capacity: int) -> Sequence[int]:
    """A pointer to the bytes and one to the buffer for each row, then the rows' buffers."""
    rows = _rows(site)
    pointers = site.table.size("pointer", rows)
    return pointers, pointers, *(_circular(site, capacity),) * rows


def _delay(site: Site) -> Sequence[int]:
    frame = site.node.input(0).shape[-1]
    return _circular_rows(site, frame + Options(site.node).integer("delay_length"))


def _framer(site: Site) -> Sequence[int]:
    options = Options(site.node)
    size, step = options.integer("frame_size"), options.integer("frame_step")
    return _circular_rows(site, -(-size // step) * step)


def _stacker(site: Site) -> Sequence[int]:
    options = Options(site.node)
    frames = options.integer("stacker_left_context") + options.integer("stacker_right_context") + 1
    return (_circular(site, options.integer("num_channels") * frames),)


def _overlap_add(site: Site) -> Sequence[int]:
    x = site.node.input(0)
    frame = x.shape[-1]
    rows = x.elements // (frame * x.shape[-2])
    return site.table.size("pointer", rows), *(frame * x.dtype.itemsize,) * rows


def _work_area(site: Site) -> Sequence[int]:
    return (8 * (Options(site.node).integer("num_channels") + 1),)


def _noise(site: Site) -> Sequence[int]:
    return (4 * Options(site.node).integer("num_channels"),)


def _fft(site: Site) -> Sequence[int]:
    """State of a real FFT: that of a complex one of half the length, and its own twiddles."""
    kind = site.node.input(0).type_name
    half = Options(site.node).integer("fft_length") // 2
    value = site.table.size(f"kiss_fft_cpx<{kind}>")
    complex_fft = site.table.size(f"kiss_fft_state<{kind}>") + value * (half - 1)
    real_fft = site.table.size(f"kiss_fftr_state<{kind}>") + value * (half * 3 // 2)
    return (real_fft + complex_fft,)


def _inverse_fft(site: Site) -> Sequence[int]:
    """As the forward one; on float32 a struct comes before it."""
    (state,) = _fft(site)
    is_float = site.node.input(0).type_name == "float32"
    return (state + (site.table.size("IrfftFloatState") if is_float else 0),)


_UNARY = "i0 o0"

SIGNAL: Mapping[str, Footprint] = {
    "SignalDelay": Footprint(
        data="TFLMSignalFrontendDelayParams", steps=f"{_UNARY} P", prepare=_delay
    ),
    "SignalEnergy": Footprint(data="TFLMSignalEnergyParams", steps=_UNARY),
    "SignalFftAutoScale": Footprint(steps="i0 o0 o1"),
    "SignalFilterBank": Footprint(
        data="TFLMSignalFilterBankParams", steps="i* o0", init=_work_area
    ),
    "SignalFilterBankLog": Footprint(data="TFLMSignalLogParams", steps=_UNARY),
    "SignalFilterBankSpectralSubtraction": Footprint(
        data="TFLMSignalSpectralSubtractionParams", steps="i0 o0 o1", init=_noise
    ),
    "SignalFilterBankSquareRoot": Footprint(steps="i0 i1 o0"),
    "SignalFramer": Footprint(data="TFLMSignalFramerParams", steps="i0 o0 o1 P", prepare=_framer),
    "SignalIrfft": Footprint(
        data="TfLiteAudioFrontendIrfftParams", steps=_UNARY, init=_inverse_fft
    ),
    "SignalOverlapAdd": Footprint(
        data="TFLMSignalOverlapAddParams", steps=f"{_UNARY} P", prepare=_overlap_add
    ),
    "SignalPCAN": Footprint(data="TfLitePcanParams", steps="i0 i1 i2 o0"),
    "SignalRfft": Footprint(data="TfLiteAudioFrontendRfftParams", steps=_UNARY, init=_fft),
    "SignalStacker": Footprint(data="TFLMSignalStackerParams", steps="i0 o0 o1", init=_stacker),
    "SignalWindow": Footprint(data="TFLMSignalWindowParams", steps="i0 i1 o0"),
}
