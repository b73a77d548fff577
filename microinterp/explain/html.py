"""An Explanation as a part of a page: the terminal's lines as tables."""

from __future__ import annotations

from collections.abc import Sequence

from microinterp.explain import words
from microinterp.explain.explaining import Explanation
from microinterp.explain.steps import Step
from microinterp.report.markup import element, escaped

_LIMIT = 400  # characters of a text of ours
_NAME = 40  # of a tensor's name behind a step
STYLE = """
.mi-explain { overflow-x: auto; overflow-wrap: break-word; }
.mi-explain h2, .mi-explain p { overflow-wrap: anywhere; }
.mi-explain table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.mi-explain td { padding: 2px 14px 4px 0; vertical-align: top; text-align: left; }
.mi-explain td.mi-wide { padding: 12px 0 4px; font-weight: 600; }
.mi-explain .mi-taps td { padding: 0 14px 0 0; font-weight: normal; }
.mi-explain .mi-number { text-align: right; white-space: nowrap; }
.mi-explain .mi-formula { overflow-wrap: anywhere; min-width: 9em; }
.mi-explain .mi-result { font-weight: 600; }
.mi-explain .mi-more, .mi-explain .mi-about, .mi-explain .mi-head { opacity: .72; }
.mi-explain .mi-about { margin: 2px 0 6px; font-weight: normal; }
.mi-explain code { font: 12px/1.4 ui-monospace, monospace; white-space: nowrap; }
.mi-explain .mi-kept { border-right: 2px solid #c8372d; padding-right: 2px; }
.mi-explain .mi-cut { padding-left: 2px; }
"""


def html_section(explanation: Explanation, everything: bool = False) -> str:
    """A <section> with its own <style>: heading, steps, what the element stands for.

    Args:
        everything: fold no rows and no parts.
    """
    facts = words.facts(explanation)
    of = f" of {facts['subgraph']}" if facts["subgraph"] else ""
    title = f"{facts['op']}{of}: {facts['type']} at {facts['at']} = {facts['value']}"
    about = [escaped(facts["tensor"]), escaped(explanation.given, _LIMIT)]
    about.append(escaped(f"profile {explanation.profile}"))
    if explanation.runs > 1:
        about.append(f"the last of {explanation.runs} runs")
    rows = [
        row
        for part, steps, hidden in words.parts(explanation.steps, everything)
        for row in _part(part, steps, hidden, everything)
    ]
    return element(
        "section",
        element("style", STYLE),
        element("h2", escaped(title, _LIMIT)),
        element("p", ", ".join(text for text in about if text), class_="mi-about"),
        element("table", *rows, *_ending(explanation)),
        class_="mi-explain",
    )


def _part(title: str, steps: Sequence[Step], hidden: int, everything: bool) -> list[str]:
    """Rows of one part of the work."""
    rows = [_wide(escaped(title, _LIMIT))] if title else []
    if hidden:
        text = f"\u2026 {hidden} step{'' if hidden == 1 else 's'} before this one"
        rows.append(_wide(element("div", text, class_="mi-about")))
    for step in steps:
        if step.terms:
            rows.append(_wide(_terms(step, everything)))
        rows.append(_row(step))
    return rows


def _wide(content: str) -> str:
    return element("tr", element("td", content, colspan="4", class_="mi-wide"))


def _row(step: Step) -> str:
    formula = escaped(words.formula(step), _LIMIT)
    if step.kind == "read" and step.tensor:
        formula = f"{escaped(step.tensor, _NAME)} {formula}"
    more = [escaped(note, _LIMIT) for note in words.notes_of(step)]
    if step.rounding is not None:
        cut = words.cut_of(step.rounding)
        bits = element(
            "code",
            element("span", cut.kept, class_="mi-kept"),
            element("span", cut.cut, class_="mi-cut"),
        )
        more.insert(0, f"{bits} &nbsp;{escaped(cut.words)}")
    lines = (element("div", line, class_="mi-more") for line in more)
    real = "" if step.real is None else f"\u2248 {words.real_text(step.real)}"
    return element(
        "tr",
        element("td", escaped(step.label, _LIMIT)),
        element("td", formula, *lines, class_="mi-formula"),
        element("td", words.number_text(step.result), class_="mi-number mi-result"),
        element("td", real, class_="mi-number"),
    )


def _terms(step: Step, everything: bool) -> str:
    """The rows of a step that takes many numbers, and how many are left out."""
    names = words.columns_of(step)
    first, hidden, last = words.folded(step.terms, everything)
    dots = [_cells(["\u2026"] * len(names))] if hidden else []
    table = element(
        "table",
        _cells(names, "mi-head"),
        *(_cells(words.row_of(step, term)) for term in first),
        *dots,
        *(_cells(words.row_of(step, term)) for term in last),
        class_="mi-taps",
    )
    if not hidden:
        return table
    text = f"{hidden:,} of {len(step.terms):,} rows are left out"
    return table + element("div", text, class_="mi-about")


def _cells(texts: Sequence[str], class_: str | None = None) -> str:
    cells = (element("td", escaped(text), class_="mi-number") for text in texts)
    return element("tr", *cells, class_=class_)


def _ending(explanation: Explanation) -> list[str]:
    """What the element stands for, and the float model."""
    lines = words.ending(explanation)
    if not lines:
        return []
    rows = [
        element("tr", element("td", name), element("td", escaped(text, _LIMIT), colspan="3"))
        for name, text in lines
    ]
    return [_wide(""), *rows]
