"""SignalRfft and SignalIrfft of integers: one number of an FFT as its butterflies.

A complex number has two parts, and a step gives one number: so each butterfly has a step for each
part that is needed. The formulas are those of quant/kiss_fft.py, kept in explain/butterflies.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from microinterp.explain.recorder import Recorder, Tap
from microinterp.explain.subject import Explainer, Outcome, Subject
from microinterp.kernels.signal_spectrum import FftParams

_TURNED = ("re", "im", "turn re", "turn im")
_PARTS = ("re", "im")
_SAMPLE = tuple[int, int, tuple[int, ...] | None]
"""Real and imaginary part, and where the real one stands in the input."""


class _Transform:
    """The butterflies of one row; each is recorded once."""

    def __init__(self, subject: Subject, recorder: Recorder) -> None:
        p: FftParams = subject.params
        self.plan, self.r = p.plan, recorder
        self.row = subject.index[:-1]
        self.tensor = subject.node.input(0)
        self.x = subject.array(0)[self.row]
        self.bits = p.plan.numbers.bits
        self.leaves: dict[int, _SAMPLE] = {}
        self._made: dict[tuple[int, int, int, int], Any] = {}

    def sample(self, number: int) -> tuple[int, tuple[int, ...] | None]:
        """A number of the input's row and where it stands; 0 behind its end."""
        if number >= len(self.x):
            return 0, None
        return int(self.x[number]), (*self.row, number)

    def pair(self, number: int) -> _SAMPLE:
        """Input `number` of the complex transform."""
        if number in self.leaves:
            return self.leaves[number]
        (re, at), (im, _) = (self.sample(2 * number + part) for part in (0, 1))
        return re, im, at

    def over_two(self, x: int, label: str) -> Any:
        """Half, by a rounded reciprocal."""
        half = ((1 << self.bits) - 1) // 2
        x = self.r.do("multiply_rounded", label, x=x, multiplier=half, bits=self.bits)
        return self.r.wrap(x, self.bits + 1)

    def element(self, k: int, part: int) -> Any:
        """A part of output k of the complex transform."""
        return self._element(0, 1, self.plan.radices, k, part)

    def _element(self, start: int, stride: int, radices: tuple[int, ...], k: int, part: int) -> Any:
        """The same of the transform of every `stride`-th input from `start` on."""
        key = (start, stride, k, part)
        if key not in self._made:
            self._made[key] = self._butterfly(start, stride, radices, k, part)
        return self._made[key]

    def _butterfly(
        self, start: int, stride: int, radices: tuple[int, ...], k: int, part: int
    ) -> Any:
        p, rest = radices[0], radices[1:]
        m = self.plan.points // stride // p
        output, inner = divmod(k, m)
        rows: list[Tap] = []
        places = []
        for q in range(p):
            turn = self._turn(inner * stride * q) if q else (0, 0)
            first = start + q * stride
            if m > 1:
                parts = [self._element(first, stride * p, rest, inner, i) for i in (0, 1)]
                rows.append(((q,), (parts[0], parts[1], *turn)))
            else:
                re, im, at = self.pair(first)
                places.append(at)
                rows.append((at or (q,), (re, im, *turn)))
        is_read = bool(places) and None not in places
        return self.r.rows(
            "butterfly",
            f"{m} x {p}: output {output}, {_PARTS[part]}",
            _TURNED,
            rows,
            source=self.tensor if is_read else None,
            output=output,
            part=part,
            inverse=int(self.plan.inverse),
            bits=self.bits,
            **self._between(p, stride * m),
        )

    def _turn(self, number: int) -> tuple[int, int]:
        re, im = self.plan.twiddles
        return int(re[number]), int(im[number])

    def _between(self, radix: int, unit: int) -> dict[str, Any]:
        """Twiddle factors between the outputs of radix 3 and 5."""
        found: dict[str, Any] = {}
        for number in range(1, {3: 2, 5: 3}.get(radix, 1)):
            found[f"re {number}"], found[f"im {number}"] = self._turn(number * unit)
        return found

    def bin(self, k: int, part: int, pairs: list[tuple[Any, ...]], at: list[Any]) -> Any:
        """Bin k of the pass, from (re, im) of bin min(k, points - k) and of the other one."""
        count = self.plan.points
        low = min(k, count - k)
        re, im = (int(turn[low - 1]) for turn in self.plan.super_twiddles)
        is_read = None not in at
        return self.r.rows(
            "real_bin",
            f"bin {k}, {_PARTS[part]}",
            _PARTS,
            [(place or (), (pair[0], pair[1])) for place, pair in zip(at, pairs, strict=True)],
            source=self.tensor if is_read else None,
            turn_re=re,
            turn_im=im,
            mirrored=int(2 * k >= count),
            part=part,
            inverse=int(self.plan.inverse),
            bits=self.bits,
        )


def _forward(subject: Subject, r: Recorder) -> Outcome:
    """Samples to spectrum: the transform of pairs, then the pass that takes them apart."""
    t, count = _Transform(subject, r), subject.params.plan.points
    k, part = divmod(subject.index[-1], 2)
    if k in (0, count):
        if part == 1:
            label = "imaginary parts of the first and last bin are 0"
            return Outcome(r.read(label, subject.node.name, subject.index, 0))
        with r.section("FFT of pairs of samples"):
            pair = [t.element(0, i) for i in (0, 1)]
        with r.section("its real bins"):
            re, im = (t.over_two(x, f"half of {_PARTS[i]}") for i, x in enumerate(pair))
            kind, label = ("add", "their sum") if k == 0 else ("subtract", "their difference")
            return Outcome(r.wrap(r.do(kind, label, x=re, y=im), t.bits + 1))
    low = min(k, count - k)
    pairs = []
    for number in (low, count - low):
        with r.section(f"FFT of pairs of samples: element {number}"):
            pairs.append(tuple(t.element(number, i) for i in (0, 1)))
    with r.section("the pass that takes real samples apart"):
        return Outcome(t.bin(k, part, pairs, [None, None]))


def _inverse(subject: Subject, r: Recorder) -> Outcome:
    """Spectrum to samples: the pass first."""
    t, count = _Transform(subject, r), subject.params.plan.points
    with r.section("the pass that joins the spectrum"):
        first, last = (
            r.read(f"bin {k}", t.tensor, (*t.row, 2 * k), t.sample(2 * k)[0]) for k in (0, count)
        )
        ends = [
            r.wrap(r.do(kind, f"{label} of the ends", x=first, y=last), t.bits + 1)
            for kind, label in (("add", "sum"), ("subtract", "difference"))
        ]
        re, im = (t.over_two(x, f"half: bin 0, {_PARTS[i]}") for i, x in enumerate(ends))
        made: dict[int, _SAMPLE] = {0: (re, im, None)}
        for k in range(1, count):
            low = min(k, count - k)
            pairs = [t.pair(number) for number in (low, count - low)]
            at = [pair[2] for pair in pairs]
            re, im = (t.bin(k, part, list(pairs), at) for part in (0, 1))
            made[k] = (re, im, None)
    t.leaves = made
    number, part = divmod(subject.index[-1], 2)
    with r.section("inverse FFT"):
        return Outcome(t.element(number, part))


EXPLAINERS: Mapping[str, Explainer] = {"SignalRfft": _forward, "SignalIrfft": _inverse}
