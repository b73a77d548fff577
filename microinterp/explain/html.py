"""An Explanation as a part of a page: the terminal's lines as tables."""

from __future__ import annotations

from collections.abc import Sequence

from microinterp.explain import words
from microinterp.explain.explaining import Explanation
from microinterp.explain.steps import Step, Term
from microinterp.report.markup import element, escaped

_LIMIT = 400  # characters of a text of ours
STYLE = """
.mi-explain { overflow-x: auto; }
.mi-explain table { border-collapse: collapse; font-variant-numeric: tabular-nums;
  margin: 4px 0 8px; }
.mi-explain th, .mi-explain td { padding: 2px 16px 2px 0; vertical-align: top; text-align: left;
  font-weight: normal; }
.mi-explain h3 { font-size: 14px; margin: 14px 0 2px; }
.mi-explain .mi-number { text-align: right; white-space: nowrap; }
.mi-explain .mi-result { font-weight: 600; }
.mi-explain .mi-more, .mi-explain .mi-about, .mi-explain .mi-head th { opacity: .72; }
.mi-explain .mi-more td { padding-bottom: 5px; }
.mi-explain code { font: 12px/1.4 ui-monospace, monospace; white-space: nowrap; }
.mi-explain .mi-kept { border-right: 2px solid #c8372d; padding-right: 2px; }
.mi-explain .mi-cut { padding-left: 2px; opacity: .75; }
"""


def html_section(explanation: Explanation, everything: bool = False) -> str:
    """A <section> with its own <style>: heading, steps, what the element stands for.

    Args:
        everything: fold no rows and no parts.
    """
    facts = words.facts(explanation)
    of = f" of {facts['subgraph']}" if facts["subgraph"] else ""
    title = f"{facts['op']}{of}: {facts['type']} at {facts['at']} = {facts['value']}"
    about = [escaped(explanation.tensor.name), escaped(explanation.given, _LIMIT)]
    about.append(escaped(f"profile {explanation.profile}"))
    if explanation.runs > 1:
        about.append(f"the last of {explanation.runs} runs")
    blocks = [
        _part(part, steps, hidden, everything)
        for part, steps, hidden in words.parts(explanation.steps, everything)
    ]
    return element(
        "section",
        element("style", STYLE),
        element("h2", escaped(title, _LIMIT)),
        element("p", ", ".join(text for text in about if text), class_="mi-about"),
        *blocks,
        _ending(explanation),
        class_="mi-explain",
    )


def _part(title: str, steps: Sequence[Step], hidden: int, everything: bool) -> str:
    pieces = [element("h3", escaped(title, _LIMIT))] if title else []
    if hidden:
        text = f"\u2026 {hidden} step{'' if hidden == 1 else 's'} before this one"
        pieces.append(element("p", text, class_="mi-about"))
    rows: list[str] = []
    for step in steps:
        if step.terms:
            pieces += [_table(rows), _terms(step, everything)]
            rows = []
        rows += _rows(step)
    return "".join((*pieces, _table(rows)))


def _table(rows: Sequence[str]) -> str:
    return element("table", *rows) if rows else ""


def _rows(step: Step) -> list[str]:
    """A step's own row, and one for its bits and notes."""
    formula = escaped(words.formula(step), _LIMIT)
    if step.kind == "read" and step.tensor:
        formula = f"{escaped(step.tensor)} {formula}"
    real = "" if step.real is None else f"\u2248 {words.real_text(step.real)}"
    found = [
        element(
            "tr",
            element("td", escaped(step.label, _LIMIT)),
            element("td", formula),
            element("td", words.number_text(step.result), class_="mi-number mi-result"),
            element("td", real, class_="mi-number"),
        )
    ]
    more = [escaped(note, _LIMIT) for note in words.notes_of(step)]
    if step.rounding is not None:
        cut = words.cut_of(step.rounding)
        bits = element(
            "code",
            element("span", cut.kept, class_="mi-kept"),
            element("span", cut.cut, class_="mi-cut"),
        )
        more.insert(0, f"{bits} {escaped(cut.words)}")
    if more:
        cell = element("td", "<br>".join(more), colspan="3")
        found.append(element("tr", element("td"), cell, class_="mi-more"))
    return found


def _terms(step: Step, everything: bool) -> str:
    names = words.columns_of(step)
    head = element(
        "tr", *(element("th", escaped(n), class_="mi-number") for n in names), class_="mi-head"
    )
    first, hidden, last = words.folded(step.terms, everything)
    dots = element("tr", *(element("td", "\u2026", class_="mi-number") for _ in names))
    between = [dots] if hidden else []
    rows = [*_term_rows(step, first), *between, *_term_rows(step, last)]
    caption = f"{hidden:,} of {len(step.terms):,} rows are left out" if hidden else ""
    after = element("p", caption, class_="mi-about") if caption else ""
    return element("table", head, *rows) + after


def _term_rows(step: Step, terms: Sequence[Term]) -> list[str]:
    return [
        element("tr", *(element("td", text, class_="mi-number") for text in words.row_of(step, t)))
        for t in terms
    ]


def _ending(explanation: Explanation) -> str:
    rows = [
        element("tr", element("td", name), element("td", escaped(text, _LIMIT)))
        for name, text in words.ending(explanation)
    ]
    return _table(rows)
