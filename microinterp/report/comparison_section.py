"""A comparison with another runtime as a part of a page, from its JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from microinterp.report.cells import figure, heading, number_cell
from microinterp.report.graph_svg import row_id
from microinterp.report.markup import element, escaped

Figures = Mapping[str, Any]

_OPS = (
    ("tensor", "tensor"),
    ("elements", "elements"),
    ("differing", "differing"),
    ("max_difference", "largest difference"),
    ("isolated_differing", "differing by itself"),
)
"""Keys of an op's row, and their words."""
_NORMS = ("acc", "rmse", "mae", "l2r", "mean", "std", "nse", "cos")
"""As `compare` prints them."""
_CAUSE_LIMIT = 2000
_BY_ITSELF = (
    "Differing by itself: our op, given what the other side's op was given. Differences are in "
    "output steps; in real numbers for floats."
)


def comparison_section(comparison: Figures, title: str = "Comparison") -> str:
    """A <section> with the verdict, the tensors that differ, and the norms of the outputs.

    Args:
        comparison: as `compare --json` prints it; what is missing in it is left out.
        title: untrusted text.
    """
    figures = {"comparison": comparison}
    ops, outputs = comparison.get("ops") or (), comparison.get("outputs") or ()
    parts = [*_verdict(figures, comparison)]
    if ops:
        differing = [i for i, op in enumerate(ops) if _differs(op)]
        parts.append(element("h3", "Tensors that differ" if differing else "No tensor differs"))
        parts.append(_ops_table(figures, ops, differing) if differing else "")
    if any(each.get("norms") for each in outputs):
        parts.append(element("h3", "Norms of the outputs"))
        parts.append(_norms_table(figures, outputs))
    return element("section", heading(title), *parts)


def _verdict(figures: Figures, comparison: Figures) -> Iterator[str]:
    sides = [
        figure(figures, f"comparison.{key}") for key in ("ours", "other") if comparison.get(key)
    ]
    yield element("p", " against ".join(sides), class_="mi-dim") if sides else ""
    if comparison.get("equal"):
        yield element("p", element("b", "equal: no element differs", class_="mi-good"))
    else:
        yield element("p", *_difference(figures, comparison))
        yield from _causes(figures, comparison)
    for key in ("evidence", "notes"):
        lines = [figure(figures, f"comparison.{key}.{i}") for i in range(_count(comparison, key))]
        if lines:
            yield element("ul", *(element("li", line) for line in lines), class_="mi-dim")


def _causes(figures: Figures, comparison: Figures) -> Iterator[str]:
    """Each known cause that reproduces the other side's bytes, or the cause in words."""
    if not comparison.get("cause"):
        yield element("p", "The cause is not explained.")
        return
    findings = comparison.get("findings") or ()
    if not findings:
        yield element("p", "Cause: ", figure(figures, "comparison.cause", limit=_CAUSE_LIMIT))
        return
    items = []
    for i, found in enumerate(findings):
        path = f"comparison.findings.{i}"
        parts = [element("b", figure(figures, f"{path}.name")), ": "]
        if found.get("op"):
            parts.append(escaped(f"{found['op']} (op {found.get('index')}) "))
        parts.append(figure(figures, f"{path}.text"))
        if found.get("detail"):
            parts += [", ", figure(figures, f"{path}.detail")]
        if found.get("of"):
            counts = (figure(figures, f"{path}.{key}") for key in ("reproduces", "of"))
            parts.append(f": so do {' of '.join(counts)}")
        items.append(element("li", *parts))
    several = "Any of these gives the other side's bytes:" if len(items) > 1 else "The cause:"
    yield element("p", several) + element("ul", *items)


def _difference(figures: Figures, comparison: Figures) -> Iterator[str]:
    yield element("b", "different", class_="mi-bad")
    if comparison.get("differing_elements") is not None:
        yield f": {figure(figures, 'comparison.differing_elements')} "
        if comparison.get("compared_elements") is not None:
            yield f"of {figure(figures, 'comparison.compared_elements')} "
        yield "elements differ"
    first = comparison.get("first_op")
    if first:
        label = f"op {first.get('index')} {first.get('name')}"
        link = row_id(first.get("subgraph") or 0, first.get("index") or 0)
        yield f", first in {element('a', escaped(label), href=f'#{link}')}"


def _count(comparison: Figures, key: str) -> int:
    return len(comparison.get(key) or ())


def _differs(op: Figures) -> bool:
    return any(op.get(key) for key in ("differing", "differing_samples", "isolated_differing"))


def _ops_table(figures: Figures, ops: Sequence[Figures], wanted: Sequence[int]) -> str:
    heads = ("op", "name", *(label for _, label in _OPS), "causes")
    rows = []
    for i in wanted:
        op, path = ops[i], f"comparison.ops.{i}"
        subgraph, index = op.get("subgraph") or 0, op.get("index") or 0
        label = f"{subgraph}:{index}" if subgraph else str(index)
        link = element("a", label, href=f"#{row_id(subgraph, index)}")
        cells = [element("td", link), element("td", escaped(str(op.get("name", ""))))]
        cells += [
            number_cell(figures, f"{path}.{key}") if key in op else element("td", "-")
            for key, _ in _OPS
        ]
        cells.append(element("td", escaped(", ".join(op.get("causes") or ()), 200)))
        rows.append(element("tr", *cells))
    same = len(ops) - len(wanted)
    alike = f" Tensors without a difference, left out here: {same:,}." if same else ""
    return _table(rows, heads) + element("p", _BY_ITSELF + alike, class_="mi-dim")


def _norms_table(figures: Figures, outputs: Sequence[Figures]) -> str:
    keys = [
        key
        for key in _NORMS
        if any((each.get("norms") or {}).get(key) is not None for each in outputs)
    ]
    rows = []
    for i, each in enumerate(outputs):
        norms = each.get("norms") or {}
        cells = [
            element("td", figure(figures, f"comparison.outputs.{i}.norms.{key}", ".6g"))
            if norms.get(key) is not None
            else element("td", "-")
            for key in keys
        ]
        name = escaped(f"{each.get('output', i)} {each.get('tensor_name', '')}")
        rows.append(element("tr", element("td", name), *cells))
    return _table(rows, ("output", *keys))


def _table(rows: Sequence[str], heads: Sequence[str]) -> str:
    head = element("tr", *(element("th", escaped(each)) for each in heads))
    table = element("table", element("thead", head), element("tbody", *rows), class_="mi-ops")
    return element("div", table, class_="mi-scroll")
