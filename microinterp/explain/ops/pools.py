"""AVERAGE_POOL_2D and MAX_POOL_2D: one number for the pixels under a window."""

from __future__ import annotations

from collections.abc import Mapping

from microinterp.explain.ops.common import activated
from microinterp.explain.ops.filters import window_taps
from microinterp.explain.recorder import Recorder, Tap, dequantised
from microinterp.explain.subject import Explainer, Outcome, Subject


def _taps(subject: Subject) -> list[Tap]:
    p = subject.params
    sample, y, x, channel = subject.index
    values = subject.array(0)
    places = [
        (sample, row, column, channel) for _, _, row, column in window_taps(p.height, p.width, y, x)
    ]
    return [(at, (int(values[at]),)) for at in places]


def _padding(subject: Subject, taps: list[Tap]) -> str:
    p = subject.params
    outside = p.height.size * p.width.size - len(taps)
    return f"{outside} pixels of the window lie in the padding and do not count" if outside else ""


def _average(subject: Subject, recorder: Recorder) -> Outcome:
    """The raw numbers' sum over their count, halves away from zero."""
    p, x = subject.params, subject.node.input(0)
    taps = _taps(subject)
    count = len(taps)
    note = _padding(subject, taps)
    total = recorder.sum("sum of the pixels", taps, note=note, source=x)
    half = count // 2 if total > 0 else -(count // 2)
    moved = recorder.do("add", "add half the count", x=total, y=half)
    note = "the fraction is dropped: with half the count, to nearest, halves away from zero"
    mean = recorder.do("divide_truncated", "divide by the count", note, x=moved, y=count)
    low, high = int(p.low), int(p.high)
    real = dequantised(subject.out, max(low, min(high, mean)))
    value = recorder.do("clamp", "clamp", x=mean, low=low, high=high, real=real)
    exact = [dequantised(x, numbers[0]) for _, numbers in taps]
    if not exact or None in exact:
        return Outcome(value)
    return Outcome(value, activated(subject.node, sum(filter(None, exact)) / count))


def _max(subject: Subject, recorder: Recorder) -> Outcome:
    p, x = subject.params, subject.node.input(0)
    taps = _taps(subject)
    best = recorder.maximum("the greatest pixel", taps, note=_padding(subject, taps), source=x)
    low, high = int(p.low), int(p.high)
    real = dequantised(subject.out, max(low, min(high, best)))
    value = recorder.do("clamp", "clamp", x=best, low=low, high=high, real=real)
    exact = dequantised(x, best)
    return Outcome(value, None if exact is None else activated(subject.node, exact))


EXPLAINERS: Mapping[str, Explainer] = {"AVERAGE_POOL_2D": _average, "MAX_POOL_2D": _max}
