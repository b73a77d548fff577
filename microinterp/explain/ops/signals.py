"""The Signal ops between samples and features, but the FFT: windows, energies, filter banks.

The formulas are those of the kernels; unsigned numbers wrap.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from microinterp.explain.recorder import Recorder, Tap
from microinterp.explain.subject import Explainer, Outcome, Subject
from microinterp.kernels import signal_filter_bank as bank
from microinterp.kernels.signal_spectrum import EnergyParams, WindowParams

_LOG_OF_2 = 45426  # log(2) in 2^-16
_SEGMENT = 9  # bits of a place inside a segment of the logarithm's table
_ONE_SNR = 2 << 12  # where PCAN's curve goes from a square to a line


def _unsigned(r: Recorder, x: int, bits: int) -> Any:
    """`x` as an unsigned C integer; no step where it fits."""
    if 0 <= x < 1 << bits:
        return x
    return r.do("low_bits", f"wraps around {bits} bits, unsigned", x=x, bits=bits)


def _window(subject: Subject, r: Recorder) -> Outcome:
    p: WindowParams = subject.params
    x = subject.read(r, 0, subject.index)
    place = int(np.ravel_multi_index(subject.index, subject.out.shape)) % p.size
    weight = subject.read(r, 1, (place,), "weight")
    x = r.do("multiply", "sample * weight", x=x, y=weight)
    x = r.do("shift_right", "drop its fraction", x=x, bits=p.shift)
    return Outcome(r.do("clamp", "clamp", x=x, low=-32768, high=32767))


def _auto_scale(subject: Subject, r: Recorder) -> Outcome:
    """Output 0: the samples; output 1: by how many bits they are shifted."""
    tensor, x = subject.node.input(0), subject.array(0)
    row = subject.index[:-1] if subject.output == 0 else subject.index
    taps: list[Tap] = [((*row, i), (int(x[row][i]),)) for i in range(x.shape[-1])]
    largest = r.rows("largest_magnitude", "largest |x|", ("input",), taps, source=tensor)
    length = r.do("bit_length", "its bits", x=largest)
    free = r.do("subtract", "bits that are free", x=15, y=length)
    label = "none for silence"
    bits = r.do("if_greater", label, x=15, y=free, value=free, other=0)
    bits = r.do("larger", "and none below 0", x=bits, y=0)
    if subject.output == 1:
        return Outcome(bits)
    sample = subject.read(r, 0, subject.index)
    return Outcome(r.wrap(r.do("shift_left", "shift left", x=sample, bits=bits), 16))


def _energy(subject: Subject, r: Recorder) -> Outcome:
    p: EnergyParams = subject.params
    tensor, x = subject.node.input(0), subject.array(0)
    (bin_number,) = subject.index
    if not p.start <= bin_number < p.end:
        return held_before(subject, r)
    taps: list[Tap] = [((i,), (int(x[i]),)) for i in (2 * bin_number, 2 * bin_number + 1)]
    label = "re^2 + im^2"
    return Outcome(r.rows("sum_of_squares", label, ("input",), taps, source=tensor))


def held_before(subject: Subject, r: Recorder) -> Outcome:
    """An element that this invoke leaves alone."""
    value = subject.before.outputs[subject.output][subject.index]
    label = "left as it was before this invoke"
    return Outcome(r.read(label, subject.out, subject.index, value))


def _filter_bank(subject: Subject, r: Recorder) -> Outcome:
    (channel,) = subject.index
    tensor, x = subject.node.input(0), subject.array(0)
    parts = []
    for position, number, name in ((2, channel, "falling"), (1, channel + 1, "rising")):
        band: bank.Band = subject.params[number]
        weights = subject.array(position)
        bins = range(band.bins.start, band.bins.stop)
        taps: list[Tap] = [
            ((b,), (int(x[b]), int(weights[w])))
            for b, w in zip(bins, range(band.weights.start, band.weights.stop), strict=True)
        ]
        label, columns = f"{name} side: band {number}", ("energy", "weight")
        parts.append(r.sum_of_products(label, columns, (0, 0), taps, source=tensor))
    return Outcome(_unsigned(r, r.do("add", "both sides", x=parts[0], y=parts[1]), 64))


def _square_root(subject: Subject, r: Recorder) -> Outcome:
    x = subject.read(r, 0, subject.index)
    bits = subject.read(r, 1, (), "shift")
    root = r.do("rounded_root", "root, to the nearest whole", x=x)
    bits = r.do("low_bits", "the shift's low 5 bits", x=bits, bits=5)
    return Outcome(r.do("shift_right", "shift right", x=root, bits=bits))


def _subtraction(subject: Subject, r: Recorder) -> Outcome:
    """Output 0: the signal less the noise; output 1: the noise estimate."""
    p: bank.SubtractionParams = subject.params
    (channel,) = subject.index
    smoothing, rest = p.odd if channel % 2 else p.even
    estimate = int(subject.before.state[0].view(np.uint32)[channel])
    x = subject.read(r, 0, subject.index)
    label = "room for fractions"
    scaled = _unsigned(r, r.do("shift_left", label, x=x, bits=p.smoothing_bits), 32)
    with r.section("noise estimate"):
        estimate = r.read("estimate so far", "the op's state", (channel,), estimate)
        new = r.do("multiply", "signal * smoothing", x=scaled, y=smoothing)
        old = r.do("multiply", "estimate * the rest", x=estimate, y=rest)
        mixed = _unsigned(r, r.do("add", "both", x=new, y=old), 64)
        estimate = r.do("shift_right", "drop their fractions", x=mixed, bits=p.bits)
        estimate = _unsigned(r, estimate, 32)
        if subject.output == 1 and not p.clamping:
            return Outcome(estimate)
        taken = r.do("smaller", "not more than the signal", x=estimate, y=scaled)
        if subject.output == 1:
            return Outcome(taken)
    with r.section("what always remains"):
        floor = r.do("multiply", "signal * remaining part", x=x, y=p.remaining)
        floor = r.do("shift_right", "drop its fraction", x=_unsigned(r, floor, 64), bits=p.bits)
        floor = _unsigned(r, floor, 32)
    with r.section("signal less noise"):
        left = r.do("subtract", "signal - noise", x=scaled, y=taken)
        left = r.do("shift_right", "in the signal's steps", x=left, bits=p.smoothing_bits)
        return Outcome(r.do("larger", "at least what remains", x=left, y=floor))


def _pcan(subject: Subject, r: Recorder) -> Outcome:
    shift: int = subject.params
    with r.section("gain: the curve at the noise"):
        gain = _unsigned(r, _gain(subject, r), 32)
    with r.section("signal times gain"):
        x = subject.read(r, 0, subject.index)
        product = _unsigned(r, r.do("multiply", "signal * gain", x=x, y=gain), 64)
        snr = r.do("shift_right", "in 2^-12", x=product, bits=shift)
        snr = _unsigned(r, snr, 32)
    if snr < _ONE_SNR:
        with r.section("below 2: a quarter of its square"):
            square = _unsigned(r, r.do("square", "squared", x=snr), 32)
            return Outcome(r.do("shift_right", "in 2^-6", x=square, bits=20))
    with r.section("2 and more: less 1"):
        line = r.do("shift_right", "in 2^-6", x=snr, bits=6)
        return Outcome(r.do("subtract", "less 1", x=line, y=64))


def _gain(subject: Subject, r: Recorder) -> Any:
    """A piece of a parabola for each number of bits; 0, 1 and 2 have entries of their own."""
    table = subject.array(2)
    noise = subject.read(r, 1, subject.index, "noise estimate")
    if noise <= 2:
        return r.lookup("the table's own entry", noise, int(table[noise]))
    bits = r.do("bit_length", "its bits choose the piece", x=noise)
    first = r.do("shift_left", "4 entries a piece", x=bits, bits=2)
    first = r.do("subtract", "but for 0, 1, 2", x=first, y=6)
    kind, count = ("shift_left", 11 - bits) if bits < 11 else ("shift_right", bits - 11)
    place = r.do(kind, "place in the piece", x=noise, bits=count)
    place = r.do("low_bits", "its 10 bits", x=place, bits=10)
    start = r.lookup("start", first, int(table[first]))
    second = r.do("add", "next entry", x=first, y=1)
    slope = r.lookup("slope", second, int(table[second]))
    third = r.do("add", "next entry", x=first, y=2)
    curve = r.lookup("curvature", third, int(table[third]))
    bend = r.do("multiply", "curvature * place", x=curve, y=place)
    bend = r.do("shift_right", "in the slope's steps", x=bend, bits=5)
    slope = r.do("shift_left", "slope", x=slope, bits=5)
    rise = r.do("add", "slope + bend", x=bend, y=slope)
    rise = r.do("multiply", "times place", x=rise, y=place)
    rise = r.do("shift_right_rounded", "in the table's steps", x=rise, bits=15)
    return r.wrap(r.do("add", "start + rise", x=start, y=rise), 16)


def _log(subject: Subject, r: Recorder) -> Outcome:
    p: bank.LogParams = subject.params
    x = subject.read(r, 0, subject.index)
    x = _unsigned(r, r.do("shift_left", "correction", x=x, bits=p.bits), 32)
    if x <= 1:
        return Outcome(r.lookup("0 for 0 and 1", x, 0))
    with r.section("log2, 16 fractional bits"):
        log = _log2(r, x)
    with r.section("log, in output steps"):
        log = r.do("multiply", "times log(2)", x=log, y=_LOG_OF_2)
        log = r.do("shift_right_rounded", "16 fractional bits", x=log, bits=16)
        scaled = _unsigned(r, r.do("multiply", "times the scale", x=log, y=p.scale), 32)
        half = _unsigned(r, r.do("add", "add one half", x=scaled, y=1 << 15), 32)
        whole = r.do("shift_right", "drop the fraction", x=half, bits=16)
        return Outcome(r.do("smaller", "at most int16's greatest", x=whole, y=32767))


def _log2(r: Recorder, x: int) -> Any:
    """The place of the first bit, a straight line behind it, and the table on top."""
    table = bank.LOG_TABLE
    bits = r.do("bit_length", "bits", x=x)
    whole = r.do("subtract", "place of the first one", x=bits, y=1)
    first = r.do("shift_left", "that bit alone", x=1, bits=whole)
    above = r.do("subtract", "without it", x=x, y=first)
    kind, count = ("shift_left", 16 - whole) if whole < 16 else ("shift_right", whole - 16)
    part = r.do(kind, "as a fraction in 2^-16", x=above, bits=count)
    segment = r.do("shift_right", "choose the entry", x=part, bits=_SEGMENT)
    note = f"log2(1 + {segment}/128) - {segment}/128 in 2^-16"
    low = r.lookup("curve above the line", segment, int(table[segment]), note)
    behind = r.do("add", "the entry behind it", x=segment, y=1)
    high = r.lookup("curve above the line", behind, int(table[behind]))
    rise = r.do("subtract", "rise between them", x=high, y=low)
    inside = r.do("low_bits", "place between them", x=part, bits=_SEGMENT)
    rise = r.do("multiply", "rise times place", x=rise, y=inside)
    note = "a segment has 9 bits: next to nothing stays"
    rise = r.do("shift_right", "TFLM drops 16 bits", note, x=rise, bits=16)
    log = r.do("shift_left", "whole part", x=whole, bits=16)
    log = r.do("add", "+ line", x=log, y=part)
    log = r.do("add", "+ curve", x=log, y=low)
    return r.do("add", "+ rise", x=log, y=rise)


EXPLAINERS: Mapping[str, Explainer] = {
    "SignalEnergy": _energy,
    "SignalFftAutoScale": _auto_scale,
    "SignalFilterBank": _filter_bank,
    "SignalFilterBankLog": _log,
    "SignalFilterBankSpectralSubtraction": _subtraction,
    "SignalFilterBankSquareRoot": _square_root,
    "SignalPCAN": _pcan,
    "SignalWindow": _window,
}
