"""One step of an explanation: integers in, an integer out, and what a reader needs to follow it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ldexp
from typing import Any, SupportsFloat

from microinterp.explain.rounding import Rounding

Number = int | float
"""Nearly always an int; a float in steps that leave or enter float32."""


class Known(int):
    """An integer that a step gave: it remembers which one. Plain arithmetic gives a plain int."""

    step: int


class KnownFloat(float):
    """The same for a float."""

    step: int


def known(value: SupportsFloat, step: int) -> Any:
    """`value` as Known or KnownFloat from step number `step`."""
    result: Any = KnownFloat(value) if isinstance(value, float) else Known(int(value))  # type: ignore[call-overload]
    result.step = step
    return result


@dataclass(frozen=True, slots=True)
class Term:
    """One row of a step that takes many numbers, such as a tap of a filter.

    Attributes:
        at: index of the first number in the tensor that it was read from.
        numbers: one for each of the step's columns.
        result: what the row gives: a product, or the number itself.
        steps: of each number, the step that gave it; None where it was read.
    """

    at: tuple[int, ...]
    numbers: tuple[int, ...]
    result: int
    steps: tuple[int | None, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        made: dict[str, Any] = {
            "at": list(self.at),
            "numbers": list(self.numbers),
            "result": self.result,
        }
        if any(step is not None for step in self.steps):
            made["from"] = list(self.steps)
        return made


@dataclass(frozen=True)
class Step:
    """One step of arithmetic.

    Attributes:
        number: position among the explanation's steps, from 0.
        kind: what is computed: a key of arithmetic.ARITHMETIC, or one of the recorder's own
            ("read", "take", "lookup", "sum_of_products", "sum", "maximum", "minimum").
        label: the same in words of this op: "add the bias".
        operands: by name, in the order of the formula.
        sources: by name, the number of the step that gave an operand; those that come from the
            file or from prepare are not in it.
        result: what comes out.
        note: more to know; may be empty.
        section: the part of the op's work that it belongs to; may be empty.
        real: what the result stands for as a real number; None where it stands for nothing.
        rounding: what is cut off, where something is.
        factor: multiplier and shift of a requantisation, where this step multiplies for it; they
            stand for multiplier * 2^(shift - 31).
        columns, terms: the rows of a step that takes many numbers.
        tensor: name of the tensor that a number, or the first column, was read from.
        tensor_index: its number in the subgraph; None for what is no tensor of the file.
        at: the number's index there.
    """

    number: int
    kind: str
    label: str
    operands: Mapping[str, Number]
    sources: Mapping[str, int]
    result: Number
    note: str = ""
    section: str = ""
    real: float | None = None
    rounding: Rounding | None = None
    factor: tuple[int, int] | None = None
    columns: tuple[str, ...] = ()
    terms: tuple[Term, ...] = field(default=(), repr=False)
    tensor: str | None = None
    tensor_index: int | None = None
    at: tuple[int, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what is empty is left out."""
        made: dict[str, Any] = {
            "number": self.number,
            "kind": self.kind,
            "label": self.label,
            "operands": dict(self.operands),
            "from": dict(self.sources),
            "result": self.result,
        }
        if self.terms or self.columns:
            made["columns"] = list(self.columns)
            made["terms"] = [term.as_dict() for term in self.terms]
        if self.rounding is not None:
            made["rounding"] = self.rounding.as_dict()
        if self.factor is not None:
            multiplier, shift = self.factor
            real = ldexp(multiplier, shift - 31)
            made["factor"] = {"multiplier": multiplier, "shift": shift, "real": real}
        if self.at is not None:
            made["at"] = list(self.at)
        for key in ("note", "section"):
            if getattr(self, key):
                made[key] = getattr(self, key)
        for key in ("tensor", "tensor_index", "real"):
            if getattr(self, key) is not None:
                made[key] = getattr(self, key)
        return made
