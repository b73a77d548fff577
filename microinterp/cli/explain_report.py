"""An Explanation on a terminal: one line per step, the bits of a rounding under it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from microinterp.cli import output
from microinterp.explain import words
from microinterp.explain.explaining import Explanation
from microinterp.explain.steps import Step, Term

_DIM, _STRONG, _HEAD = "dim", "bold", "bold cyan"
_INDENT = 2
_PLAIN = str.maketrans({"×": "*", "÷": "/", "…": "...", "½": "1/2", "≥": ">=", "│": "|", "─": "-"})
"""For screens that have ASCII only."""


def show(console: Console, explanation: Explanation, everything: bool = False) -> None:
    """Print it; `everything` folds no rows and no parts."""
    report = _Report(console, everything)
    report.heading(explanation)
    has_reals = any(step.real is not None for step in explanation.steps)
    for title, steps, hidden in words.parts(explanation.steps, everything):
        report.part(title, steps, hidden, has_reals)
    report.ending(explanation)


class _Report:
    def __init__(self, console: Console, everything: bool) -> None:
        self.console = console
        self.everything = everything
        self.is_ascii = not console.encoding.lower().startswith("utf")

    def text(self, plain: object, style: str = "") -> Text:
        """Text that is safe, and that the screen can show."""
        made = output.safe(plain, style, limit=400)
        return Text(made.plain.translate(_PLAIN), style=style) if self.is_ascii else made

    def heading(self, explanation: Explanation) -> None:
        facts = words.facts(explanation)
        line = self.text(facts["op"], _STRONG)
        if facts["subgraph"]:
            line += self.text(f" of {facts['subgraph']}")
        line += self.text(f"  {facts['type']} ") + self.text(facts["at"], _STRONG)
        line += Text(" = ") + self.text(facts["value"], _STRONG)
        self.console.print(line)
        more = [f"'{facts['tensor']}'", explanation.given, f"profile {explanation.profile}"]
        if explanation.runs > 1:
            more.append(f"the last of {explanation.runs} runs")
        self.console.print(self.text(", ".join(text for text in more if text), _DIM))

    def part(self, title: str, steps: Sequence[Step], hidden: int, has_reals: bool) -> None:
        self.console.print()
        if title:
            self.console.print(self.text(title, _HEAD))
        if hidden:
            steps_text = f"{hidden} step{'' if hidden == 1 else 's'} before this: --all"
            self.console.print(self.text(f"  … {steps_text}", _DIM))
        table: Table | None = None
        for step in steps:
            if step.terms:
                table = self._end(table)
                self._rows(step)
            table = table or _grid(has_reals)
            self._step(table, step, has_reals)
        self._end(table)

    def _end(self, table: Table | None) -> None:
        if table is not None and table.row_count:
            self.console.print(table)

    def _step(self, table: Table, step: Step, has_reals: bool) -> None:
        formula = words.formula(step)
        if step.tensor:
            name = output.safe(step.tensor, limit=24).plain
            formula = f"{formula} of '{name}'" if step.kind == "read" else formula
        real = "" if step.real is None else f"≈ {words.real_text(step.real)}"
        if self.is_ascii:
            real = real.replace("≈", "~")
        row = [self.text(step.label), self.text(formula), self._result(step)]
        table.add_row(*row, *([self.text(real, _DIM)] if has_reals else ()))
        blank = [""] if has_reals else []
        if step.rounding is not None:
            cut = words.cut_of(step.rounding)
            bits = self.text(cut.kept) + self.text("│", "red") + self.text(cut.cut, _DIM)
            table.add_row("", bits, "", *blank)
            table.add_row("", self.text(cut.words, _DIM), "", *blank)
        if step.note:
            table.add_row("", self.text(step.note, _DIM), "", *blank)

    def _result(self, step: Step) -> Text:
        return self.text(words.number_text(step.result), _STRONG)

    def _rows(self, step: Step) -> None:
        names = words.columns_of(step)
        made = Table(box=None, pad_edge=False, padding=(0, 0, 0, 3))
        for name in names:
            made.add_column(self.text(name, _DIM), justify="right", no_wrap=True)
        first, hidden, last = words.folded(step.terms, self.everything)
        self._fill(made, step, first)
        if hidden:
            dots = [self.text(f"… {hidden:,} more: --all", _DIM)]
            made.add_row(*dots, *[self.text("…", _DIM)] * (len(names) - 1))
        self._fill(made, step, last)
        self.console.print(made)

    def _fill(self, table: Table, step: Step, terms: Sequence[Term]) -> None:
        for term in terms:
            table.add_row(*map(self.text, words.row_of(step, term)))

    def ending(self, explanation: Explanation) -> None:
        lines = words.ending(explanation)
        if not lines:
            return
        self.console.print()
        width = max(len(name) for name, _ in lines)
        for name, text in lines:
            self.console.print(self.text(f"{name:{width}}  ", _DIM) + self.text(text))


def _grid(has_reals: bool) -> Table:
    made = Table.grid(padding=(0, 2, 0, 0), expand=False)
    made.add_column(ratio=5, overflow="fold", max_width=30)
    made.add_column(ratio=6, overflow="fold")
    made.add_column(justify="right", no_wrap=True, min_width=8)
    if has_reals:
        made.add_column(no_wrap=True)
    return made
