"""ADD, SUB, MUL, SQUARED_DIFFERENCE, MAXIMUM, MINIMUM, LOGICAL_*: two operands that broadcast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from microinterp.explain.ops.common import activated, ratio_text
from microinterp.explain.recorder import Recorder, dequantised
from microinterp.explain.subject import Explainer, Outcome, Subject
from microinterp.kernels.broadcast import Broadcast, Int32Params, ScaledOperands

_SIGNS = {"ADD": "add", "SUB": "subtract", "MUL": "multiply", "SQUARED_DIFFERENCE": "subtract"}
_NAMES = ("a", "b")


def broadcast_index(index: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Where an operand of `shape` holds what meets the output's element `index`."""
    own = index[len(index) - len(shape) :]
    return tuple(0 if size == 1 else i for i, size in zip(own, shape, strict=True))


def read_pair(subject: Subject, recorder: Recorder) -> list[Any]:
    """Both operands of the element, read."""
    return [
        subject.read(recorder, i, broadcast_index(subject.index, subject.node.input(i).shape), name)
        for i, name in enumerate(_NAMES)
    ]


def reals_of(subject: Subject, *values: Any) -> list[float]:
    """What numbers of input 0, 1, ... stand for; unquantised ones as they are."""
    found = [dequantised(subject.node.input(i), value) for i, value in enumerate(values)]
    return [float(v) if r is None else r for r, v in zip(found, values, strict=True)]


def _real(subject: Subject, a: float, b: float) -> float:
    """The op's own formula in real numbers."""
    name = subject.node.name
    if name == "SQUARED_DIFFERENCE":
        return (a - b) ** 2
    result = a + b if name == "ADD" else a - b if name == "SUB" else a * b
    return activated(subject.node, result)


def _scaled(
    subject: Subject, recorder: Recorder, operands: ScaledOperands, values: list[Any]
) -> list[Any]:
    """The operands in their common scale."""
    scales = [float(subject.node.input(i).scale) for i in range(2)]
    twice = 2 * max(scales)
    found = []
    for i, value in enumerate(values):
        with recorder.section(f"{_NAMES[i]} in the common scale"):
            x = recorder.do("subtract", "subtract zero point", x=value, y=operands.zero_points[i])
            if operands.left_shift:
                label = "room for fractions"
                x = recorder.do("shift_left", label, x=x, bits=operands.left_shift)
            factor = operands.scaling[i]
            note = ratio_text((scales[i],), twice)
            found.append(
                recorder.requantise(x, operands.requantise, factor.multiplier, factor.shift, note)
            )
    return found


def _sum(subject: Subject, recorder: Recorder) -> Outcome:
    """ADD and SUB."""
    p = subject.params
    if isinstance(p, Int32Params) or not hasattr(p, "requantise"):
        return _plain(subject, recorder)
    values = read_pair(subject, recorder)
    a, b = _scaled(subject, recorder, p.operands, values)
    kind = _SIGNS[subject.node.name]
    with recorder.section(f"their {'sum' if kind == 'add' else 'difference'} in output steps"):
        raw = recorder.do(kind, f"a {'+' if kind == 'add' else '-'} b", x=a, y=b)
        twice = 2 * max(float(subject.node.input(i).scale) for i in range(2))
        unit = twice / (1 << p.operands.left_shift)
        scaled = recorder.requantise(
            raw, p.requantise, p.multiplier, p.shift, ratio_text((unit,), subject.scale)
        )
        value = recorder.output(scaled, p.output_zero_point, p.low, p.high, subject.scale)
    return Outcome(value, _real(subject, *reals_of(subject, *values)))


def _plain(subject: Subject, recorder: Recorder) -> Outcome:
    """ADD, SUB and MUL of plain int32: they wrap."""
    p = subject.params
    a, b = read_pair(subject, recorder)
    kind = _SIGNS[subject.node.name]
    x = recorder.wrap(
        recorder.do(kind, {"add": "a + b", "subtract": "a - b"}.get(kind, "a * b"), x=a, y=b), 32
    )
    return Outcome(recorder.do("clamp", "clamp", x=x, low=p.low, high=p.high))


