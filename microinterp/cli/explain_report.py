"""An Explanation on a terminal: one line per step, the bits of a rounding under it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from microinterp.cli import output
from microinterp.explain import words
from microinterp.explain.explaining import Explanation
from microinterp.explain.steps import Step, Term

_DIM, _STRONG, _TITLE, _CUT = "dim", "bold", "bold cyan", "red"
_MAX_LABEL, _GAP, _NAME, _READ = 23, 2, 60, 24  # columns
_MIN_FORMULA = 20
_PLAIN = str.maketrans(
    {words.TIMES: "*", "÷": "/", "…": "...", "½": "1/2", "≥": ">=", "≈": "~", "│": "|"}
    | {"√": "sqrt ", "±": "+-", "≠": "!=", "≤": "<="}
)
"""For screens that have ASCII only."""


def show(console: Console, explanation: Explanation, everything: bool = False) -> None:
    """Print it; `everything` folds no rows and no parts."""
    report = _Report(console, explanation, everything)
    report.heading()
    for title, steps, hidden in words.parts(explanation.steps, everything):
        report.part(title, steps, hidden)
    report.ending()


class _Report:
    """Writes lines of four columns: label, formula, result, what the result stands for."""

    def __init__(self, console: Console, explanation: Explanation, everything: bool) -> None:
        self.console = console
        self.explanation = explanation
        self.everything = everything
        self.is_ascii = not console.encoding.lower().startswith("utf")
        steps = explanation.steps
        self.label = min(_MAX_LABEL, max(len(step.label) for step in steps))
        self.result = max(len(words.number_text(step.result)) for step in steps)
        reals = [_real(step) for step in steps]
        rest = self.label + self.result + max(map(len, reals)) + 3 * _GAP
        self.formula = max(_MIN_FORMULA, console.width - rest - 1)
        self.formula = min(self.formula, max(len(self._formula(step)) for step in steps))

    def text(self, plain: object, style: str = "") -> Text:
        """Text that is safe, and that the screen can show."""
        made = output.safe(plain, style, limit=400)
        return Text(made.plain.translate(_PLAIN), style=style) if self.is_ascii else made

    def line(self, *pieces: Text) -> None:
        """Print pieces side by side; a line that is too long goes on at the left."""
        whole = Text()
        for piece in pieces:
            whole += piece
        whole.rstrip()
        self.console.print(whole)

    def heading(self) -> None:
        """Op, element, value; then where it comes from."""
        explanation = self.explanation
        facts = words.facts(explanation)
        of = f" of {facts['subgraph']}" if facts["subgraph"] else ""
        self.line(
            self.text(facts["op"] + of, _STRONG),
            self.text(f"  {facts['type']} at "),
            self.text(facts["at"], _STRONG),
            self.text(" = "),
            self.text(facts["value"], _STRONG),
        )
        name = output.safe(facts["tensor"], limit=_NAME).plain
        self.line(self.text(f"'{name}'", _DIM))
        more = [explanation.given, f"profile {explanation.profile}"]
        if explanation.runs > 1:
            more.append(f"the last of {explanation.runs} runs")
        self.line(self.text(", ".join(text for text in more if text), _DIM))

    def part(self, title: str, steps: Sequence[Step], hidden: int) -> None:
        """The steps of one part of the work."""
        self.console.print()
        if title:
            self.line(self.text(title, _TITLE))
        if hidden:
            count = f"{hidden} step{'' if hidden == 1 else 's'}"
            self.line(self.text(f"… {count} before this one: --all", _DIM))
        for step in steps:
            if step.terms:
                self._rows(step)
            self._step(step)

    def _step(self, step: Step) -> None:
        label, *labels = textwrap.wrap(step.label, self.label) or [""]
        formula, *formulas = textwrap.wrap(self._formula(step), self.formula) or [""]
        gap = " " * _GAP
        real = _real(step)
        self.line(
            self.text(f"{label:{self.label}}{gap}{formula:{self.formula}}{gap}"),
            self.text(f"{words.number_text(step.result):>{self.result}}", _STRONG),
            self.text(f"{gap}{real}" if real else "", _DIM),
        )
        for i in range(max(len(labels), len(formulas))):
            more = [texts[i] if i < len(texts) else "" for texts in (labels, formulas)]
            self.line(self.text(f"{more[0]:{self.label}}{gap}{more[1]}"))
        indent = " " * (self.label + _GAP)
        if step.rounding is not None:
            cut = words.cut_of(step.rounding)
            bits = (self.text(cut.kept), self.text("│", _CUT), self.text(cut.cut, _CUT))
            self.line(Text(indent), *bits, self.text(f"  {cut.words}", _DIM))
        room = max(_MIN_FORMULA, self.console.width - len(indent) - 1)
        for note in words.notes_of(step):
            for text in textwrap.wrap(note, room):
                self.line(Text(indent), self.text(text, _DIM))

    def _formula(self, step: Step) -> str:
        formula = words.formula(step)
        if step.kind == "read" and step.tensor:
            limit = max(1, min(_READ, self.formula - len(formula) - len("'...' ")))
            formula = f"'{output.safe(step.tensor, limit=limit).plain}' {formula}"
        return formula.translate(_PLAIN) if self.is_ascii else formula

    def _rows(self, step: Step) -> None:
        names = [self.text(name).plain for name in words.columns_of(step)]
        made = output.table(*names, right=names, header=_DIM)
        first, hidden, last = words.folded(step.terms, self.everything)
        self._fill(made, step, first)
        if hidden:
            made.add_row(*[self.text("…", _DIM)] * len(names))
        self._fill(made, step, last)
        self.console.print(made)
        if hidden:
            self.line(self.text(f"({hidden:,} of {len(step.terms):,} rows left out: --all)", _DIM))

    def _fill(self, table: Table, step: Step, terms: Sequence[Term]) -> None:
        for term in terms:
            table.add_row(*map(self.text, words.row_of(step, term)))

    def ending(self) -> None:
        """What the element stands for, and the float model."""
        lines = words.ending(self.explanation)
        if lines:
            self.console.print()
        for name, text in lines:
            self.line(self.text(f"{name:{self.label}}{' ' * _GAP}", _DIM), self.text(text))


def _real(step: Step) -> str:
    return "" if step.real is None else f"≈ {words.real_text(step.real)}"
