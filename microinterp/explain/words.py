"""Steps in words, the same for a terminal and a page: formulas, roundings, what is folded away."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ldexp
from typing import Any

from microinterp.explain.explaining import Explanation
from microinterp.explain.rounding import Rounding
from microinterp.explain.steps import Number, Step, Term

TIMES = "\u00d7"
_KEPT, _CUT = 14, 12  # bits that are shown on each side of a cut
_FIRST, _LAST, _WHOLE = 5, 1, 9  # rows of many that are shown; so many are shown whole
_LONG = 40  # steps from which on parts of an explanation are folded
_PART = 3  # steps of a part that is worth folding


def number_text(value: Number) -> str:
    """An integer with separators, a float with seven digits."""
    return f"{value:.7g}" if isinstance(value, float) else f"{value:,}"


def real_text(value: float) -> str:
    """A real number with six digits."""
    return f"{value:.6g}"


def _signed(value: Number) -> str:
    """A number behind an operator: negative ones in brackets."""
    text = number_text(value)
    return f"({text})" if text.startswith("-") else text


def _two(sign: str) -> Callable[..., str]:
    return lambda x, y: f"{number_text(x)} {sign} {_signed(y)}"


def _power(sign: str) -> Callable[..., str]:
    return lambda x, bits: f"{number_text(x)} {sign} 2^{bits}"


_FORMULAS: Mapping[str, Callable[..., str]] = {
    "add": _two("+"),
    "subtract": _two("-"),
    "multiply": _two(TIMES),
    "negate": lambda x: f"-{_signed(x)}",
    "take": number_text,
    "clamp": lambda x, low, high: (
        f"{number_text(x)} within {number_text(low)} … {number_text(high)}"
    ),
    "wrap": lambda x, bits: f"{number_text(x)} modulo 2^{bits}",
    "low_bits": lambda x, bits: f"{number_text(x)} modulo 2^{bits}",
    "shift_left": _power(TIMES),
    "shift_right": _power("÷"),
    "shift_right_rounded": _power("÷"),
    "doubling_high_mul": lambda a, b: f"{number_text(a)} {TIMES} {_signed(b)} ÷ 2^31",
    "rounding_divide": lambda x, exponent: f"{number_text(x)} ÷ 2^{exponent}",
    "multiply_rounded": lambda x, multiplier, bits: (
        f"{number_text(x)} {TIMES} {_signed(multiplier)} ÷ 2^{bits}"
    ),
    "multiply_real": lambda x, multiplier, shift: (
        f"{number_text(x)} {TIMES} {ldexp(multiplier, shift - 31):.9g}"
    ),
    "reduce_multiplier": lambda multiplier: f"{number_text(multiplier)} ÷ 2^16",
    "divide_truncated": _two("÷"),
    "divide_float32": _two("÷"),
    "multiply_to_float32": _two(TIMES),
    "larger": lambda x, y: f"max({number_text(x)}, {number_text(y)})",
    "smaller": lambda x, y: f"min({number_text(x)}, {number_text(y)})",
    "absolute": lambda x: f"|{number_text(x)}|",
    "square": lambda x: f"{number_text(x)} {TIMES} {_signed(x)}",
    "saturating_shift_left": _power(TIMES),
    "rounding_divide_16": lambda x, exponent: f"{number_text(x)} ÷ 2^{exponent}",
    "rounding_divide_x86": lambda x, exponent: f"{number_text(x)} ÷ 2^{exponent}",
    "rounded_root": lambda x: f"√{number_text(x)}",
    "subtract_float32": _two("-"),
    "exp_float32": lambda x: f"exp({number_text(x)})",
    "saturated": lambda x, radius, low, high: f"{number_text(x)} beyond ±{number_text(radius)}",
    "if_greater": lambda x, y, value, other: (
        f"{number_text(x)} > {_signed(y)}? {number_text(value)}, else {number_text(other)}"
    ),
    "equal": _two("="),
    "not_equal": _two("≠"),
    "greater": _two(">"),
    "greater_equal": _two("≥"),
    "less": _two("<"),
    "less_equal": _two("≤"),
    "is_not_zero": lambda x: f"{number_text(x)} ≠ 0",
    "lookup": lambda index, value: f"table[{number_text(index)}]",
}


def formula(step: Step) -> str:
    """What a step does with its numbers: "10,940 ÷ 2^9"."""
    if step.kind == "read":
        return place(step.at or ())
    if step.terms or step.columns:
        return _rows_text(step)
    known = _FORMULAS.get(step.kind)
    if known is not None:
        return known(**step.operands)
    return ", ".join(f"{name} = {number_text(value)}" for name, value in step.operands.items())


def place(at: Sequence[int]) -> str:
    """An index as it is written: "[0,4,5,2]"."""
    return f"[{','.join(map(str, at))}]"


def _rows_text(step: Step) -> str:
    count = len(step.terms)
    what = "product" if step.kind == "sum_of_products" else "row"
    return f"{count:,} {what}{'' if count == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Cut:
    """A rounding as it is shown.

    Attributes:
        kept, cut: bits on both sides of the cut, long ones shortened by an ellipsis.
        words: what is added and which way it rounds.
    """

    kept: str
    cut: str
    words: str


def cut_of(rounding: Rounding) -> Cut:
    """The bits of a rounding, and which way it goes."""
    kept, cut = rounding.binary()
    is_long = len(kept) > _KEPT
    sign = "-" if kept.startswith("-") else ""
    shown = f"{sign}…{kept[-_KEPT:]}" if is_long else kept
    if rounding.number < 0 and not sign and not is_long:
        shown = f"…{kept}"  # ones without end
    return Cut(shown, cut[:_CUT] + ("…" if len(cut) > _CUT else ""), _rounding_words(rounding))


def _rounding_words(rounding: Rounding) -> str:
    fraction = f"{rounding.cut:.3f}".removeprefix("0")
    if rounding.mode == "floor":
        return "nothing is lost" if rounding.goes == "nowhere" else f"{fraction} is dropped: down"
    if rounding.goes == "nowhere":
        return "+ ½, nothing is lost"
    if rounding.is_tie:
        side = "away from zero" if rounding.mode == "away" else "up"
        return f"½ + ½ = 1: {side}"
    carries = rounding.cut >= 0.5
    fraction = "½" if fraction == ".500" else fraction
    return f"{fraction} + ½ {'≥' if carries else '<'} 1: {rounding.goes}"


def notes_of(step: Step) -> list[str]:
    """What else a step has to say: where its factor comes from, what the multiplier stands for."""
    text = step.note.replace(" * ", f" {TIMES} ").replace(" / ", " ÷ ")
    if step.factor is None:
        return [text] if text else []
    multiplier, shift = step.factor
    text = text or f"factor {ldexp(multiplier, shift - 31):.7g}"
    return [f"{text} = {number_text(multiplier)} {TIMES} 2^{shift - 31}"]


def columns_of(step: Step) -> list[str]:
    """Headings of a step's rows: where, each number, less its zero point, and what they give."""
    names = ["at"]
    for name in step.columns:
        zero = step.operands.get(f"{name} zero point", 0)
        names += [name, f"{name} - {_signed(zero)}"] if zero else [name]
    return [*names, _RESULTS.get(step.kind, "result")] if _has_result(step) else names


