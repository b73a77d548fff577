"""Spec loops of the Signal* operators over plain Python ints, from TFLM's signal/src.

Each takes the options, flat lists of the inputs and the shapes of inputs and outputs, and a dict
that lives as long as the stream. It returns flat lists of the outputs; None where an element is
left as it was.
"""

from __future__ import annotations

from math import isqrt, log2, prod
from typing import Any

Flat = list[Any]
Shapes = list[tuple[int, ...]]
U32, U64 = 2**32, 2**64


def int16(x: int) -> int:
    return (x + 2**15) % 2**16 - 2**15


def clamp16(x: int) -> int:
    return max(-(2**15), min(2**15 - 1, x))


def window(o: dict[str, Any], ins: list[Flat], shapes: Shapes, state: dict[str, Any]) -> list[Flat]:
    x, weights = ins
    return [[clamp16((v * weights[i % len(weights)]) >> o["shift"]) for i, v in enumerate(x)]]


def auto_scale(
    o: dict[str, Any], ins: list[Flat], shapes: Shapes, state: dict[str, Any]
) -> list[Flat]:
    largest = 0
    for v in ins[0]:
        if v > largest:
            largest = v
        elif -v > largest:
            largest = int16(-v)
    bits = 0 if largest <= 0 else 15 - largest.bit_length()
    return [[int16(v << bits) for v in ins[0]], [bits]]


def energy(o: dict[str, Any], ins: list[Flat], shapes: Shapes, state: dict[str, Any]) -> list[Flat]:
    out: Flat = [None] * prod(shapes[-1])
    for i in range(o["start_index"], o["end_index"]):
        out[i] = ins[0][2 * i] ** 2 + ins[0][2 * i + 1] ** 2
    return [out]


def filter_bank(
    o: dict[str, Any], ins: list[Flat], shapes: Shapes, state: dict[str, Any]
) -> list[Flat]:
    x, weights, unweights, bins, starts, widths = ins
    out, carried = [], 0
    for c in range(o["num_channels"] + 1):
        total, left = carried, 0
        for j in range(widths[c]):
            total += weights[starts[c] + j] * x[bins[c] + j]
            left += unweights[starts[c] + j] * x[bins[c] + j]
        out.append(total % U64)
        carried = left
    return [out[1:]]


def square_root(
    o: dict[str, Any], ins: list[Flat], shapes: Shapes, state: dict[str, Any]
) -> list[Flat]:
    out = []
    for v in ins[0]:
        root = isqrt(v)
        if v - root * root > root and root != (0xFFFF if v < U32 else 0xFFFFFFFF):
            root += 1
        out.append(root >> (ins[1][0] % 32))
    return [out]


def subtraction(
    o: dict[str, Any], ins: list[Flat], shapes: Shapes, state: dict[str, Any]
) -> list[Flat]:
    estimates = state.setdefault("estimates", [0] * len(ins[0]))
    bits, out = o["spectral_subtraction_bits"], []
    for i, v in enumerate(ins[0]):
        prefix = "alternate_" if i % 2 else ""
        scaled = (v << o["smoothing_bits"]) % U32
        mixed = scaled * (o[prefix + "smoothing"] % U32)
        mixed += estimates[i] * (o[prefix + "one_minus_smoothing"] % U32)
        estimates[i] = (mixed % U64 >> bits) % U32
        taken = min(estimates[i], scaled)
        if o["clamping"]:
            estimates[i] = taken
        floor = (v * (o["min_signal_remaining"] % U32) >> bits) % U32
        out.append(max((scaled - taken) >> o["smoothing_bits"], floor))
    return [out, list(estimates)]


def gain_control(
    o: dict[str, Any], ins: list[Flat], shapes: Shapes, state: dict[str, Any]
) -> list[Flat]:
    out = []
    for v, noise in zip(ins[0], ins[1], strict=True):
        snr = (v * (_gain(noise, ins[2]) % U32) >> o["snr_shift"]) % U32
        out.append(snr * snr >> 20 if snr < 2 << 12 else (snr >> 6) - 64)
    return [out]


