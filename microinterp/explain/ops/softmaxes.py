"""SOFTMAX and LOG_SOFTMAX: exponentials, their sum, and one element's share.

The formulas are those of the kernels of the same names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tflite

from microinterp.explain import fixed_point
from microinterp.explain.recorder import Recorder, Tap, dequantised
from microinterp.explain.subject import Explainer, Outcome, Subject
from microinterp.kernels import softmax
from microinterp.kernels.log_softmax import Params as LogParams
from microinterp.quant import fixedpoint
from microinterp.quant import fixedpoint_ref as ref
from microinterp.quant.params import Multiplier, quantize_multiplier

_DIFF_BITS = 5
_SUM_BITS = 12
_ROW = ("input", "difference", "exp", "added")


def _axis(subject: Subject) -> list[tuple[int, ...]]:
    """Indexes of all elements that share the sum."""
    *row, _ = subject.index
    return [(*row, c) for c in range(subject.node.input(0).shape[-1])]


def _taps(subject: Subject) -> list[Tap]:
    x = subject.array(0)
    return [(at, (int(x[at]),)) for at in _axis(subject)]


def _difference(subject: Subject, recorder: Recorder) -> tuple[Any, Any]:
    """The greatest element of the row, and the element less that."""
    x = subject.node.input(0)
    greatest = recorder.maximum("the row's greatest", _taps(subject), source=x)
    own = subject.read(recorder, 0, subject.index)
    return greatest, recorder.do("subtract", "difference to it", x=own, y=greatest)


def _reals(subject: Subject) -> tuple[float, list[float]]:
    """The element times beta and those of its row, less the greatest."""
    node = subject.node
    beta = node.options(tflite.SoftmaxOptions).Beta() if node.name == "SOFTMAX" else 1.0
    x = node.input(0)
    found = [(dequantised(x, numbers[0]) or 0.0) * beta for _, numbers in _taps(subject)]
    return found[subject.index[-1]] - max(found), [each - max(found) for each in found]


def _softmax(subject: Subject, recorder: Recorder) -> Outcome:
    own, row = _reals(subject)
    real = math.exp(own) / sum(map(math.exp, row))
    if isinstance(subject.params, softmax.Int16Params):
        return Outcome(_softmax_int16(subject, recorder, subject.params), real)
    return Outcome(_softmax_int8(subject, recorder, subject.params), real)


def _scaled(
    recorder: Recorder, difference: int, function: fixedpoint.Requantise, factor: Multiplier
) -> Any:
    note = "scale to Q5.26"
    return recorder.requantise(difference, function, factor.multiplier, factor.shift, note)


def _factor(subject: Subject) -> Multiplier:
    """From differences to Q5.26, as prepare folds it."""
    name = subject.node.name
    beta = subject.node.options(tflite.SoftmaxOptions).Beta() if name == "SOFTMAX" else 1.0
    cap_bits = 30 if subject.profile.rounding(name) == "single" else 31
    real = beta * float(subject.node.input(0).scale) * (1 << 31 - _DIFF_BITS)
    return quantize_multiplier(min(real, (1 << cap_bits) - 1.0))


def _least(factor: Multiplier) -> int:
    """The least difference whose exponential counts."""
    return -(((1 << _DIFF_BITS) - 1) * (1 << 31 - _DIFF_BITS) >> factor.shift)


def _sum_of_exponentials(
    subject: Subject, recorder: Recorder, greatest: int, factor: Multiplier, least: int
) -> Any:
    """The row's exponentials in Q12.19, added up."""
    function = subject.profile.requantise(subject.node.name)
    once = function is fixedpoint.multiply_single
    scale = ref.multiply_single if once else ref.multiply_double
    rows: list[Tap] = []
    for at, (number,) in _taps(subject):
        difference, exp = number - int(greatest), 0
        if difference >= least:
            scaled = scale(difference, factor.multiplier, factor.shift)
            exp = ref.exp_on_negative_values(scaled, _DIFF_BITS)
        short = ref.rounding_divide_by_pot(exp, _SUM_BITS)
        rows.append((at, (number, difference, exp, short)))
    return recorder.rows(
        "sum_of_exponentials",
        "sum of exp(difference)",
        _ROW,
        rows,
        note=f"exp has 31 fraction bits, the sum 19; below {least} nothing counts",
        real=sum(numbers[-1] for _, numbers in rows) / 2**19,
        source=subject.node.input(0),
        greatest=greatest,
        multiplier=factor.multiplier,
        shift=factor.shift,
        least=least,
        rounded_once=int(once),
    )


def _softmax_int8(subject: Subject, recorder: Recorder, p: softmax.Params) -> Any:
    factor = _factor(subject)
    least = max(_least(factor), -255)
    greatest, difference = _difference(subject, recorder)
    with recorder.section("e: exp of the element's difference"):
        if difference < least:
            label = "too far: counts as 0"
            exp = recorder.do("saturated", label, x=difference, radius=1 - least, low=0, high=0)
        else:
            function = subject.profile.requantise(subject.node.name)
            scaled = _scaled(recorder, difference, function, factor)
            exp = fixed_point.exp_on_negative_values(recorder, scaled, _DIFF_BITS)
    total = _sum_of_exponentials(subject, recorder, greatest, factor, least)
    with recorder.section("one over the sum: mantissa and exponent"):
        mantissa, exponent = fixed_point.reciprocal(recorder, total, _SUM_BITS)
        shift = recorder.do("add", "shift to output steps", x=exponent, y=31 - p.bits)
    with recorder.section("its share"):
        quotient = fixed_point.high_mul(recorder, "e / sum, the mantissa", mantissa, exp)
        quotient = recorder.do("rounding_divide", "in output steps", x=quotient, exponent=shift)
        info = np.iinfo(subject.out.dtype)
        low, high = int(info.min), int(info.max)
        return recorder.output(quotient, low, low, high, subject.scale)


