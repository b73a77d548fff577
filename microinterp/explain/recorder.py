"""Recorder: does an op's arithmetic one step at a time on plain ints, and writes each step down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

from microinterp.explain.arithmetic import ARITHMETIC, ROUNDINGS
from microinterp.explain.kinds import ROWS
from microinterp.explain.rounding import Rounding
from microinterp.explain.steps import Known, Number, Step, Term, known
from microinterp.graph import Tensor
from microinterp.quant import fixedpoint

Tap = tuple[tuple[int, ...], tuple[int, ...]]
"""A row before it is computed: index in the tensor, and a number for each column."""


class Recorder:
    """Does and records steps. Each method gives its result, which remembers its step.

    Attributes:
        steps: those recorded so far.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._section = ""

    @contextmanager
    def section(self, title: str) -> Iterator[None]:
        """Steps recorded inside belong to a part of the work called `title`."""
        before, self._section = self._section, title
        try:
            yield
        finally:
            self._section = before

    def do(
        self,
        kind: str,
        label: str,
        note: str = "",
        real: float | None = None,
        factor: tuple[int, int] | None = None,
        **operands: Number,
    ) -> Any:
        """One step of ARITHMETIC[kind].

        Args:
            kind: a key of arithmetic.ARITHMETIC.
            label: what it does in this op: "add the bias".
            note: more to know.
            real: what the result stands for.
            factor: multiplier and shift, where the step multiplies to requantise.
            operands: by the names that the kind's function has.
        """
        result = ARITHMETIC[kind](**operands)
        cutting = ROUNDINGS.get(kind)
        return self._record(
            kind,
            label,
            operands,
            result,
            note=note,
            real=real,
            factor=factor,
            rounding=cutting(**operands) if cutting else None,
        )

    def read(
        self,
        label: str,
        source: Tensor | str,
        at: Sequence[int],
        value: Number,
        real: float | None = None,
    ) -> Any:
        """A number read from a tensor.

        Args:
            label: its role: "input", "bias".
            source: the tensor, or a name for what is no tensor of the file.
            at: index of the number there.
            value: the number.
            real: what it stands for; None takes the tensor's quantisation.
        """
        if real is None and isinstance(source, Tensor):
            real = dequantised(source, value)
        return self._record("read", label, {}, value, source=source, at=tuple(at), real=real)

    def take(self, label: str, value: Number, note: str = "") -> Any:
        """The number stays as it is: for ops that only move."""
        return self._record("take", label, {"x": value}, value, note=note)

    def lookup(
        self, label: str, index: int, value: int, note: str = "", real: float | None = None
    ) -> Any:
        """`value` stands at `index` in a table; the note says what the table was made from."""
        return self._record(
            "lookup", label, {"index": index, "value": value}, value, note=note, real=real
        )

    def sum_of_products(
        self,
        label: str,
        columns: tuple[str, str],
        zero_points: tuple[int, int],
        taps: Iterable[Tap],
        note: str = "",
        real: float | None = None,
        source: Tensor | None = None,
    ) -> Any:
        """The sum over the rows of (first - its zero point) * (second - its zero point).

        Args:
            columns: names of the first and the second number.
            source: the tensor that the rows' indexes are of.
        """
        terms = tuple(
            _term(at, numbers, prod(n - z for n, z in zip(numbers, zero_points, strict=True)))
            for at, numbers in taps
        )
        names = (f"{columns[0]} zero point", f"{columns[1]} zero point")
        operands: dict[str, Number] = dict(zip(names, zero_points, strict=True))
        total = sum(term.result for term in terms)
        return self._record(
            "sum_of_products",
            label,
            operands,
            total,
            columns=columns,
            terms=terms,
            note=note,
            real=real,
            source=source,
        )

    def sum(
        self,
        label: str,
        taps: Iterable[Tap],
        column: str = "input",
        zero_point: int = 0,
        **more: Any,
    ) -> Any:
        """The sum over the rows of number - zero_point; `more`: note, real, source."""
        terms = tuple(_term(at, numbers, numbers[0] - zero_point) for at, numbers in taps)
        total = sum(term.result for term in terms)
        operands: dict[str, Number] = {f"{column} zero point": zero_point} if zero_point else {}
        return self._record("sum", label, operands, total, columns=(column,), terms=terms, **more)

    def maximum(self, label: str, taps: Iterable[Tap], column: str = "input", **more: Any) -> Any:
        """The greatest of the rows' numbers."""
        return self._extreme("maximum", max, label, taps, column, more)

    def minimum(self, label: str, taps: Iterable[Tap], column: str = "input", **more: Any) -> Any:
        """The smallest of the rows' numbers."""
        return self._extreme("minimum", min, label, taps, column, more)

    def rows(
        self,
        kind: str,
        label: str,
        columns: tuple[str, ...],
        taps: Iterable[Tap],
        *,
        note: str = "",
        real: float | None = None,
        source: Tensor | None = None,
        **operands: int,
    ) -> Any:
        """One step of kinds.ROWS[kind] over rows of numbers, one for each column."""
        found = list(taps)
        results, total = ROWS[kind]([numbers for _, numbers in found], **operands)
        terms = tuple(
            _term(at, numbers, result) for (at, numbers), result in zip(found, results, strict=True)
        )
        return self._record(
            kind,
            label,
            dict(operands),
            total,
            columns=columns,
            terms=terms,
            note=note,
            real=real,
            source=source,
        )

    def _extreme(
        self,
        kind: str,
        choose: Callable[..., int],
        label: str,
        taps: Iterable[Tap],
        column: str,
        more: dict[str, Any],
    ) -> Any:
        terms = tuple(_term(at, numbers, numbers[0]) for at, numbers in taps)
        best = choose(term.result for term in terms)
        return self._record(kind, label, {}, best, columns=(column,), terms=terms, **more)

    def wrap(self, x: int, bits: int) -> Any:
        """`x` as a C integer of that many bits; no step where it fits."""
        if -(1 << (bits - 1)) <= x < 1 << (bits - 1):
            return x
        return self.do("wrap", f"wraps around {bits} bits", x=x, bits=bits)

    def requantise(
        self,
        x: int,
        function: fixedpoint.Requantise,
        multiplier: int,
        shift: int,
        note: str = "",
        real: float | None = None,
    ) -> Any:
        """x * multiplier * 2^(shift - 31) as `function` of quant/fixedpoint.py rounds it.

        Args:
            function: what a kernel's Params hold as `requantise`.
            note: what the factor is made from, for example "0.5 * 0.02 / 0.1".
            real: what the result stands for.
        """
        multiplier, shift = int(multiplier), int(shift)
        return _REQUANTISE[function](self, x, multiplier, shift, note, real)

    def output(
        self, x: int, zero_point: int, low: int, high: int, scale: float | None = None
    ) -> Any:
        """The usual end: add the output's zero point, wrap to int32, clamp.

        Args:
            scale: the output's, for what the result stands for.
        """
        if zero_point:
            x = self.do("add", "add output zero point", x=x, y=zero_point)
        x = self.wrap(x, 32)
        real = None if scale is None else (max(low, min(high, x)) - zero_point) * scale
        return self.do("clamp", "clamp", x=x, low=low, high=high, real=real)

    def _record(
        self,
        kind: str,
        label: str,
        operands: dict[str, Any],
        result: Any,
        *,
        note: str = "",
        real: float | None = None,
        rounding: Rounding | None = None,
        factor: tuple[int, int] | None = None,
        columns: tuple[str, ...] = (),
        terms: tuple[Term, ...] = (),
        source: Tensor | str | None = None,
        at: tuple[int, ...] | None = None,
    ) -> Any:
        number = len(self.steps)
        sources = {name: value.step for name, value in operands.items() if hasattr(value, "step")}
        self.steps.append(
            Step(
                number=number,
                kind=kind,
                label=label,
                operands={name: plain(value) for name, value in operands.items()},
                sources=sources,
                result=plain(result),
                note=note,
                section=self._section,
                real=None if real is None else float(real),
                rounding=rounding,
                factor=factor,
                columns=columns,
                terms=terms,
                tensor=source.name if isinstance(source, Tensor) else source,
                tensor_index=source.index if isinstance(source, Tensor) else None,
                at=None if at is None else tuple(map(int, at)),
            )
        )
        return known(plain(result), number)


