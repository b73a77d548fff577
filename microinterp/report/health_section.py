"""Findings of quantisation health as a part of a page: by rule, with places and the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from microinterp.report.cells import figure, heading
from microinterp.report.graph_svg import row_id
from microinterp.report.markup import element

Figures = Mapping[str, Any]

STYLE = """
.mi-health { list-style: none; padding: 0; }
.mi-health > li { border-left: 4px solid var(--line); padding: 2px 0 2px 12px; margin: 10px 0; }
.mi-health > .mi-error, .mi-health > .mi-warning { border-color: var(--alarm); }
.mi-health ul { padding-left: 18px; margin: 2px 0; }
.mi-severity { text-transform: uppercase; font-size: 11px; letter-spacing: .04em;
  font-weight: 600; }
.mi-error .mi-severity, .mi-warning .mi-severity { color: var(--alarm); }
"""


def health_section(figures: Figures) -> str:
    """A <section> with what the rules of quantisation health find, or that they find nothing."""
    blocks: dict[tuple[str, str, str], list[int]] = {}
    for number, found in enumerate(figures["health"]):
        key = found["severity"], found["rule"], found["remedy"]
        blocks.setdefault(key, []).append(number)
    if not blocks:
        body = element("p", "No rule finds anything.", class_="mi-dim")
    else:
        body = element("ul", *(_block(figures, b) for b in blocks.values()), class_="mi-health")
    samples = figures["samples"]
    hint = ""
    if samples is not None and samples["random"]:
        text = "Ranges are judged by samples of your data only (--input)."
        hint = element("p", text, class_="mi-dim")
    return element("section", heading("Quantisation health"), body, hint)


def _block(figures: Figures, numbers: list[int]) -> str:
    first, found = f"health.{numbers[0]}", figures["health"][numbers[0]]
    return element(
        "li",
        element("span", figure(figures, f"{first}.severity"), class_="mi-severity"),
        " ",
        element("b", figure(figures, f"{first}.rule")),
        element("ul", *(_place(figures, number) for number in numbers)),
        element("div", "\u2192 ", figure(figures, f"{first}.remedy")),
        class_=f"mi-{found['severity']}",
    )


def _place(figures: Figures, number: int) -> str:
    path, where = f"health.{number}", figures["health"][number]["where"]
    place = ""
    if where["op_index"] is not None:
        subgraph = where["subgraph"] or 0
        label = f"op {subgraph}:" if subgraph else "op "
        label += figure(figures, f"{path}.where.op_index")
        label += f" {figure(figures, f'{path}.where.op_name')}"
        place = element("a", label, href=f"#{row_id(subgraph, where['op_index'])}") + ": "
    elif where["role"]:
        place = figure(figures, f"{path}.where.role") + ": "
    return element("li", place, figure(figures, f"{path}.message"))