def _gain(x: int, table: Flat) -> int:
    if x <= 2:
        return int(table[x])
    bits = x.bit_length()
    at = 4 * bits - 6
    position = (x << 11 >> bits) & 0x3FF
    rise = ((table[at + 2] * position >> 5) + (table[at + 1] << 5)) * position
    return int16(table[at] + ((rise + 2**14) >> 15))


def log(o: dict[str, Any], ins: list[Flat], shapes: Shapes, state: dict[str, Any]) -> list[Flat]:
    out = []
    for v in ins[0]:
        x = (v << o["input_correction_bits"]) % U32
        if x <= 1:
            out.append(0)
            continue
        whole = x.bit_length() - 1
        part = ((x << 16) >> whole) - 2**16
        segment = part // 512
        low, high = (round(2**16 * (log2(1 + i / 128) - i / 128)) for i in (segment, segment + 1))
        total = (whole << 16) + part + low + ((high - low) * (part - 512 * segment) >> 16)
        natural = (45426 * total + 2**15) >> 16
        out.append(min((((o["output_scale"] % U32) * natural + 2**15) % U32) >> 16, 2**15 - 1))
    return [out]


def framer(o: dict[str, Any], ins: list[Flat], shapes: Shapes, state: dict[str, Any]) -> list[Flat]:
    size, step, length = o["frame_size"], o["frame_step"], shapes[0][-1]
    out: Flat = []
    valid = True
    for row in range(len(ins[0]) // length):
        filled = [0] * (size - step) if o["prefill"] else []
        waiting = state.setdefault(row, filled)
        for start in range(row * length, (row + 1) * length, step):
            waiting.extend(ins[0][start : start + step])
            if len(waiting) >= size:
                out.extend(waiting[:size])
                del waiting[:step]
            else:
                out.extend([None] * size)
                valid = False
    return [out, [valid]]


def stacker(
    o: dict[str, Any], ins: list[Flat], shapes: Shapes, state: dict[str, Any]
) -> list[Flat]:
    left, right = o["stacker_left_context"], o["stacker_right_context"]
    waiting = state.setdefault("waiting", [ins[0]] * left)
    waiting.append(ins[0])
    size = left + right + 1
    if len(waiting) < size:
        return [[None] * (size * len(ins[0])), [False]]
    out = [v for vector in waiting[:size] for v in vector]
    del waiting[: o["stacker_step"]]
    return [out, [True]]


def delay(o: dict[str, Any], ins: list[Flat], shapes: Shapes, state: dict[str, Any]) -> list[Flat]:
    out: Flat = []
    length = shapes[0][-1]
    for row in range(len(ins[0]) // length):
        waiting = state.setdefault(row, [0] * o["delay_length"])
        waiting.extend(ins[0][row * length : (row + 1) * length])
        out.extend(waiting[:length])
        del waiting[:length]
    return [out]


def overlap_add(
    o: dict[str, Any], ins: list[Flat], shapes: Shapes, state: dict[str, Any]
) -> list[Flat]:
    count, size = shapes[0][-2:]
    step, out = o["frame_step"], []
    for row in range(len(ins[0]) // (count * size)):
        sums = state.setdefault(row, [0] * size)
        for frame in range(row * count, (row + 1) * count):
            for i in range(size):
                sums[i] = clamp16(sums[i] + ins[0][frame * size + i])
            out.extend(sums[:step])
            sums[:] = sums[step:] + [0] * step
    return [out]


SPECS = {
    "SignalDelay": delay,
    "SignalEnergy": energy,
    "SignalFftAutoScale": auto_scale,
    "SignalFilterBank": filter_bank,
    "SignalFilterBankLog": log,
    "SignalFilterBankSpectralSubtraction": subtraction,
    "SignalFilterBankSquareRoot": square_root,
    "SignalFramer": framer,
    "SignalOverlapAdd": overlap_add,
    "SignalPCAN": gain_control,
    "SignalStacker": stacker,
    "SignalWindow": window,
}
