"""ABS, RSQRT, L2_NORMALIZATION, DIV: magnitudes, inverse roots, quotients.

The formulas are those of the kernels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from microinterp.explain import fixed_point
from microinterp.explain.ops.common import activated, ratio_text
from microinterp.explain.ops.pairs import read_pair, reals_of
from microinterp.explain.recorder import Recorder, dequantised
from microinterp.explain.subject import Explainer, Outcome, Subject
from microinterp.kernels.abs_rsqrt import evaluate_abs_same_scale
from microinterp.kernels.broadcast import Int32Params
from microinterp.kernels.div import multiply_with_far_shift

_ROOT_BITS = 20
_NORM_BITS = 7
_OF_ZERO = -1515870788  # the mantissa that Newton's method makes of 1 / 0
_EPSILON = 1e-6


def _abs(subject: Subject, recorder: Recorder) -> Outcome:
    p = subject.params
    x = subject.read(recorder, 0, subject.index)
    if p is None:
        return Outcome(recorder.wrap(recorder.do("absolute", "|x|", x=x), 16))
    (real,) = reals_of(subject, x)
    x = recorder.do("subtract", "subtract zero point", x=x, y=p.input_zero_point)
    x = recorder.do("absolute", "|x|", x=x)
    if subject.prepared.kernel.evaluate is not evaluate_abs_same_scale:
        note = ratio_text((float(subject.node.input(0).scale),), subject.scale)
        x = recorder.requantise(x, p.requantise, p.multiplier, p.shift, note)
    value = recorder.output(x, p.output_zero_point, p.low, p.high, subject.scale)
    return Outcome(value, abs(real))


def _rsqrt(subject: Subject, recorder: Recorder) -> Outcome:
    p = subject.params
    x = subject.read(recorder, 0, subject.index)
    (real,) = reals_of(subject, x)
    x = recorder.do("subtract", "subtract zero point", x=x, y=p.input_zero_point)
    if x == 0:
        return Outcome(recorder.lookup("1 / 0: the greatest number there is", x, p.high))
    with recorder.section("1 / sqrt(x): mantissa and shift"):
        mantissa, right = fixed_point.inverse_sqrt(recorder, x)
        right = recorder.do("subtract", "20 bits stay behind the point", x=right, y=_ROOT_BITS)
    with recorder.section("1 / sqrt(x) in 2^-20"):
        root = fixed_point.scaled_by(recorder, 1, p.requantise, mantissa, right)
    with recorder.section("in output steps"):
        note = "factor 1 / (sqrt(input scale) * output scale * 2^20)"
        root = recorder.requantise(root, p.requantise, p.multiplier, p.shift, note)
        value = recorder.output(root, p.output_zero_point, p.low, p.high, subject.scale)
    return Outcome(value, 1 / math.sqrt(real))


def _l2_normalization(subject: Subject, recorder: Recorder) -> Outcome:
    p, tensor, x = subject.params, subject.node.input(0), subject.array(0)
    *row, _ = subject.index
    places = [(*row, c) for c in range(tensor.shape[-1])]
    zero = p.input_zero_point
    total = recorder.rows(
        "sum_of_squares",
        "sum of the squares",
        ("input",),
        [(at, (int(x[at]),)) for at in places],
        source=tensor,
        **({"input zero point": zero} if zero else {}),
    )
    total = recorder.wrap(total, 32)
    with recorder.section("1 / sqrt(sum): mantissa and shift"):
        mantissa, right = fixed_point.inverse_sqrt(recorder, total)
        right = recorder.do("subtract", "7 bits stay behind the point", x=right, y=_NORM_BITS)
    with recorder.section("the element times that"):
        value = subject.read(recorder, 0, subject.index)
        value = recorder.do("subtract", "subtract zero point", x=value, y=zero)
        value = fixed_point.scaled_by(recorder, value, p.requantise, mantissa, right)
        real = max(-128, min(127, value)) / (1 << _NORM_BITS)
        value = recorder.do("clamp", "clamp", x=value, low=-128, high=127, real=real)
    reals = [dequantised(tensor, int(x[at])) for at in places]
    if None in reals:
        return Outcome(value)
    norm = math.sqrt(sum(each * each for each in reals if each is not None))
    return Outcome(value, (reals[subject.index[-1]] or 0.0) / max(norm, _EPSILON))


def _div(subject: Subject, recorder: Recorder) -> Outcome:
    p = subject.params
    a, b = read_pair(subject, recorder)
    if isinstance(p, Int32Params):
        x = recorder.do("divide_truncated", "a / b, toward zero", x=a, y=b)
        return Outcome(recorder.do("clamp", "clamp", x=x, low=int(p.low), high=int(p.high)))
    reals = reals_of(subject, a, b)
    a = recorder.do("subtract", "subtract zero point of a", x=a, y=p.zero_points[0])
    b = recorder.do("subtract", "subtract zero point of b", x=b, y=p.zero_points[1])
    if b < 0:
        a = recorder.do("negate", "b is negative: -a", x=a)
    divisor = recorder.do("absolute", "|b|", x=b)
    with recorder.section("1 / |b|: mantissa and exponent"):
        mantissa, exponent = _inverse(recorder, divisor)
    with recorder.section("a / |b|, with all the bits there are"):
        room = recorder.do("spare_bits", "bits that a leaves free", x=a)
        left = recorder.do("negate", "shift left by them", x=room)
        quotient = fixed_point.scaled_by(
            recorder, a, p.multiply, mantissa, left, "the mantissa of 1 / |b|"
        )
    with recorder.section("in output steps"):
        right = recorder.do("add", "shift of the quotient", x=exponent, y=room)
        right = recorder.do("subtract", "and of the factor", x=right, y=p.shift)
        scales = [float(subject.node.input(i).scale) for i in range(2)]
        note = f"factor {scales[0] / (scales[1] * subject.scale):.7g} = {scales[0]:.6g} / "
        note += f"({scales[1]:.6g} * {subject.scale:.6g})"
        quotient = _rescaled(recorder, quotient, p, right, note)
        value = recorder.output(quotient, p.output_zero_point, p.low, p.high, subject.scale)
    if reals[1] == 0:
        return Outcome(value)
    return Outcome(value, activated(subject.node, reals[0] / reals[1]))


def _inverse(recorder: Recorder, divisor: int) -> tuple[Any, Any]:
    """1 / |b| of an integer."""
    if divisor == 0:
        mantissa = recorder.lookup("what Newton's method makes of 0", divisor, _OF_ZERO)
        exponent = recorder.do("subtract", "exponent of 0", x=31, y=32)
        return mantissa, exponent
    return fixed_point.reciprocal(recorder, divisor, 31)


def _rescaled(recorder: Recorder, quotient: int, p: Any, right: int, note: str) -> Any:
    multiplier = int(p.multiplier)
    if p.requantise is not multiply_with_far_shift:
        return fixed_point.scaled_by(recorder, quotient, p.requantise, multiplier, right, note)
    label = "times the multiplier"
    x = recorder.do("doubling_high_mul", label, note, a=quotient, b=multiplier)
    note = "x86 takes the count modulo 32" if right > 31 else ""
    return recorder.do("rounding_divide_x86", "shift right", note, x=x, exponent=right)


EXPLAINERS: Mapping[str, Explainer] = {
    "ABS": _abs,
    "RSQRT": _rsqrt,
    "L2_NORMALIZATION": _l2_normalization,
    "DIV": _div,
}
