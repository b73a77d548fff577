"""Where buffers lie on an arena's picture: boxes, stairs where bytes come and go, labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from microinterp.arena.report import Moment
from microinterp.errors import printable
from microinterp.report.bars import Bar
from microinterp.report.markup import NAME_LIMIT, element, escaped

CAPITAL = 7.0
"""Pixels of a character at 11 pixels, so that words of any letters stay inside their bar."""
_THIN = 1.5  # height of a buffer of a few bytes
_LINE = 12  # height of a line of text
_TRIED = 12  # columns of stairs at which a label is tried


@dataclass(frozen=True)
class Scale:
    """From columns and addresses to pixels.

    Attributes:
        left, step: edge of the first column, width of each.
        floor, height: lower edge of the panel, and its height.
        top: the address at its upper edge.
    """

    left: float
    step: float
    floor: float
    height: float
    top: float

    def x(self, column: float) -> float:
        """Left edge of a column."""
        return self.left + column * self.step

    def y(self, address: float) -> float:
        """Height of an address; those above the panel are at its edge."""
        return self.floor - min(1.0, address / self.top) * self.height


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels."""

    x: float
    y: float
    width: float
    height: float


class Shape:
    """One buffer on the picture."""

    def __init__(self, bar: Bar, moments: Sequence[Moment], scale: Scale) -> None:
        self._bar, self._scale = bar, scale
        self._spans = [
            m.spans[m.alive.index(bar.placed)] for m in moments[bar.first : bar.last + 1]
        ]

    @property
    def is_whole(self) -> bool:
        """True if all of its bytes are in use for its whole life."""
        whole = self._bar.placed.offset, self._bar.placed.end
        return all(span == whole for span in self._spans)

    @property
    def box(self) -> Box:
        """The whole buffer for its whole life; the smallest one is seen, too."""
        scale, bar = self._scale, self._bar
        x, floor = scale.x(bar.first), scale.y(bar.placed.offset)
        height = max(floor - scale.y(bar.placed.end), _THIN)
        return Box(x, floor - height, scale.x(bar.last + 1) - x, height)

    @property
    def edge(self) -> float:
        """Width of its outline: none on what is hardly larger than that."""
        return min(1.0, 0.15 * self._scale.step) if self.box.height > 3 * _THIN else 0

    def whole_path(self) -> str:
        """Outline of the box."""
        box = self.box
        start = f"M{box.x:.1f} {box.y:.1f}"
        return f"{start} H{box.x + box.width:.1f} V{box.y + box.height:.1f} H{box.x:.1f} z"

    def path(self) -> str:
        """Outline of the bytes in use."""
        if self.is_whole:
            return self.whole_path()
        scale = self._scale
        upper, lower = [], []
        for column, (start, end) in enumerate(self._spans, self._bar.first):
            for x in (scale.x(column), scale.x(column + 1)):
                upper.append(f"{x:.1f} {scale.y(end):.1f}")
                lower.append(f"{x:.1f} {scale.y(start):.1f}")
        return f"M{' L'.join(upper + lower[::-1])} z"

    def label(self) -> Iterator[str]:
        """Number, and name and size where there is room."""
        bar, box = self._bar, self._widest()
        most = int((box.width - 4) / CAPITAL)
        if box.height < _LINE or most < len(bar.number):
            return
        words = f"{bar.number} {bar.name}".strip()
        if len(words) > most:
            short = most - len(bar.number) - 2  # names differ behind
            words = f"{bar.number} \u2026{bar.name[-short:]}" if short > 5 else bar.number
        size = f"{bar.placed.size:,} B"
        two = box.height >= 2 * _LINE + 4 and len(size) <= most
        x, y = box.x + box.width / 2, box.y + box.height / 2 + (-3 if two else 4)
        yield _middle(x, y, words)
        if two:
            yield _middle(x, y + 14, size)

    def _widest(self) -> Box:
        """Room for the label inside the bytes in use: for the whole name, then for two lines."""
        if self.is_whole:
            return self.box
        count = len(self._spans)
        tried = sorted({i * (count - 1) // (_TRIED - 1) for i in range(_TRIED)})
        wanted = (len(self._bar.number) + len(self._bar.name) + 2) * CAPITAL

        def rank(box: Box) -> tuple[float, float, float]:
            return min(box.width, wanted), box.height, box.width

        return max((self._room_at(i) for i in tried), key=rank)

    def _room_at(self, at: int) -> Box:
        """Around the middle of the bytes in use at a column."""
        scale = self._scale
        middle = (scale.y(self._spans[at][0]) + scale.y(self._spans[at][1])) / 2
        height = 2 * _LINE + 6 if self._holds(at, middle, 2 * _LINE + 6) else _LINE
        if not self._holds(at, middle, height):
            return Box(0, 0, 0, 0)
        first = last = at
        while first > 0 and self._holds(first - 1, middle, height):
            first -= 1
        while last + 1 < len(self._spans) and self._holds(last + 1, middle, height):
            last += 1
        x = scale.x(self._bar.first + first)
        width = scale.x(self._bar.first + last + 1) - x
        return Box(x, middle - height / 2, width, height)

    def _holds(self, at: int, middle: float, height: float) -> bool:
        start, end = self._spans[at]
        upper, lower = self._scale.y(end), self._scale.y(start)
        return upper <= middle - height / 2 and middle + height / 2 <= lower


def _middle(x: float, y: float, words: str) -> str:
    return element("text", escaped(printable(words, NAME_LIMIT)), x=x, y=y, text_anchor="middle")
