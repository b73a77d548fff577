"""The arena as an SVG picture: addresses upwards, ops to the right, a bar for each buffer.

Below it the bytes alive at each op. Colours tell what a buffer is for (a palette that colour-blind
people can tell apart, on light and dark paper); buffers that make the peak are outlined.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from microinterp.arena.plan import Plan
from microinterp.arena.report import Moment, peak_bytes, peak_text, timeline
from microinterp.errors import printable
from microinterp.prepare import Prepared
from microinterp.report.arena_shapes import Scale, Shape
from microinterp.report.bars import ROLES, Bar, bars, title
from microinterp.report.markup import element, escaped

_CHARACTER = 6.4  # width of one at 11 pixels, a little more than most fonts take
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 24, 84, 142
_ARENA, _GAP, _ALIVE = 380, 26, 76  # heights of the two panels and of what lies between
_WIDTH, _MOST_WIDTH, _STEP = 1000, 2400, 4
_LABELS_APART, _MANY_GROUPS = 13, 60
_OFF_SCALE = 2.5
"""A mark so many times higher than the head stands at the edge: the bars keep their size."""

STYLE = """
.mi-arena { font: 11px system-ui, sans-serif; font-variant-numeric: tabular-nums;
  --paper: #ffffff; --ink: #1f2328; --faint: #59636e; --grid: #d9dee4; --peak: #c2410c;
  --band: #c2410c1f; --curve: #8ba3bd; }
@media (prefers-color-scheme: dark) { .mi-arena { --paper: #14181d; --ink: #e8edf2;
  --faint: #9aa7b4; --grid: #303841; --peak: #ff9d66; --band: #ff9d6626; --curve: #5f7d9c; } }
.mi-arena text { fill: var(--ink); }
.mi-arena .mi-faint { fill: var(--faint); }
.mi-arena .mi-title { font-size: 15px; font-weight: 600; }
.mi-arena .mi-paper { fill: var(--paper); }
.mi-arena .mi-grid { stroke: var(--grid); }
.mi-arena .mi-axis { stroke: var(--faint); fill: none; }
.mi-arena .mi-head { stroke: var(--ink); stroke-width: 1.5; }
.mi-arena .mi-mark { stroke: var(--faint); stroke-width: 1.5; stroke-dasharray: 6 4; }
.mi-arena .mi-over { paint-order: stroke; stroke: var(--paper); stroke-width: 3px; }
.mi-arena .mi-band { fill: var(--band); }
.mi-arena .mi-curve { fill: var(--curve); pointer-events: none; }
.mi-arena .mi-at-peak { fill: var(--peak); font-weight: 600; }
.mi-arena .mi-step { fill: var(--ink); fill-opacity: 0; }
.mi-arena .mi-step:hover { fill-opacity: .08; }
.mi-arena .mi-bar path { stroke: var(--paper); }
.mi-arena .mi-bar.mi-full path { stroke: var(--ink); }
.mi-arena .mi-bar text { fill: #10151a; pointer-events: none; }
.mi-arena .mi-pale { fill-opacity: .25; pointer-events: none; }
.mi-arena .mi-bar:hover path, .mi-arena .mi-bar.mi-on path { filter: brightness(.82); }
.mi-arena .mi-bar.mi-on path { stroke: var(--peak); }
.mi-input { fill: #f0e06a; background: #f0e06a; }
.mi-tensor { fill: #8cbde6; background: #8cbde6; }
.mi-output { fill: #4fc3a1; background: #4fc3a1; }
.mi-scratch { fill: #eba23c; background: #eba23c; }
.mi-variable { fill: #d98fb8; background: #d98fb8; }
"""


@dataclass(frozen=True)
class Mark:
    """A line at an address: another plan's head, or the end of the memory there is.

    Attributes:
        label: what it is, for example "TFLM's head".
        nbytes: where it is.
    """

    label: str
    nbytes: int


def arena_svg(
    prepared: Prepared,
    plan: Plan,
    *,
    heading: str = "",
    marks: Sequence[Mark] = (),
) -> str:
    """Draw a plan: one self-contained <svg> element that needs no script; hovering tells all.

    Args:
        prepared, plan: of one model; also what passes have made of it.
        heading: untrusted text, such as the file's name.
        marks: lines to compare the head with.
    """
    moments = timeline(prepared, plan)
    return _Picture(plan, moments, bars(prepared, plan, moments), heading, tuple(marks)).svg()


@dataclass(frozen=True)
class _Picture:
    plan: Plan
    moments: tuple[Moment, ...]
    bars: tuple[Bar, ...]
    heading: str
    marks: tuple[Mark, ...]

    @cached_property
    def width(self) -> int:
        """Grows for long models, so that a step keeps some pixels."""
        wanted = _LEFT + _RIGHT + _STEP * len(self.moments)
        return min(max(_WIDTH, wanted), _MOST_WIDTH)

    @property
    def height(self) -> int:
        return _TOP + _ARENA + _GAP + _ALIVE + _BOTTOM

    @cached_property
    def peak(self) -> int:
        return peak_bytes(self.moments)

    @cached_property
    def scale(self) -> Scale:
        """Of the upper panel; the lower one has the same columns."""
        step = (self.width - _LEFT - _RIGHT) / max(1, len(self.moments))
        head = max(1, self.plan.head_bytes)
        near = [mark.nbytes for mark in self.marks if mark.nbytes <= _OFF_SCALE * head]
        return Scale(_LEFT, step, _TOP + _ARENA, _ARENA, 1.08 * max(head, *near, head))

    def svg(self) -> str:
        parts = (
            element("style", STYLE),
            element("rect", class_="mi-paper", width=self.width, height=self.height),
            *self._titles(),
            *self._grid(),
            *self._peaks(),
            *self._columns(),
            *self._shapes(),
            *self._lines(),
            *self._alive(),
            *self._op_labels(),
        )
        return element(
            "svg",
            "\n" + "\n".join(parts) + "\n",
            xmlns="http://www.w3.org/2000/svg",
            class_="mi-arena",
            viewBox=f"0 0 {self.width} {self.height}",
            width=self.width,
            height=self.height,
            role="img",
            aria_label=printable(f"arena of {self.plan.head_bytes:,} bytes: {self._peak()}", 300),
        )

    def _peak(self) -> str:
        return f"peak {peak_text(self.moments, 3)}"

    def _titles(self) -> Iterator[str]:
        most = int((self.width - 32) / _CHARACTER)
        head = f"head {self.plan.head_bytes:,} bytes, planner {self.plan.planner}"
        yield _text(16, 24, printable(self.heading or "The arena", 100), "mi-title")
        yield _text(16, 43, printable(f"{head}; {self._peak()}", most))
        x = 16.0
        for role, words in ROLES.items():
            if any(bar.role == role for bar in self.bars):
                yield element("rect", class_=f"mi-{role}", x=x, y=54, width=11, height=11)
                yield _text(x + 16, 63.5, words, "mi-faint")
                x += 34 + _CHARACTER * len(words)
        pale = "; pale: its bytes that are not in use" if self.plan.bound is not None else ""
        yield _text(x, 63.5, f"outlined: alive at the peak{pale}", "mi-faint")
        unused = sum(not bar.is_used for bar in self.bars)
        if unused:
            text = f"{unused} that no op uses not drawn"
            yield _text(self.width - _RIGHT, 63.5, text, "mi-faint", "end")

    def _grid(self) -> Iterator[str]:
        right = self.width - _RIGHT
        for address, words in _ticks(self.scale.top, 7):
            y = self.scale.y(address)
            yield element("line", class_="mi-grid", x1=_LEFT, y1=y, x2=right, y2=y)
            yield _text(_LEFT - 8, y + 4, words, "mi-faint", "end")
        middle = _TOP + _ARENA / 2
        yield element(
            "text",
            "address",
            class_="mi-faint",
            text_anchor="middle",
            transform=f"translate(14 {middle:.0f}) rotate(-90)",
        )

    def _peaks(self) -> Iterator[str]:
        """Bands behind the columns with the most live bytes, and a sign on each."""
        bottom = _TOP + _ARENA + _GAP + _ALIVE
        for first, last in _runs([m.live_bytes == self.peak for m in self.moments]):
            x, width = self.scale.x(first), (last - first + 1) * self.scale.step
            yield element("rect", class_="mi-band", x=x, y=_TOP, width=width, height=bottom - _TOP)
            middle = x + width / 2
            sign = f"M{middle - 5:.1f} {_TOP - 9} h10 l-5 7 z"
            yield element("path", class_="mi-at-peak", d=sign)

    def _columns(self) -> Iterator[str]:
        """Unseen until hovered over: what goes on at each op."""
        height = _ARENA + _GAP + _ALIVE
        for column, moment in enumerate(self.moments):
            words = f"{moment.label.strip()}\n{moment.live_bytes:,} bytes alive"
            yield element(
                "rect",
                element("title", _lines(words)),
                class_="mi-step",
                x=self.scale.x(column),
                y=_TOP,
                width=self.scale.step,
                height=height,
                data_step=str(column),
            )

    def _shapes(self) -> Iterator[str]:
        """Bars in front of the pale boxes of those whose bytes come and go."""
        drawn = [
            (bar, Shape(bar, self.moments, self.scale))
            for bar in self.bars
            if bar.is_used and bar.placed.size
        ]
        for bar, shape in drawn:
            if not shape.is_whole:
                yield element("path", class_=f"mi-pale mi-{bar.role}", d=shape.whole_path())
        for bar, shape in drawn:
            yield element(
                "g",
                element("title", _lines(title(bar, self.moments))),
                element("path", d=shape.path(), stroke_width=shape.edge),
                *shape.label(),
                class_=f"mi-bar mi-{bar.role}" + (" mi-full" if bar.at_peak else ""),
                data_buffer=str(bar.position),
                data_first=str(bar.first),
                data_last=str(bar.last),
            )

    def _lines(self) -> Iterator[str]:
        """The head, and what it is compared with."""
        right = self.width - _RIGHT
        for mark in self.marks:
            y = self.scale.y(mark.nbytes)
            is_off = mark.nbytes > self.scale.top
            words = f"{mark.label} {mark.nbytes:,}" + (" (off scale) \u2191" if is_off else "")
            yield element("line", class_="mi-mark", x1=_LEFT, y1=y, x2=right, y2=y)
            text_y = y + 13 if is_off else y - 5
            yield _text(right - 2, text_y, printable(words, 80), "mi-over mi-faint", "end")
        y = self.scale.y(self.plan.head_bytes)
        yield element("line", class_="mi-head", x1=_LEFT, y1=y, x2=right, y2=y)
        yield _text(_LEFT + 4, y - 5, f"head {self.plan.head_bytes:,}", "mi-over")

    def _alive(self) -> Iterator[str]:
        """The lower panel: bytes alive at each moment."""
        floor = _TOP + _ARENA + _GAP + _ALIVE
        scale = _ALIVE / max(1, self.peak)
        d = [f"M{_LEFT} {floor}"]
        for column, moment in enumerate(self.moments):
            d.append(f"V{floor - scale * moment.live_bytes:.1f} H{self.scale.x(column + 1):.1f}")
        yield element("path", class_="mi-curve", d=" ".join([*d, f"V{floor} z"]))
        right = self.width - _RIGHT
        yield element("line", class_="mi-axis", x1=_LEFT, y1=floor, x2=right, y2=floor)
        yield _text(_LEFT - 8, floor - _ALIVE + 4, f"{self.peak:,}", "mi-faint", "end")
        yield _text(_LEFT - 8, floor + 4, "0", "mi-faint", "end")
        yield _text(_LEFT - 8, floor - _ALIVE / 2 + 4, "alive", "mi-faint", "end")

    def _op_labels(self) -> Iterator[str]:
        """Names of ops under their columns, one for all neighbouring pieces; the peak's first."""
        y = _TOP + _ARENA + _GAP + _ALIVE + 12
        labels = [" ".join(moment.label.split()) for moment in self.moments]
        changes = [a != b for a, b in itertools.pairwise(["", *labels])]
        starts = [i for i, changed in enumerate(changes) if changed]
        groups = [range(a, b) for a, b in itertools.pairwise([*starts, len(labels)])]
        full = [any(self.moments[i].live_bytes == self.peak for i in group) for group in groups]
        apart = _LABELS_APART if len(groups) <= _MANY_GROUPS else 2 * _LABELS_APART
        taken: list[float] = []
        for is_full, group in sorted(zip(full, groups, strict=True), key=lambda each: not each[0]):
            x = self.scale.x((group[0] + group[-1] + 1) / 2)
            if any(abs(x - other) < apart for other in taken):
                continue
            taken.append(x)
            yield element(
                "text",
                escaped(labels[group[0]], 20),
                class_="mi-at-peak" if is_full else "mi-faint",
                text_anchor="end",
                transform=f"translate({x + 4:.1f} {y}) rotate(-55)",
            )


def _text(
    x: float, y: float, words: str, class_: str | None = None, anchor: str | None = None
) -> str:
    return element("text", escaped(words, 400), class_=class_, x=x, y=y, text_anchor=anchor)


def _lines(words: str) -> str:
    """Untrusted lines as markup; the line breaks between them stay."""
    return "\n".join(escaped(line) for line in words.split("\n"))


def _runs(flags: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """First and last position of each run of true ones."""
    start = None
    for i, flag in enumerate([*flags, False]):
        if flag and start is None:
            start = i
        elif not flag and start is not None:
            yield start, i - 1
            start = None


def _ticks(top: float, most: int) -> Iterator[tuple[int, str]]:
    """Multiples of a power of two from 0 on, at most so many, in KiB where all are whole."""
    step = 16
    while top / step >= most:
        step *= 2
    for address in range(0, int(top) + 1, step):
        whole = address and step >= 1024
        yield address, f"{address // 1024:,} KiB" if whole else f"{address:,}"
