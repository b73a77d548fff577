"""LOGISTIC, TANH, ELU, HARD_SWISH: functions of one element.

The formulas are those of the kernels; where those hold tables of all outputs, a table's entry is
made again step by step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from microinterp.explain import fixed_point
from microinterp.explain.ops.pairs import reals_of
from microinterp.explain.recorder import Recorder
from microinterp.explain.subject import Explainer, Outcome, Subject
from microinterp.kernels.common import multiplier_of
from microinterp.kernels.logistic import Int16Params
from microinterp.quant.params import Multiplier, round_half_away

_INPUT_BITS = 4
_RAMP_SCALE = 3 / 32768
_SIGMOID_BITS, _TANH_BITS = 9, 8  # of an int16 input that interpolate


def _centred(subject: Subject, recorder: Recorder) -> tuple[Any, float]:
    """The element less its zero point, and what it stands for."""
    x = subject.read(recorder, 0, subject.index)
    (real,) = reals_of(subject, x)
    return recorder.do(
        "subtract", "subtract zero point", x=x, y=subject.node.input(0).zero_point
    ), real


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else 1 - _sigmoid(-x)


def _logistic(subject: Subject, recorder: Recorder) -> Outcome:
    if isinstance(subject.params, Int16Params):
        x = subject.read(recorder, 0, subject.index)
        value = sigmoid_int16(recorder, x, subject.params)
        return Outcome(value, _sigmoid(*reals_of(subject, x)))
    x, real = _centred(subject, recorder)
    return Outcome(_fixed(subject, recorder, x, fixed_point.logistic, 8), _sigmoid(real))


def _tanh(subject: Subject, recorder: Recorder) -> Outcome:
    if isinstance(subject.params, Int16Params):
        x = subject.read(recorder, 0, subject.index)
        value = tanh_int16(recorder, x, subject.params)
        return Outcome(value, math.tanh(*reals_of(subject, x)))
    x, real = _centred(subject, recorder)
    return Outcome(_fixed(subject, recorder, x, fixed_point.tanh, 7), math.tanh(real))


def _fixed(
    subject: Subject,
    recorder: Recorder,
    x: Any,
    curve: fixed_point.Curve,
    fraction_bits: int,
) -> Any:
    """int8: the input in Q4.27, gemmlowp's function, outputs of so many fraction bits."""
    fraction, shift = math.frexp(float(subject.node.input(0).scale) * (1 << 31 - _INPUT_BITS))
    multiplier = round_half_away(fraction * (1 << 31))
    radius = math.floor(((1 << _INPUT_BITS) - 1) * (1 << 31 - _INPUT_BITS) / (1 << shift))
    if abs(x) >= radius:
        label = "beyond the radius"
        return recorder.do("saturated", label, x=x, radius=radius, low=-128, high=127)
    function = subject.profile.requantise(subject.node.name)
    scaled = recorder.requantise(x, function, multiplier, min(shift, 30), "scale to Q4.27")
    result = curve(recorder, scaled, _INPUT_BITS)
    exponent = 31 - fraction_bits
    steps = recorder.do("rounding_divide", "in output steps", x=result, exponent=exponent)
    zero = -128 if fraction_bits == 8 else 0
    return recorder.output(steps, zero, -128, 127, 2.0**-fraction_bits)


def sigmoid_int16(r: Recorder, x: int, p: Int16Params) -> Any:
    """sigmoid of a scaled int16 as a fraction of 2^15."""
    scaled, result = _from_table(r, x, p, _SIGMOID_BITS, 0x7FFF << 10)
    if scaled < 0:
        result = r.do("subtract", "x < 0: 1 less that", x=1 << 25, y=result)
    half = (1 << 9) - (scaled < 0)
    rounded = r.do("add", "half a step", x=result, y=half)
    real = (rounded >> 10) / 2**15
    return r.do("shift_right", "in steps of 2^-15", real=real, x=rounded, bits=10)


def tanh_int16(r: Recorder, x: int, p: Int16Params) -> Any:
    """tanh of a scaled int16 as a fraction of 2^15."""
    scaled, result = _from_table(r, x, p, _TANH_BITS, 0xFFFF << 8)
    note = "tanh(x) = 2 sigmoid(2x) - 1"
    result = r.do("subtract", "less one half", note, x=result, y=1 << 23)
    if scaled < 0:
        result = r.do("negate", "x < 0: negated", x=result)
    half = (1 << 7) - (scaled < 0)
    rounded = r.do("add", "half a step", x=result, y=half)
    real = (rounded >> 8) / 2**15
    return r.do("shift_right", "in steps of 2^-15", real=real, x=rounded, bits=8)