def dequantised(tensor: Tensor, value: Any, channel: int = 0) -> float | None:
    """What a number in `tensor` stands for; None where it has no quantisation.

    Args:
        channel: which scale, where there are several.
    """
    if tensor.quantization is None or tensor.dtype.kind not in "iu":
        return None
    scales, zeros = tensor.quantization.scale, tensor.quantization.zero_point
    scale = scales[channel if len(scales) > 1 else 0]
    zero = zeros[channel if len(zeros) > 1 else 0]
    return (int(value) - int(zero)) * float(scale)


def plain(value: Any) -> Number:
    """A number of any type (NumPy's too) as a plain int or float."""
    return float(value) if isinstance(value, float) or _is_float(value) else int(value)


def _is_float(value: Any) -> bool:
    return getattr(getattr(value, "dtype", None), "kind", "") == "f"


def _term(at: Sequence[int], numbers: Sequence[int], result: int) -> Term:
    steps = tuple(getattr(number, "step", None) for number in numbers)
    return Term(tuple(map(int, at)), tuple(map(int, numbers)), int(result), steps)


_TIMES = "times the multiplier"


def _double(r: Recorder, x: int, m: int, shift: int, note: str, real: float | None) -> Any:
    if shift > 0:
        x = r.do("shift_left", "shift left", x=x, bits=shift)
        x = r.wrap(x, 32)
    is_last = shift >= 0
    end = real if is_last else None
    x = r.do("doubling_high_mul", _TIMES, note, end, (m, shift), a=x, b=m)
    if is_last:
        return x
    return r.do("rounding_divide", "shift right", real=real, x=x, exponent=-shift)


