"""The arena as an SVG picture: addresses upwards, ops to the right, a bar for each buffer.

Below it the bytes alive at each op. Colours tell what a buffer is for (a palette that colour-blind
people can tell apart, on light and dark paper); buffers that make the peak are outlined.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from microinterp.arena.plan import Plan
from microinterp.arena.report import Moment, peak_bytes, peak_text, timeline
from microinterp.errors import printable
from microinterp.prepare import Prepared
from microinterp.report.bars import ROLES, Bar, bars, title
from microinterp.report.markup import NAME_LIMIT, element, escaped

_CHARACTER = 6.4  # width of one at 11 pixels, a little more than most fonts take
_CAPITAL = 7.0  # the same for words of any letters, which must not leave their bar
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 24, 84, 142
_ARENA, _GAP, _ALIVE = 380, 26, 76  # heights of the two panels and of what lies between
_WIDTH, _MOST_WIDTH, _STEP = 1000, 2400, 4
_THIN = 1.5  # height of a buffer of a few bytes
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
.mi-arena .mi-bar .mi-whole { fill-opacity: .25; stroke: none; }
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
    def step(self) -> float:
        """Pixels of one moment."""
        return (self.width - _LEFT - _RIGHT) / max(1, len(self.moments))

    @cached_property
    def peak(self) -> int:
        return peak_bytes(self.moments)

    @cached_property
    def top_bytes(self) -> float:
        """The address at the arena panel's upper edge."""
        head = max(1, self.plan.head_bytes)
        near = [mark.nbytes for mark in self.marks if mark.nbytes <= _OFF_SCALE * head]
        return 1.08 * max(head, *near) if near else 1.08 * head

    def x(self, column: float) -> float:
        """Left edge of a moment's column."""
        return _LEFT + column * self.step

    def y(self, address: float) -> float:
        """Height of an address in the arena panel."""
        return _TOP + _ARENA - min(1.0, address / self.top_bytes) * _ARENA

    def svg(self) -> str:
        parts = (
            element("style", STYLE),
            element("rect", class_="mi-paper", width=self.width, height=self.height),
            *self._titles(),
            *self._grid(),
            *self._peaks(),
            *self._columns(),
            *(self._bar(bar) for bar in self.bars if bar.is_used and bar.placed.size),
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
        yield _text(x, 63.5, "outlined: alive at the peak", "mi-faint")
        unused = sum(not bar.is_used for bar in self.bars)
        if unused:
            text = f"{unused} that no op uses not drawn"
            yield _text(self.width - _RIGHT, 63.5, text, "mi-faint", "end")

    def _grid(self) -> Iterator[str]:
        right = self.width - _RIGHT
        for address, words in _ticks(self.top_bytes, 7):
            y = self.y(address)
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
            x, width = self.x(first), (last - first + 1) * self.step
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
                x=self.x(column),
                y=_TOP,
                width=self.step,
                height=height,
                data_step=str(column),
            )

    def _bar(self, bar: Bar) -> str:
        placed = bar.placed
        x, right = self.x(bar.first), self.x(bar.last + 1)
        bottom = self.y(placed.offset)
        y = min(self.y(placed.end), bottom - _THIN)  # the smallest one is seen, too
        edge = min(1.0, 0.15 * self.step) if bottom - y > 3 * _THIN else 0
        outline = self._outline(bar)
        whole = f"M{x:.1f} {bottom:.1f} H{right:.1f} V{y:.1f} H{x:.1f} z"
        return element(
            "g",
            element("title", _lines(title(bar, self.moments))),
            "" if outline is None else element("path", class_="mi-whole", d=whole),
            element("path", d=outline or whole, stroke_width=edge),
            *_bar_text(bar, x, y, right - x, bottom - y),
            class_=f"mi-bar mi-{bar.role}" + (" mi-full" if bar.at_peak else ""),
            data_buffer=str(bar.position),
            data_first=str(bar.first),
            data_last=str(bar.last),
        )

    def _outline(self, bar: Bar) -> str | None:
        """The shape of a buffer whose bytes come and go; None for a plain rectangle."""
        whole = (bar.placed.offset, bar.placed.end)
        spans = [m.spans[m.alive.index(bar.placed)] for m in self.moments[bar.first : bar.last + 1]]
        if all(span == whole for span in spans):
            return None
        upper, lower = [], []
        for column, (start, end) in enumerate(spans, bar.first):
            left, right = self.x(column), self.x(column + 1)
            upper += [(left, self.y(end)), (right, self.y(end))]
            lower += [(left, self.y(start)), (right, self.y(start))]
        points = (f"{x:.1f} {y:.1f}" for x, y in upper + lower[::-1])
        return f"M{' L'.join(points)} z"

    def _lines(self) -> Iterator[str]:
        """The head, and what it is compared with."""
        right = self.width - _RIGHT
        for mark in self.marks:
            y = self.y(mark.nbytes)
            is_off = mark.nbytes > self.top_bytes
            words = f"{mark.label} {mark.nbytes:,}" + (" (off scale) \u2191" if is_off else "")
            yield element("line", class_="mi-mark", x1=_LEFT, y1=y, x2=right, y2=y)
            text_y = y + 13 if is_off else y - 5
            yield _text(right - 2, text_y, printable(words, 80), "mi-over mi-faint", "end")
        y = self.y(self.plan.head_bytes)
        yield element("line", class_="mi-head", x1=_LEFT, y1=y, x2=right, y2=y)
        yield _text(_LEFT + 4, y - 5, f"head {self.plan.head_bytes:,}", "mi-over")

    def _alive(self) -> Iterator[str]:
        """The lower panel: bytes alive at each moment."""
        floor = _TOP + _ARENA + _GAP + _ALIVE
        scale = _ALIVE / max(1, self.peak)
        d = [f"M{_LEFT} {floor}"]
        for column, moment in enumerate(self.moments):
            d.append(f"V{floor - scale * moment.live_bytes:.1f} H{self.x(column + 1):.1f}")
        yield element("path", class_="mi-curve", d=" ".join([*d, f"V{floor} z"]))
        right = self.width - _RIGHT
        yield element("line", class_="mi-axis", x1=_LEFT, y1=floor, x2=right, y2=floor)
        yield _text(_LEFT - 8, floor - _ALIVE + 4, f"{self.peak:,}", "mi-faint", "end")
        yield _text(_LEFT - 8, floor + 4, "0", "mi-faint", "end")
        yield _text(_LEFT - 8, floor - _ALIVE / 2 + 4, "alive", "mi-faint", "end")

    def _op_labels(self) -> Iterator[str]:
        """Names of ops under their columns: of all where they have room, the peak's first."""
        y = _TOP + _ARENA + _GAP + _ALIVE + 12
        fullest = [i for i, m in enumerate(self.moments) if m.live_bytes == self.peak]
        room = max(1, round(13 / self.step + 0.5)) if self.step < 13 else 1
        taken: list[int] = []
        for column in [*fullest, *range(0, len(self.moments), room)]:
            if all(abs(column - other) >= room for other in taken):
                taken.append(column)
        for column in sorted(taken):
            x = self.x(column + 0.5) + 4
            is_peak = self.moments[column].live_bytes == self.peak
            yield element(
                "text",
                escaped(" ".join(self.moments[column].label.split()), 20),
                class_="mi-at-peak" if is_peak else "mi-faint",
                text_anchor="end",
                transform=f"translate({x:.1f} {y}) rotate(-55)",
            )


def _bar_text(bar: Bar, x: float, y: float, width: float, height: float) -> Iterator[str]:
    """Number, and name and size where there is room, in the bar's middle."""
    most = int((width - 4) / _CAPITAL)
    if height < 12 or most < len(bar.number):
        return
    full = f"{bar.number} {bar.name}".strip()
    words = full if len(full) <= most else bar.number
    if words == bar.number and bar.name and most >= len(bar.number) + 8:
        words = (
            f"{bar.number} \u2026{bar.name[len(bar.number) + 2 - most :]}"  # names differ behind
        )
    size = f"{bar.placed.size:,} B"
    two = height >= 28 and len(size) <= most
    middle = y + height / 2 + (-3 if two else 4)
    yield _text(x + width / 2, middle, printable(words, NAME_LIMIT), anchor="middle")
    if two:
        yield _text(x + width / 2, middle + 14, size, anchor="middle")


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
