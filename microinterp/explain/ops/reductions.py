"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_ALL, ARG_MAX, ARG_MIN, CUMSUM, ADD_N.

The formulas are those of the kernels.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from microinterp.explain.ops.common import ratio_text
from microinterp.explain.recorder import Recorder, Tap, dequantised
from microinterp.explain.subject import Explainer, Outcome, Subject
from microinterp.kernels import add_n, cumsum
from microinterp.kernels.reduce import Reduction

_ROW = ("input", "2^20 halved")
_HALVED = 1 << 19
_START = "TFLM's 0 has its zero point subtracted too"


def _reduced(subject: Subject, reduction: Reduction) -> list[Tap]:
    """The elements that make the output's one."""
    x = subject.array(0)
    gone = {axis % x.ndim for axis in reduction.axes}
    own = iter(subject.index)
    ranges = []
    for axis, size in enumerate(x.shape):
        if axis in gone:
            ranges.append(range(size))
            if reduction.keep_dims:
                next(own)
        else:
            at = next(own)
            ranges.append(range(at, at + 1))
    return [(at, (int(x[at]),)) for at in product(*ranges)]


def _mean_reals(subject: Subject, taps: list[Tap]) -> list[float]:
    x = subject.node.input(0)
    return [dequantised(x, numbers[0]) or 0.0 for _, numbers in taps]


def _sum(subject: Subject, recorder: Recorder) -> Outcome:
    """MEAN and SUM."""
    p, x = subject.params, subject.node.input(0)
    taps = _reduced(subject, p.reduction)
    count, is_mean = len(taps), subject.node.name == "MEAN"
    total = recorder.wrap(recorder.sum("sum of the elements", taps, source=x), 32)
    note = f"{count} times {x.zero_point}"
    label = "subtract their zero points"
    unit = float(x.scale)
    real = (total - p.offset) * unit
    total = recorder.do("subtract", label, note, real, x=total, y=int(p.offset))
    total = recorder.wrap(total, 32)
    note = ratio_text((unit,), subject.scale)
    if is_mean:
        note += f", its multiplier divided by {count}"
    scaled = recorder.requantise(total, p.requantise, p.multiplier, p.shift, note)
    value = recorder.output(scaled, p.output_zero_point, p.low, p.high, subject.scale)
    exact = sum(_mean_reals(subject, taps))
    return Outcome(value, exact / count if is_mean else exact)


def _extreme(subject: Subject, recorder: Recorder) -> Outcome:
    """REDUCE_MAX, REDUCE_MIN, REDUCE_ALL."""
    x, name = subject.node.input(0), subject.node.name
    taps = _reduced(subject, subject.params.reduction)
    if name == "REDUCE_ALL":
        return Outcome(recorder.minimum("all of them? 1 for true", taps, source=x))
    is_max = name == "REDUCE_MAX"
    find = recorder.maximum if is_max else recorder.minimum
    best = find(f"the {'greatest' if is_max else 'smallest'} of them", taps, source=x)
    real = dequantised(x, best)
    return Outcome(best, real)


def _arg(subject: Subject, recorder: Recorder) -> Outcome:
    """ARG_MAX and ARG_MIN."""
    tensor, x = subject.node.input(0), subject.array(0)
    axis = subject.params.axis % x.ndim
    before, after = subject.index[:axis], subject.index[axis:]
    taps = [(at, (int(x[at]),)) for i in range(x.shape[axis]) for at in [(*before, i, *after)]]
    is_max = subject.node.name == "ARG_MAX"
    kind, word = ("first_maximum", "greatest") if is_max else ("first_minimum", "smallest")
    label, note = f"place of the {word}", "the first of equals"
    return Outcome(recorder.rows(kind, label, ("input",), taps, note=note, source=tensor))


def _cumsum(subject: Subject, recorder: Recorder) -> Outcome:
    p: cumsum.Params = subject.params
    tensor, x = subject.node.input(0), subject.array(0)
    sums = p.sums
    given = int(subject.array(1).reshape(-1)[0]) if sums.axis is None else sums.axis
    axis = given % x.ndim
    own, length = subject.index[axis], x.shape[axis]
    numbers = range(length - 1, own - 1, -1) if sums.reverse else range(own + 1)
    places = [(*subject.index[:axis], i, *subject.index[axis + 1 :]) for i in numbers]
    if sums.exclusive:
        places.pop()
    zero = p.input_zero_point
    rows = [(at, (int(x[at]), _HALVED)) for at in places]
    total = recorder.sum_of_products("running sum", _ROW, (zero, 0), rows, source=tensor)
    value = _from_halves(subject, recorder, total, p)
    return Outcome(value, sum(dequantised(tensor, int(x[at])) or 0.0 for at in places))


def _from_halves(
    subject: Subject, recorder: Recorder, total: int, p: cumsum.Params | add_n.Params
) -> int:
    """A sum in steps of 2 * input scale / 2^20, and where TFLM starts it, to the output's."""
    if p.input_zero_point:
        start = -p.input_zero_point * _HALVED
        total = recorder.do("add", "where the sum starts", _START, x=total, y=start)
    unit = 2 * float(subject.node.input(0).scale) / (1 << 20)
    total = recorder.wrap(total, 32)
    note = ratio_text((unit,), subject.scale)
    scaled = recorder.requantise(total, p.requantise, p.multiplier, p.shift, note)
    value: int = recorder.output(scaled, p.output_zero_point, p.low, p.high, subject.scale)
    return value


def _add_n(subject: Subject, recorder: Recorder) -> Outcome:
    p: add_n.Params = subject.params
    inputs = range(len(subject.node.inputs))
    values = [subject.read(recorder, i, subject.index, f"input {i}") for i in inputs]
    rows = [(subject.index, (value, _HALVED)) for value in values]
    zeros = (p.input_zero_point, 0)
    total = recorder.sum_of_products("sum of the inputs", _ROW, zeros, rows)
    value = _from_halves(subject, recorder, total, p)
    reals = [dequantised(subject.node.input(i), value) for i, value in enumerate(values)]
    return Outcome(value, sum(real or 0.0 for real in reals))


EXPLAINERS: Mapping[str, Explainer] = {
    "MEAN": _sum,
    "SUM": _sum,
    "REDUCE_MAX": _extreme,
    "REDUCE_MIN": _extreme,
    "REDUCE_ALL": _extreme,
    "ARG_MAX": _arg,
    "ARG_MIN": _arg,
    "CUMSUM": _cumsum,
    "ADD_N": _add_n,
}