def _single(r: Recorder, x: int, m: int, shift: int, note: str, real: float | None) -> Any:
    bits = 31 - shift
    x = r.do("multiply_rounded", _TIMES, note, real, (m, shift), x=x, multiplier=m, bits=bits)
    return r.wrap(x, 32)


def _reduced(r: Recorder, multiplier: int) -> Any:
    return r.do("reduce_multiplier", "multiplier in 16 bits", multiplier=multiplier)


def _int64(r: Recorder, x: int, m: int, shift: int, note: str, real: float | None) -> Any:
    short, bits = _reduced(r, m), 15 - shift
    x = r.do("multiply_rounded", _TIMES, note, real, (m, shift), x=x, multiplier=short, bits=bits)
    return r.wrap(x, 32)


def _int64_short(r: Recorder, x: int, m: int, shift: int, note: str, real: float | None) -> Any:
    short = _reduced(r, m)
    x = r.do("multiply", _TIMES, note, None, (m, shift), x=x, y=short)
    x = r.do("shift_right", "shift right, but one bit", x=x, bits=14 - shift)
    x = r.wrap(x, 32)
    x = r.do("add", "add one half", x=x, y=1)
    x = r.wrap(x, 32)
    return r.do("shift_right", "the last bit goes", real=real, x=x, bits=1)


def _real(r: Recorder, x: int, m: int, shift: int, note: str, real: float | None) -> Any:
    label = "times the real factor"
    return r.do("multiply_real", label, note, real, (m, shift), x=x, multiplier=m, shift=shift)


_REQUANTISE: dict[Any, Callable[..., Known]] = {
    fixedpoint.multiply_double: _double,
    fixedpoint.multiply_single: _single,
    fixedpoint.multiply_int64: _int64,
    fixedpoint.multiply_int64_short: _int64_short,
    fixedpoint.multiply_real: _real,
}
