"""The ops of a model as a table that can be sorted, and its graph, which links to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from microinterp.graph import Graph
from microinterp.report.cells import figure, heading, number_cell, text_cell
from microinterp.report.graph_svg import graph_svg, is_alarm, row_id
from microinterp.report.markup import element, escaped

Figures = Mapping[str, Any]

STYLE = """
.mi-scroll { overflow-x: auto; }
.mi-ops { width: 100%; font-size: 13px; }
.mi-ops td { border-top: 1px solid var(--rule); }
.mi-ops td, .mi-ops th { white-space: nowrap; padding-right: 14px; }
.mi-ops .mi-number { text-align: right; }
.mi-ops td.mi-why { white-space: normal; min-width: 190px; color: var(--dim); }
.mi-ops th button { font: inherit; color: inherit; background: none; border: 0; padding: 0;
  cursor: pointer; }
.mi-ops th[aria-sort] button { color: var(--text); text-decoration: underline; }
.mi-ops th[aria-sort="ascending"] button::after { content: " \\2191"; }
.mi-ops th[aria-sort="descending"] button::after { content: " \\2193"; }
.mi-ops tr:target td, .mi-ops tr.mi-near td { background: var(--on); }
.mi-ops tfoot td { font-weight: 600; border-top: 2px solid var(--dim); }
.mi-refused { color: var(--alarm); }
"""

SCRIPT = """
"use strict";
for (const table of document.querySelectorAll(".mi-sortable")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const key = (row, at) => {
    const cell = row.cells[at];
    return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.textContent.trim();
  };
  const order = (a, b) => typeof a === "number" && typeof b === "number"
    ? a - b : String(a).localeCompare(String(b));
  heads.forEach((head, at) => {
    head.querySelector("button").addEventListener("click", () => {
      const down = head.ariaSort === "descending"
        || (head.ariaSort === null && !head.classList.contains("mi-number"));
      for (const each of heads) each.ariaSort = null;
      head.ariaSort = down ? "ascending" : "descending";
      const rows = [...body.rows].sort((a, b) => (down ? 1 : -1) * order(key(a, at), key(b, at)));
      body.append(...rows);
    });
  });
}
for (const graph of document.querySelectorAll(".mi-graph")) {
  const links = [...graph.querySelectorAll(".mi-link")];
  const nodes = new Map([...graph.querySelectorAll(".mi-node")].map((n) => [n.dataset.node, n]));
  const rowOf = (node) => node.dataset.op
    && document.getElementById("mi-op-" + node.dataset.op.replace(":", "-"));
  let pinned = null;
  const clear = () => {
    graph.classList.remove("mi-focus");
    for (const each of graph.querySelectorAll(".mi-near")) each.classList.remove("mi-near");
    for (const node of nodes.values()) {
      node.classList.remove("mi-self");
      rowOf(node)?.classList.remove("mi-near");
    }
  };
  const show = (node) => {
    clear();
    if (!node) return;
    graph.classList.add("mi-focus");
    node.classList.add("mi-near", "mi-self");
    rowOf(node)?.classList.add("mi-near");
    for (const link of links) {
      const ends = [link.dataset.from, link.dataset.to];
      if (!ends.includes(node.dataset.node)) continue;
      link.classList.add("mi-near");
      for (const end of ends) nodes.get(end).classList.add("mi-near");
    }
  };
  graph.addEventListener("mouseover", (event) => {
    const node = event.target.closest(".mi-node");
    const link = event.target.closest(".mi-link");
    if (node || !link) return show(node || pinned);
    clear();
    graph.classList.add("mi-focus");
    link.classList.add("mi-near");
    for (const end of [link.dataset.from, link.dataset.to]) nodes.get(end).classList.add("mi-near");
  });
  graph.addEventListener("mouseleave", () => show(pinned));
  graph.addEventListener("click", (event) => {
    pinned = event.target.closest(".mi-node");
    show(pinned);
  });
  for (const node of nodes.values()) {
    const row = rowOf(node);
    row?.addEventListener("mouseenter", () => show(node));
    row?.addEventListener("mouseleave", () => show(pinned));
    row?.addEventListener("click", () => { pinned = node; show(node); });
  }
}
"""
"""Sorts tables by their heads; marks an op, its row, and what it is tied to."""

_COLUMNS = (
    ("op", True), ("name", False), ("output", False), ("MACs", True), ("weight bytes", True),
    ("output bytes", True), ("\u00b5s here", True), ("path", False), ("exactness", False),
)  # fmt: skip


def graph_section(figures: Figures, graph: Graph) -> str:
    """A <section> with the picture of each subgraph; "" where none can be drawn."""
    alarms: dict[int, set[int]] = {}
    macs: dict[int, dict[int, int]] = {}
    for found in filter(is_alarm, figures["health"]):
        if found["where"]["op_index"] is not None:
            alarms.setdefault(found["where"]["subgraph"] or 0, set()).add(
                found["where"]["op_index"]
            )
    for op in figures["ops"]:
        macs.setdefault(op["subgraph"], {})[op["index"]] = op["macs"]
    parts = []
    for subgraph in graph.subgraphs:
        number = subgraph.index
        picture = graph_svg(subgraph, macs.get(number, {}), alarms.get(number, set()))
        if picture and len(graph.subgraphs) > 1:
            title = f"subgraph {number} {subgraph.name}"
            parts.append(element("h3", escaped(title)))
        parts.append(element("div", picture, class_="mi-graph") if picture else "")
    if not any(parts):
        return ""
    hint = (
        "Point at an op to see what it is tied to; click it to go to its row. The bar in a box is "
        "its share of MACs; ! marks a finding of quantisation health."
    )
    return element("section", heading("The graph"), element("p", hint, class_="mi-dim"), *parts)


def ops_section(figures: Figures) -> str:
    """A <section> with the table of ops."""
    heads = (
        element(
            "th",
            element("button", escaped(name), type="button"),
            class_="mi-number" if is_number else None,
        )
        for name, is_number in _COLUMNS
    )
    rows = (_row(figures, number) for number in range(len(figures["ops"])))
    table = element(
        "table",
        element("thead", element("tr", *heads)),
        element("tbody", *rows),
        element("tfoot", _totals(figures)),
        class_="mi-ops mi-sortable",
    )
    return element("section", heading("The ops"), element("div", table, class_="mi-scroll"))


def _row(figures: Figures, number: int) -> str:
    op = figures["ops"][number]
    return "\n" + element("tr", *_cells(figures, number), id=row_id(op["subgraph"], op["index"]))


def _cells(figures: Figures, number: int) -> Iterator[str]:
    op, path = figures["ops"][number], f"ops.{number}"
    label = f"{op['subgraph']}:" if op["subgraph"] else ""
    yield text_cell(
        label, figure(figures, f"{path}.index"), sort=repr(1e6 * op["subgraph"] + op["index"]),
        class_="mi-number",
    )  # fmt: skip
    yield text_cell(figure(figures, f"{path}.name"))
    if op["output"] is None:
        yield text_cell("-")
    else:
        kind, shape = (figure(figures, f"{path}.output.{key}") for key in ("type", "shape"))
        yield text_cell(kind, " ", shape)
    for name in ("macs", "weight_bytes", "output_bytes"):
        yield number_cell(figures, f"{path}.{name}")
    yield number_cell(figures, f"{path}.time_us", ",.1f")
    yield element("td", figure(figures, f"{path}.path"), title=op["path_reason"] or None)
    if op["supported"] is False:
        yield text_cell("refused: ", figure(figures, f"{path}.reason"), class_="mi-why mi-refused")
    else:
        yield text_cell(figure(figures, f"{path}.exactness"), class_="mi-why")


def _totals(figures: Figures) -> str:
    blank = element("td")
    return element(
        "tr",
        blank,
        element("td", "all"),
        blank,
        element("td", figure(figures, "totals.macs"), class_="mi-number"),
        element("td", figure(figures, "totals.weight_bytes"), class_="mi-number"),
        blank,
        element("td", figure(figures, "invoke_us"), class_="mi-number"),
        blank,
        blank,
    )