def _softmax_int16(subject: Subject, recorder: Recorder, p: softmax.Int16Params) -> Any:
    greatest, difference = _difference(subject, recorder)
    with recorder.section("e: exp of the element's difference"):
        note = "65535 steps for 10"
        scaled = recorder.requantise(difference, p.requantise, p.multiplier, p.shift, note)
        moved = recorder.do("add", "from the table's end", x=scaled, y=32767)
        argument = recorder.do("clamp", "within the table", x=moved, low=-32768, high=32767)
        exp = fixed_point.interpolate(recorder, argument, p.exp.tolist(), "exp")
    total = _sum_of_table_values(subject, recorder, greatest, p)
    with recorder.section("one over the sum"):
        zeros = recorder.do("leading_zeros", "leading zero bits", x=total)
        left = recorder.do("subtract", "less the sign", x=zeros, y=1)
        top = recorder.do("shift_left", "first one at bit 30", x=total, bits=left)
        over = recorder.do("shift_right_rounded", "16 bits behind that one", x=top, bits=14)
        over = recorder.do("subtract", "less that one", x=over, y=1 << 16)
        moved = recorder.do("subtract", "from the table's middle", x=over, y=1 << 15)
        argument = recorder.do("smaller", "within the table", x=moved, y=32767)
        factor = fixed_point.interpolate(recorder, argument, p.reciprocal.tolist(), "1 / (1 + x)")
    with recorder.section("its share"):
        product = recorder.do("multiply", "e / sum, the mantissa", x=exp, y=factor)
        shift = recorder.do("subtract", "its shift", x=31, y=zeros)
        share = recorder.do("shift_right_rounded", "in output steps", x=product, bits=shift)
        real = max(0, min(32767, share)) * subject.scale
        return recorder.do("clamp", "clamp", x=share, low=0, high=32767, real=real)


def _sum_of_table_values(
    subject: Subject, recorder: Recorder, greatest: int, p: softmax.Int16Params
) -> Any:
    """The row's exponentials in Q0.15 from the table, added up."""
    once = p.requantise is fixedpoint.multiply_single
    scale = ref.multiply_single if once else ref.multiply_double
    table = p.exp.tolist()
    rows: list[Tap] = []
    for at, (number,) in _taps(subject):
        moved = scale(number - int(greatest), p.multiplier, p.shift) + 32767
        argument = ref.clamp(moved, -32768, 32767)
        index = 256 + (argument >> 7)
        value = ref.interpolate(argument, table)
        rows.append((at, (number, argument, table[index], table[index + 1], value)))
    return recorder.rows(
        "sum_of_table_values",
        "sum of exp(difference)",
        ("input", "place", "entry", "next entry", "exp"),
        rows,
        note="exp and the sum have 15 fraction bits",
        real=sum(numbers[-1] for _, numbers in rows) / 2**15,
        source=subject.node.input(0),
        greatest=greatest,
        multiplier=p.multiplier,
        shift=p.shift,
        rounded_once=int(once),
    )


def _log_softmax(subject: Subject, recorder: Recorder) -> Outcome:
    p: LogParams = subject.params
    factor = _factor(subject)
    own, row = _reals(subject)
    real = own - math.log(sum(map(math.exp, row)))
    greatest, difference = _difference(subject, recorder)
    total = _sum_of_exponentials(subject, recorder, greatest, factor, p.least + 1)
    with recorder.section("its logarithm"):
        log = fixed_point.log_from_one(recorder, total, _SUM_BITS)
    with recorder.section("how far down the output reaches"):
        reach = recorder.do("subtract", "less 32 in Q5.26", x=log, y=1 << 31)
        back, shift = p.inverse.multiplier, p.inverse.shift
        reach = recorder.requantise(reach, p.requantise, back, shift, "back to differences")
        reach = recorder.do("larger", "or the least that counts", x=reach, y=p.least)
    with recorder.section("difference less logarithm"):
        function = subject.profile.requantise(subject.node.name)
        scaled = _scaled(recorder, difference, function, factor)
        steps = recorder.wrap(recorder.do("subtract", "less the logarithm", x=scaled, y=log), 32)
        steps = recorder.do("rounding_divide", "in steps of 1/16", x=steps, exponent=22)
        value = recorder.output(steps, 127, -128, 127, subject.scale)
    label = "the least, if not reached"
    return Outcome(
        recorder.do("if_greater", label, x=difference, y=reach, value=value, other=-128), real
    )


EXPLAINERS: Mapping[str, Explainer] = {"SOFTMAX": _softmax, "LOG_SOFTMAX": _log_softmax}