def _product(subject: Subject, recorder: Recorder) -> Outcome:
    """MUL."""
    p = subject.params
    if isinstance(p, Int32Params):
        return _plain(subject, recorder)
    values = read_pair(subject, recorder)
    x = [
        recorder.do("subtract", f"subtract zero point of {name}", x=value, y=zero)
        if zero
        else value
        for name, value, zero in zip(_NAMES, values, p.zero_points, strict=True)
    ]
    product = recorder.do("multiply", "a * b", x=x[0], y=x[1])
    scales = [float(subject.node.input(i).scale) for i in range(2)]
    scaled = recorder.requantise(
        product, p.requantise, p.multiplier, p.shift, ratio_text(scales, subject.scale)
    )
    value = recorder.output(scaled, p.output_zero_point, p.low, p.high, subject.scale)
    return Outcome(value, _real(subject, *reals_of(subject, *values)))


def _squared_difference(subject: Subject, recorder: Recorder) -> Outcome:
    p = subject.params
    values = read_pair(subject, recorder)
    if isinstance(p, Broadcast):
        x = recorder.wrap(recorder.do("subtract", "a - b", x=values[0], y=values[1]), 32)
        return Outcome(recorder.wrap(recorder.do("multiply", "squared", x=x, y=x), 32))
    a, b = _scaled(subject, recorder, p.operands, values)
    with recorder.section("their squared difference in output steps"):
        x = recorder.do("subtract", "a - b", x=a, y=b)
        square = recorder.do("multiply", "squared", x=x, y=x)
        twice = 2 * max(float(subject.node.input(i).scale) for i in range(2))
        unit = (twice / (1 << p.operands.left_shift)) ** 2
        scaled = recorder.requantise(
            square, p.requantise, p.multiplier, p.shift, ratio_text((unit,), subject.scale)
        )
        value = recorder.output(scaled, p.output_zero_point, p.low, p.high, subject.scale)
    return Outcome(value, _real(subject, *reals_of(subject, *values)))


def _maximum(subject: Subject, recorder: Recorder) -> Outcome:
    """MAXIMUM and MINIMUM."""
    is_larger = subject.params.prefers_first is np.greater
    values = read_pair(subject, recorder)
    kind = "larger" if is_larger else "smaller"
    value = recorder.do(kind, f"the {kind} one, as it is", x=values[0], y=values[1])
    a, b = reals_of(subject, *values)
    real = max(a, b) if is_larger else min(a, b)
    return Outcome(value, real if subject.scale else None)


def _logical(subject: Subject, recorder: Recorder) -> Outcome:
    """LOGICAL_AND and LOGICAL_OR, of truth values as 0 and 1."""
    a, b = read_pair(subject, recorder)
    is_and = subject.node.name == "LOGICAL_AND"
    kind, word = ("smaller", "and") if is_and else ("larger", "or")
    return Outcome(recorder.do(kind, f"a {word} b, with 1 for true", x=a, y=b))


def _not(subject: Subject, recorder: Recorder) -> Outcome:
    """LOGICAL_NOT."""
    x = subject.read(recorder, 0, subject.index)
    return Outcome(recorder.do("subtract", "not, with 1 for true", x=1, y=x))


EXPLAINERS: Mapping[str, Explainer] = {
    "ADD": _sum,
    "SUB": _sum,
    "MUL": _product,
    "SQUARED_DIFFERENCE": _squared_difference,
    "MAXIMUM": _maximum,
    "MINIMUM": _maximum,
    "LOGICAL_AND": _logical,
    "LOGICAL_OR": _logical,
    "LOGICAL_NOT": _not,
}
