"""A comparison with another runtime as a part of a page, from its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from microinterp.report.cells import TEXT_LIMIT, heading, words
from microinterp.report.graph_svg import row_id
from microinterp.report.markup import element, escaped

_COLUMNS = (
    ("tensor", "tensor"),
    ("elements", "elements"),
    ("differing", "differing"),
    ("max_difference", "largest difference"),
    ("isolated_differing", "differing on equal inputs"),
)
_NAMES = ("name", "output", "tensor_name")
"""Of a row of norms: what comes first."""


def comparison_section(comparison: Mapping[str, Any], title: str = "Comparison") -> str:
    """A <section> with the verdict, the ops that differ, and the norms.

    Args:
        comparison: as `compare --json` prints it: equal, differing_elements, first_op, cause, ops,
            norms. What is missing is left out.
        title: untrusted text.
    """
    parts = [_verdict(comparison)]
    ops = comparison.get("ops") or ()
    if ops:
        parts.append(_table([_op_row(op) for op in ops], _op_heads()))
    norms = comparison.get("norms") or ()
    if norms:
        keys = list(dict.fromkeys(key for each in norms for key in each))
        keys.sort(key=lambda key: key not in _NAMES)
        rows = [[_cell(each.get(key)) for key in keys] for each in norms]
        parts.append(element("h3", "Norms of the outputs"))
        parts.append(_table([element("tr", *row) for row in rows], keys))
    return element("section", heading(title), *parts)


def _verdict(comparison: Mapping[str, Any]) -> str:
    if comparison.get("equal"):
        return element("p", element("b", "equal: no element differs", class_="mi-good"))
    count = comparison.get("differing_elements")
    text = "different" if count is None else f"different: {words(count)} elements differ"
    parts = [element("b", escaped(text), class_="mi-bad")]
    first = comparison.get("first_op")
    if first:
        label = escaped(f"op {first.get('index')} {first.get('name')}")
        target = row_id(first.get("subgraph") or 0, first.get("index") or 0)
        parts += [", first in ", element("a", label, href=f"#{target}")]
    cause = comparison.get("cause")
    said = escaped(f"Cause: {cause}" if cause else "The cause is not explained.", TEXT_LIMIT)
    return element("p", *parts) + element("p", said)


def _op_heads() -> list[str]:
    return ["op", "name", *(label for _, label in _COLUMNS)]


def _op_row(op: Mapping[str, Any]) -> str:
    subgraph, index = op.get("subgraph") or 0, op.get("index") or 0
    label = f"{subgraph}:{index}" if subgraph else str(index)
    link = element("a", escaped(label), href=f"#{row_id(subgraph, index)}")
    cells = [element("td", link, class_="mi-number"), _cell(op.get("name"))]
    cells += [_cell(op.get(key)) for key, _ in _COLUMNS]
    differs = op.get("differing")
    return element("tr", *cells, class_="mi-refused" if differs else None)


def _cell(value: Any) -> str:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    text = escaped(words(value), TEXT_LIMIT)
    return element("td", text, class_="mi-number" if is_number else None)


def _table(rows: Sequence[str], heads: Sequence[str]) -> str:
    head = element("tr", *(element("th", escaped(each)) for each in heads))
    table = element("table", element("thead", head), element("tbody", *rows), class_="mi-ops")
    return element("div", table, class_="mi-scroll")