_RESULTS = {"sum_of_products": "product", "sum_of_squares": "square"}


def _has_result(step: Step) -> bool:
    """True if a row's result is not the last of its numbers anyway."""
    zero = step.operands.get(f"{step.columns[-1]} zero point", 0)
    is_product = step.kind == "sum_of_products"
    return is_product or any(term.result != term.numbers[-1] - zero for term in step.terms)


def row_of(step: Step, term: Term) -> list[str]:
    """The texts of one row, as columns_of names them."""
    cells = [",".join(map(str, term.at))]
    for name, number in zip(step.columns, term.numbers, strict=True):
        zero = step.operands.get(f"{name} zero point", 0)
        cells.append(number_text(number))
        if zero:
            cells.append(number_text(number - zero))
    return [*cells, number_text(term.result)] if _has_result(step) else cells


def folded(terms: Sequence[Term], everything: bool) -> tuple[Sequence[Term], int, Sequence[Term]]:
    """Rows to show first, how many are left out behind them, and the last ones."""
    if everything or len(terms) <= _WHOLE:
        return terms, 0, ()
    return terms[:_FIRST], len(terms) - _FIRST - _LAST, terms[-_LAST:]


def parts(steps: Sequence[Step], everything: bool) -> list[tuple[str, list[Step], int]]:
    """Steps by section, in order: title, the steps to show, how many before them are left out."""
    grouped: list[tuple[str, list[Step]]] = []
    for step in steps:
        if not grouped or grouped[-1][0] != step.section:
            grouped.append((step.section, []))
        grouped[-1][1].append(step)
    is_long = len(steps) > _LONG and not everything
    found = []
    for number, (title, own) in enumerate(grouped):
        is_last = number == len(grouped) - 1
        folds = is_long and title and not is_last and len(own) >= _PART
        found.append((title, own[-1:], len(own) - 1) if folds else (title, own, 0))
    return found


def ending(explanation: Explanation) -> list[tuple[str, str]]:
    """The last lines: what the element stands for, and what the float model gives."""
    tensor = explanation.tensor
    real, exact = explanation.real, explanation.float_model
    found: list[tuple[str, str]] = []
    if real is not None:
        value = int(explanation.value)
        text = f"({value} - {_signed(tensor.zero_point)})" if tensor.zero_point else f"{value}"
        found.append(
            ("stands for", f"{text} {TIMES} {float(tensor.scale):.6g} = {real_text(real)}")
        )
    if exact is not None:
        found.append(("float model", real_text(exact)))
        steps = explanation.difference_steps
        if steps is not None:
            found.append(("difference", f"{steps:+.2f} output steps"))
    return found


def facts(explanation: Explanation) -> Mapping[str, Any]:
    """The heading's texts: op, tensor, index, value."""
    node, tensor = explanation.node, explanation.tensor
    shape = ",".join(map(str, tensor.shape))
    return {
        "op": f"op {node.file_index} {node.name}",
        "subgraph": f"subgraph {node.subgraph}" if node.subgraph else "",
        "tensor": tensor.name or f"tensor {tensor.index}",
        "type": f"{tensor.type_name}[{shape}]",
        "at": place(explanation.index),
        "value": number_text(explanation.value),
    }