def _from_table(r: Recorder, x: int, p: Int16Params, bits: int, saturated: int) -> tuple[Any, Any]:
    """The scaled input, and sigmoid * 2^(16 + bits) at its magnitude."""
    scaled = r.do("multiply", "times the scale", x=x, y=int(p.multiplier))
    if p.shift:
        label = "in the table's steps"
        scaled = r.do("shift_right_rounded", label, x=scaled, bits=int(p.shift))
    magnitude = r.do("absolute", "|x|", x=scaled)
    index = r.do("shift_right", "choose the entry", x=magnitude, bits=bits)
    last = len(p.sigmoid) - 1
    if index >= last:
        label = "beyond the table"
        return scaled, r.do("saturated", label, x=index, radius=last, low=0, high=saturated)
    entry, following = int(p.sigmoid[index]), int(p.sigmoid[index + 1])
    note = f"sigmoid({index}/24) = {_sigmoid(index / 24):.6f} in 2^-16, raised a little"
    base = r.lookup("sigmoid there", index, entry, note)
    behind = r.do("add", "the entry behind it", x=index, y=1)
    behind = r.lookup("sigmoid there", behind, following)
    rise = r.do("subtract", "rise between them", x=behind, y=base)
    part = r.do("low_bits", "the bits below", x=magnitude, bits=bits)
    rise = r.do("multiply", "rise times those", x=rise, y=part)
    base = r.do("shift_left", "in finer steps", x=base, bits=bits)
    return scaled, r.do("add", "sigmoid, interpolated", x=base, y=rise)


def _elu(subject: Subject, recorder: Recorder) -> Outcome:
    """int8, all in float32."""
    x, out = subject.node.input(0), subject.out
    centred, exact = _centred(subject, recorder)
    label = "times the scale"
    value = recorder.do("multiply_to_float32", label, x=centred, y=float(x.scale))
    if value < 0:
        value = recorder.do("exp_float32", "exp", x=value)
        value = recorder.do("subtract_float32", "- 1", x=value, y=1.0)
    inverse = recorder.do("divide_float32", "1 / output scale", x=1.0, y=float(out.scale))
    steps = recorder.do("multiply_to_float32", "in output steps", x=value, y=inverse)
    whole = recorder.do("round_float", "to the nearest whole", x=steps)
    real = math.expm1(exact) if exact < 0 else exact
    return Outcome(recorder.output(whole, out.zero_point, -128, 127, subject.scale), real)


def _hard_swish(subject: Subject, recorder: Recorder) -> Outcome:
    node, out = subject.node, subject.out
    fine = float(node.input(0).scale) / 128
    output = multiplier_of(node, fine / float(out.scale))
    ramp = multiplier_of(node, fine / _RAMP_SCALE)
    centred, exact = _centred(subject, recorder)
    value = recorder.do("shift_left", "room for fractions", x=centred, bits=7)
    with recorder.section("x in output steps"):
        scaled = _times(recorder, value, output)
    with recorder.section("ramp: (x + 3) / 6 within 0 and 1, in 2^-15"):
        gate = _ramp(recorder, value, ramp)
    with recorder.section("their product"):
        product = recorder.do("multiply", "ramp * x", x=gate, y=scaled)
        whole = recorder.do("divide_truncated", "drop 15 bits, toward 0", x=product, y=1 << 15)
        steps = recorder.do(
            "rounding_divide_16", "in output steps", x=whole, exponent=-output.shift
        )
        moved = recorder.do("add", "add output zero point", x=steps, y=out.zero_point)
        moved = recorder.wrap(moved, 16)
        real = (max(-128, min(127, moved)) - out.zero_point) * subject.scale
        result = recorder.do("clamp", "clamp", x=moved, low=-128, high=127, real=real)
    return Outcome(result, exact * min(max(exact + 3, 0), 6) / 6)


def _times(recorder: Recorder, x: int, factor: Multiplier) -> Any:
    """x times the multiplier's upper half, int16."""
    half = recorder.do("reduce_multiplier", "multiplier in 16 bits", multiplier=factor.multiplier)
    label = "times the multiplier"
    return recorder.do("multiply_rounded", label, x=x, multiplier=half, bits=15)


def _ramp(recorder: Recorder, value: int, ramp: Multiplier) -> Any:
    def saturate(x: int) -> Any:
        return recorder.do("clamp", "within int16", x=x, low=-32768, high=32767)

    gate = value
    if ramp.shift > 0:
        gate = saturate(recorder.do("shift_left", "shift left", x=gate, bits=ramp.shift - 1))
    gate = _times(recorder, gate, ramp)
    if ramp.shift > 0:
        gate = saturate(recorder.do("shift_left", "the last bit", x=gate, bits=1))
    if ramp.shift < 0:
        gate = recorder.do("rounding_divide_16", "shift right", x=gate, exponent=-ramp.shift)
    gate = recorder.do("add", "+ 3", x=gate, y=1 << 15)
    return recorder.do("shift_right", "half: from 0 to 1", x=gate, bits=1)


EXPLAINERS: Mapping[str, Explainer] = {
    "LOGISTIC": _logistic,
    "TANH": _tanh,
    "ELU": _elu,
    "HARD_SWISH": _hard_swish,
}
