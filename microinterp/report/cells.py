"""Figures on a page: each one is marked with its path in the page's JSON, to compare both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from microinterp.report.markup import element, escaped

TEXT_LIMIT = 400
"""Characters of a text that a page shows."""


def at(figures: Any, path: str) -> Any:
    """What lies at a path such as "ops.3.macs"."""
    for key in path.split("."):
        figures = figures[int(key)] if isinstance(figures, Sequence) else figures[key]
    return figures


def figure(figures: Mapping[str, Any], path: str, form: str = "", limit: int = TEXT_LIMIT) -> str:
    """The figure at a path, as a <span> that tells where it is from; names in it are escaped.

    Args:
        form: for a figure that is there, as Python's format() takes it, in place of `words`.
    """
    value = at(figures, path)
    text = words(value) if not form or value is None else format(value, form)
    return element("span", escaped(text, limit), data_figure=path)


def words(value: Any) -> str:
    """A figure as people read it: 12,501,632; 0.003906; yes; - for none."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return "\u00d7".join(map(str, value)) or "scalar"
    return str(value)


def number_cell(figures: Mapping[str, Any], path: str, form: str = "") -> str:
    """A cell of a table that is sorted by the figure; `form` as for `figure`."""
    value = at(figures, path)
    key = repr(float(value)) if isinstance(value, (int, float)) else "-1"
    return element("td", figure(figures, path, form), class_="mi-number", data_sort=key)


def text_cell(*children: str, sort: str | None = None, class_: str | None = None) -> str:
    """A cell of markup; `sort` is what the table is sorted by, in place of its text."""
    return element("td", *children, class_=class_, data_sort=sort)


def heading(text: str) -> str:
    """A section's heading; the text is ours."""
    return element("h2", escaped(text))


def named_rows(rows: Sequence[tuple[str, str]]) -> str:
    """A table of names and figures; the figures are markup."""
    made = (element("tr", element("th", escaped(name)), element("td", cell)) for name, cell in rows)
    return element("table", *made, class_="mi-figures")
