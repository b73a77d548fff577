"""Does every step of an explanation again, from its JSON alone.

Nothing here imports microinterp: the arithmetic is written anew, in another way where there is one
(exact fractions where the package shifts bits), so that a wrong step cannot check itself.
"""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from typing import Any

from tests.explain import further

INT32 = (-(2**31), 2**31 - 1)


def evaluate(explanation: dict[str, Any]) -> Any:
    """The last step's result; AssertionError where a step does not give what it says.

    Operands that come from an earlier step must be what that step gave, and every step but the
    last must be used by a later one.
    """
    results: list[Any] = []
    used: set[int] = set()
    for number, step in enumerate(explanation["steps"]):
        assert step["number"] == number
        for name, source in step["from"].items():
            assert source < number
            assert same(step["operands"][name], results[source]), (number, name)
            used.add(source)
        for term in step.get("terms", ()):
            for value, source in zip(term["numbers"], term.get("from", ()), strict=False):
                if source is not None:
                    assert source < number
                    assert value == results[source]
                    used.add(source)
        have = recompute(step)
        assert same(have, step["result"]), step
        check_rounding(step)
        results.append(have)
    unused = set(range(len(results) - 1)) - used
    assert not unused, [explanation["steps"][i] for i in sorted(unused)]
    return results[-1]


def same(a: Any, b: Any) -> bool:
    """True for equal numbers of one type; NaN equals NaN, and -0.0 is not 0.0."""
    return type(a) is type(b) and repr(a) == repr(b)


def recompute(step: dict[str, Any]) -> Any:
    """What a step gives, from its kind and its numbers."""
    kind = step["kind"]
    if kind in WITH_TERMS:
        return WITH_TERMS[kind](step)
    if kind == "read":
        return step["result"]  # a number of a tensor: nothing to compute
    return FORMULAS[kind](**step["operands"])


def check_rounding(step: dict[str, Any]) -> None:
    """The bits that a step shows are those of its number, and go where it says."""
    rounding = step.get("rounding")
    if rounding is None:
        return
    number, bits = rounding["number"], rounding["bits"]
    kept, cut = rounding["kept_binary"], rounding["cut_binary"]
    assert len(cut) == bits
    sign = -1 if kept.startswith("-") else 1
    digits = kept.removeprefix("-")
    whole = int(digits, 2)
    if rounding["twos_complement"]:
        assert digits[0] == "1"
        whole -= 2 ** len(digits)
    assert sign * (whole * 2**bits + int(cut, 2)) == number
    exact, result = Fraction(number, 2**bits), step["result"]
    if INT32[0] < result < INT32[1]:
        goes = "up" if result > exact else "down" if result < exact else "nowhere"
        assert rounding["goes"] == goes


def _offsets(step: dict[str, Any]) -> list[int]:
    return [step["operands"].get(f"{name} zero point", 0) for name in step["columns"]]


def _sum(step: dict[str, Any]) -> int:
    total = 0
    for term in step["terms"]:
        row = 1
        for number, offset in zip(term["numbers"], _offsets(step), strict=True):
            row *= number - offset
        assert row == term["result"]
        total += row
    return total


def _extreme(step: dict[str, Any]) -> int:
    numbers = sorted(term["numbers"][0] for term in step["terms"])
    assert [term["result"] for term in step["terms"]] == [t["numbers"][0] for t in step["terms"]]
    return numbers[0] if step["kind"] == "minimum" else numbers[-1]


WITH_TERMS = {"sum_of_products": _sum, "sum": _sum, "maximum": _extreme, "minimum": _extreme}
WITH_TERMS |= further.WITH_STEP


def half_up(x: Fraction) -> int:
    return math.floor(x + Fraction(1, 2))


def half_away(x: Fraction) -> int:
    return half_up(x) if x >= 0 else -half_up(-x)


def clamp(x: int, low: int, high: int) -> int:
    return sorted((low, x, high))[1] if low <= high else min(max(x, low), high)


def wrap(x: int, bits: int) -> int:
    return int.from_bytes((x % 2**bits).to_bytes(bits // 8, "little"), "little", signed=True)


def reduce_multiplier(multiplier: int) -> int:
    return min(half_up(Fraction(multiplier, 2**16)), 2**15 - 1)


def multiply_real(x: int, multiplier: int, shift: int) -> int:
    product = float(x) * float(Fraction(multiplier) * Fraction(2) ** (shift - 31))
    return clamp(half_away(Fraction(product)), *INT32)


def float32(x: float) -> float:
    try:
        return struct.unpack("f", struct.pack("f", x))[0]
    except OverflowError:
        return math.copysign(math.inf, x)


def divide_float32(x: float, y: float) -> float:
    if y == 0 or not math.isfinite(x):
        return math.nan if x == 0 or math.isnan(x) else math.copysign(math.inf, x)
    return float32(x / y)  # double has more than twice the bits: rounding twice changes nothing


def round_float(x: float) -> int:
    if math.isnan(x):
        return 0
    if math.isinf(x):
        return INT32[x > 0]
    return clamp(half_away(Fraction(x)), *INT32)


def truncate(x: float) -> int:
    if math.isnan(x):
        return 0
    if math.isinf(x):
        return 2**63 - 1 if x > 0 else -(2**63)
    return int(x)


FORMULAS = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "negate": lambda x: -x,
    "take": lambda x: x,
    "lookup": lambda index, value: value,
    "wrap": wrap,
    "clamp": clamp,
    "shift_left": lambda x, bits: x * 2**bits,
    "shift_right": lambda x, bits: math.floor(Fraction(x, 2**bits)),
    "shift_right_rounded": lambda x, bits: half_up(Fraction(x, 2**bits)),
    "doubling_high_mul": lambda a, b: clamp(half_up(Fraction(2 * a * b, 2**32)), *INT32),
    "rounding_divide": lambda x, exponent: half_away(Fraction(x, 2**exponent)),
    "multiply_rounded": lambda x, multiplier, bits: half_up(Fraction(x * multiplier, 2**bits)),
    "multiply_real": multiply_real,
    "reduce_multiplier": reduce_multiplier,
    "divide_truncated": lambda x, y: math.trunc(Fraction(x, y)),
    "larger": lambda x, y: x if x > y else y,
    "smaller": lambda x, y: x if x < y else y,
    "divide_float32": divide_float32,
    "multiply_to_float32": lambda x, y: float32(x * y),
    "round_float": round_float,
    "truncate": truncate,
    "is_not_zero": lambda x: 0 if x == 0 else 1,
    "low_bits": lambda x, bits: x % 2**bits,
}
FORMULAS |= further.FORMULAS
