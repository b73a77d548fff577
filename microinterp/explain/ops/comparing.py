"""EQUAL, NOT_EQUAL, GREATER, GREATER_EQUAL, LESS, LESS_EQUAL: two operands, true or false."""

from __future__ import annotations

from collections.abc import Mapping

from microinterp.explain.ops.common import ratio_text
from microinterp.explain.ops.pairs import read_pair, reals_of
from microinterp.explain.recorder import Recorder
from microinterp.explain.subject import Explainer, Outcome, Subject
from microinterp.kernels.broadcast import ScaledOperands

_SIGNS = {
    "EQUAL": "=",
    "NOT_EQUAL": "≠",
    "GREATER": ">",
    "GREATER_EQUAL": "≥",
    "LESS": "<",
    "LESS_EQUAL": "≤",
}


def _compare(subject: Subject, recorder: Recorder) -> Outcome:
    """int8 in the common scale of 2^-8, all other types as they are."""
    name, operands = subject.node.name, subject.params.operands
    values = read_pair(subject, recorder)
    reals = reals_of(subject, *values)
    if isinstance(operands, ScaledOperands):
        for i, letter in enumerate("ab"):
            with recorder.section(f"{letter} in steps of 2^-{operands.left_shift}"):
                x = values[i]
                zero = operands.zero_points[i]
                x = recorder.do("subtract", "subtract zero point", x=x, y=zero)
                x = recorder.do("shift_left", "room for fractions", x=x, bits=operands.left_shift)
                factor = operands.scaling[i]
                note = ratio_text((float(subject.node.input(i).scale),), 1.0)
                values[i] = recorder.requantise(
                    x, operands.requantise, factor.multiplier, factor.shift, note
                )
    label = f"a {_SIGNS[name]} b, with 1 for true"
    value = recorder.do(name.lower(), label, x=values[0], y=values[1])
    compared = subject.params.compare(*reals)
    return Outcome(value, float(compared) if subject.node.input(0).quantization else None)


EXPLAINERS: Mapping[str, Explainer] = dict.fromkeys(_SIGNS, _compare)
