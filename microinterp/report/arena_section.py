"""The arena as a part of an HTML page: figures, the picture, and a table of all buffers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from microinterp.arena.plan import Plan
from microinterp.arena.report import Moment, peak_text, timeline
from microinterp.prepare import Prepared
from microinterp.report.arena_svg import Mark, arena_svg
from microinterp.report.bars import ROLES, Bar, bars, life_text
from microinterp.report.markup import element, escaped

_COLUMNS = ("buffer", "offset", "size", "from", "to", "what", "name")
_NUMBERS = ("offset", "size")
_HINT = "Point at a bar or a row to see both, at the space beside bars to see all that is alive."

SCRIPT = """
"use strict";
for (const section of document.querySelectorAll(".mi-section")) {
  section.classList.add("mi-live");
  const marked = section.querySelectorAll("[data-buffer]");
  const show = (wanted) => {
    for (const each of marked) each.classList.toggle("mi-on", wanted(each.dataset));
  };
  section.addEventListener("mouseover", (event) => {
    const buffer = event.target.closest("[data-buffer]");
    const step = event.target.closest("[data-step]");
    const at = step ? Number(step.dataset.step) : -1;
    if (buffer) show((d) => d.buffer === buffer.dataset.buffer);
    else show((d) => step && Number(d.first) <= at && at <= Number(d.last));
  });
  section.addEventListener("mouseleave", () => show(() => false));
}
"""
"""Marks a buffer's bar and row together, and all that are alive at an op."""


def arena_section(
    prepared: Prepared,
    plan: Plan,
    *,
    heading: str = "The arena",
    marks: Sequence[Mark] = (),
    figures: Sequence[tuple[str, str]] = (),
) -> str:
    """A <section> with a plan's figures, picture and buffers, for `page` to hold.

    Args:
        prepared, plan: of one model; also what passes have made of it.
        heading: untrusted text above it.
        marks: lines to compare the head with.
        figures: more rows of names and values, for example what passes cost.
    """
    moments = timeline(prepared, plan)
    rows = (
        ("head", f"{plan.head_bytes:,} bytes"),
        *((mark.label, _compared(mark, plan)) for mark in marks),
        ("planner", plan.planner),
        ("peak", peak_text(moments)),
        *figures,
    )
    picture = arena_svg(prepared, plan, heading="Bytes against ops", marks=marks)
    return element(
        "section",
        element("h2", escaped(heading)),
        element("table", *map(_figure, rows), class_="mi-figures"),
        element("div", picture, class_="mi-picture"),
        element("p", _HINT, class_="mi-hint"),
        _buffers(bars(prepared, plan, moments), moments),
        class_="mi-section",
    )


def _compared(mark: Mark, plan: Plan) -> str:
    share = f"; the head is {plan.head_bytes / mark.nbytes:.1%} of it" if mark.nbytes else ""
    return f"{mark.nbytes:,} bytes{share}"


def _figure(row: tuple[str, str]) -> str:
    name, value = row
    return element("tr", element("th", escaped(name)), element("td", escaped(value, 400))) + "\n"


def _buffers(rows: Sequence[Bar], moments: Sequence[Moment]) -> str:
    titles = (
        element("th", name, class_="mi-number" if name in _NUMBERS else None) for name in _COLUMNS
    )
    return element(
        "table",
        element("thead", element("tr", *titles)),
        element("tbody", *(_row(bar, moments) for bar in rows)),
        class_="mi-buffers",
    )


def _row(bar: Bar, moments: Sequence[Moment]) -> str:
    return "\n" + element(
        "tr",
        *_cells(bar, moments),
        data_buffer=str(bar.position),
        data_first=str(bar.first),
        data_last=str(bar.last),
        class_="mi-row-full" if bar.at_peak else None,
    )


def _cells(bar: Bar, moments: Sequence[Moment]) -> Iterator[str]:
    swatch = element("span", class_=f"mi-swatch mi-{bar.role}")
    first, last = life_text(bar, moments)
    yield element("td", f"{swatch} {escaped(bar.number)}", title=ROLES[bar.role])
    yield element("td", f"{bar.placed.offset:,}", class_="mi-number")
    yield element("td", f"{bar.placed.size:,}", class_="mi-number")
    for words in (first, last, bar.kind, bar.name):
        yield element("td", escaped(words))
