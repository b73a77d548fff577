"""RELU, RELU6, LEAKY_RELU, PRELU, QUANTIZE, DEQUANTIZE, CAST: one number becomes another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tflite

from microinterp.explain.ops.common import ratio_text
from microinterp.explain.ops.pairs import broadcast_index, read_pair, reals_of
from microinterp.explain.recorder import Recorder
from microinterp.explain.subject import Explainer, Outcome, Subject
from microinterp.kernels.quantize import FloatParams
from microinterp.kernels.scaling import UnaryScaling


def _rescaled(subject: Subject, recorder: Recorder, real: float | None) -> Outcome:
    """clamp(requantise(x - zero point) + output zero point)."""
    p: UnaryScaling = subject.params
    x = subject.read(recorder, 0, subject.index)
    x = recorder.do("subtract", "subtract zero point", x=x, y=p.input_zero_point)
    x = recorder.wrap(x, 32)
    note = ratio_text((float(subject.node.input(0).scale),), subject.scale)
    x = recorder.requantise(x, p.requantise, p.multiplier, p.shift, note)
    return Outcome(recorder.output(x, p.output_zero_point, p.low, p.high, subject.scale), real)


def _input_real(subject: Subject) -> float:
    return reals_of(subject, subject.array(0)[subject.index])[0]


def _relu(subject: Subject, recorder: Recorder) -> Outcome:
    return _rescaled(subject, recorder, max(0.0, _input_real(subject)))


def _relu6(subject: Subject, recorder: Recorder) -> Outcome:
    """The raw number between the input's zero point and its quantised 6."""
    p = subject.params
    x = subject.read(recorder, 0, subject.index)
    value = recorder.do(
        "clamp",
        "clamp to the quantised 0 and 6",
        x=x,
        low=int(p.low),
        high=int(p.high),
    )
    return Outcome(value, min(6.0, max(0.0, _input_real(subject))))


def _leaky_relu(subject: Subject, recorder: Recorder) -> Outcome:
    p = subject.params
    x = subject.read(recorder, 0, subject.index)
    x = recorder.do("subtract", "subtract zero point", x=x, y=p.input_zero_point)
    scale = float(subject.node.input(0).scale)
    alpha = subject.node.options(tflite.LeakyReluOptions).Alpha()
    if x >= 0:
        with recorder.section("not negative: rescaled"):
            note = ratio_text((scale,), subject.scale)
            x = recorder.requantise(x, p.requantise, p.identity.multiplier, p.identity.shift, note)
    else:
        with recorder.section(f"negative: times alpha = {alpha:.6g}"):
            note = ratio_text((scale, abs(alpha)), subject.scale)
            x = recorder.requantise(x, p.requantise, p.alpha.multiplier, p.alpha.shift, note)
            if p.sign < 0:
                x = recorder.do("negate", "alpha is negative", x=x)
    real = _input_real(subject)
    value = recorder.output(x, p.output_zero_point, p.low, p.high, subject.scale)
    return Outcome(value, real if real > 0 else alpha * real)


def _prelu(subject: Subject, recorder: Recorder) -> Outcome:
    p = subject.params
    node = subject.node
    at = broadcast_index(subject.index, node.input(0).shape)
    if int(subject.array(0)[at]) >= p.zero_points[0]:
        x = subject.read(recorder, 0, at)
        real = reals_of(subject, x)[0]
        x = recorder.do("subtract", "subtract zero point", x=x, y=p.zero_points[0])
        with recorder.section("not negative: rescaled"):
            note = ratio_text((float(node.input(0).scale),), subject.scale)
            x = recorder.requantise(x, p.requantise, p.identity.multiplier, p.identity.shift, note)
    else:
        x, alpha = read_pair(subject, recorder)
        a, b = reals_of(subject, x, alpha)
        real = a * b
        x = recorder.do("subtract", "subtract zero point of a", x=x, y=p.zero_points[0])
        alpha = recorder.do("subtract", "subtract zero point of b", x=alpha, y=p.zero_points[1])
        with recorder.section("negative: times alpha"):
            x = recorder.do("multiply", "a * alpha", x=x, y=alpha)
            scales = (float(node.input(0).scale), float(node.input(1).scale))
            x = recorder.requantise(
                x,
                p.requantise,
                p.alpha.multiplier,
                p.alpha.shift,
                ratio_text(scales, subject.scale),
            )
    value = recorder.output(x, p.output_zero_point, p.low, p.high, subject.scale)
    return Outcome(value, real)


def _quantize(subject: Subject, recorder: Recorder) -> Outcome:
    p = subject.params
    if not isinstance(p, FloatParams):
        return _rescaled(subject, recorder, _input_real(subject))
    x = subject.read(recorder, 0, subject.index)
    steps = recorder.do("divide_float32", "divide by the scale", x=x, y=float(p.scale))
    whole = recorder.do("round_float", "to the nearest whole", x=steps)
    value = recorder.do("add", "add output zero point", x=whole, y=p.zero_point)
    real = (max(p.low, min(p.high, value)) - p.zero_point) * subject.scale
    value = recorder.do("clamp", "clamp", x=value, low=p.low, high=p.high, real=real)
    return Outcome(value, float(x) if np.isfinite(x) else None)


def _dequantize(subject: Subject, recorder: Recorder) -> Outcome:
    p = subject.params
    x = subject.read(recorder, 0, subject.index)
    x = recorder.do("subtract", "subtract zero point", x=x, y=p.zero_point)
    label = "times the scale, to float32"
    return Outcome(recorder.do("multiply_to_float32", label, x=x, y=p.scale))


def _cast(subject: Subject, recorder: Recorder) -> Outcome:
    """Integers wrap; floats lose their fraction and saturate."""
    x = subject.read(recorder, 0, subject.index)
    target = subject.out.dtype
    if target.kind == "b":
        return Outcome(recorder.do("is_not_zero", "true, 1, unless it is 0", x=x))
    if target.kind == "f":
        return Outcome(recorder.do("multiply_to_float32", "as float32", x=x, y=1.0))
    if subject.array(0).dtype.kind == "f":
        x = recorder.do("truncate", "the fraction is dropped, NaN is 0", x=x)
        info = np.iinfo(target)
        return Outcome(recorder.do("clamp", "clamp", x=x, low=int(info.min), high=int(info.max)))
    if target.kind == "u":
        label = f"the low {8 * target.itemsize} bits"
        return Outcome(recorder.do("low_bits", label, x=x, bits=8 * target.itemsize))
    kept = recorder.wrap(x, 8 * target.itemsize)
    return Outcome(kept if kept is not x else recorder.take(f"the same as {target}", x))


EXPLAINERS: Mapping[str, Explainer] = {
    "RELU": _relu,
    "RELU6": _relu6,
    "LEAKY_RELU": _leaky_relu,
    "PRELU": _prelu,
    "QUANTIZE": _quantize,
    "DEQUANTIZE": _dequantize,
    "CAST": _cast,
}
