"""The model's graph as an SVG picture: a box for each op, a line for each tensor between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from microinterp.errors import printable
from microinterp.graph import Subgraph, Tensor
from microinterp.report.cells import words
from microinterp.report.layering import HEIGHT, WIDTH, Layout, Point, layered
from microinterp.report.markup import element, escaped

MOST_OPS = 400
"""A picture of more is of no use to anybody."""
_LABEL, _SMALL = 21, 27  # characters of the two lines in a box

STYLE = """
.mi-graph { overflow: auto; max-height: 760px; border: 1px solid var(--rule); border-radius: 6px; }
.mi-graph svg { display: block; margin: 0 auto; font: 12px system-ui, sans-serif; }
.mi-graph text { fill: var(--text); }
.mi-graph .mi-small { fill: var(--dim); font-size: 11px; }
.mi-box { fill: var(--card); stroke: var(--line); }
.mi-node .mi-kind { fill: var(--dim); }
.mi-node.mi-sums .mi-kind { fill: var(--blue); }
.mi-node.mi-end .mi-kind { fill: var(--green); }
.mi-node .mi-share { fill: var(--blue); opacity: .55; }
.mi-node .mi-alarm { fill: var(--alarm); font-weight: 700; }
.mi-edge { fill: none; stroke: var(--line); stroke-width: 1.4; stroke-linejoin: round; }
.mi-edge-wide { fill: none; stroke: transparent; stroke-width: 10; }
.mi-link { transition: opacity .1s; }
.mi-focus .mi-node, .mi-focus .mi-link { opacity: .25; }
.mi-focus .mi-node.mi-near, .mi-focus .mi-link.mi-near { opacity: 1; }
.mi-near .mi-edge { stroke: var(--blue); stroke-width: 2.2; }
.mi-node.mi-self .mi-box { stroke: var(--blue); stroke-width: 2.2; }
.mi-node a { text-decoration: none; }
"""


@dataclass(frozen=True)
class _Node:
    """A box: an op, or an end of the subgraph."""

    title: str
    small: str
    words: str
    op: int | None
    macs: int = 0
    alarms: int = 0


@dataclass(frozen=True)
class _Edge:
    start: int
    end: int
    words: str


def graph_svg(
    subgraph: Subgraph,
    macs: Mapping[int, int],
    alarms: Set[int],
) -> str:
    """Draw a subgraph; "" where it has no ops, or too many to be read.

    Args:
        subgraph: names in it are untrusted.
        macs: of each op, by its number.
        alarms: numbers of ops with findings worse than a note.
    """
    if not 0 < len(subgraph.nodes) <= MOST_OPS:
        return ""
    nodes, edges = _parts(subgraph, macs, alarms)
    layout = layered(len(nodes), [(edge.start, edge.end) for edge in edges])
    if layout is None:
        return ""
    most = max((node.macs for node in nodes), default=0)
    parts = (
        *_lines(edges, layout),
        *(_box(i, node, layout.nodes[i], most, subgraph.index) for i, node in enumerate(nodes)),
    )
    return element(
        "svg",
        "\n" + "\n".join(parts) + "\n",
        viewBox=f"0 0 {layout.width:.0f} {layout.height:.0f}",
        width=layout.width,
        height=layout.height,
        role="img",
        aria_label=f"graph of {len(subgraph.nodes)} ops",
    )


def _parts(
    subgraph: Subgraph, macs: Mapping[int, int], alarms: Set[int]
) -> tuple[list[_Node], list[_Edge]]:
    """Inputs, ops and outputs in order; an edge for each tensor and each op that reads it."""
    nodes: list[_Node] = []
    edges: list[_Edge] = []
    made: dict[int, int] = {}
    for number, tensor in enumerate(subgraph.inputs):
        made[tensor.index] = len(nodes)
        nodes.append(_end(f"input {number}", tensor))
    for op in subgraph.nodes:
        here = len(nodes)
        for tensor in dict.fromkeys(t for t in op.inputs if t is not None):
            if tensor.index in made and not tensor.is_constant:
                edges.append(_Edge(made[tensor.index], here, _tensor_words(tensor)))
        out = op.outputs[0] if op.outputs else None
        small = _shape(out) if out else "no output"
        more = f" +{len(op.outputs) - 1}" if len(op.outputs) > 1 else ""
        words = [f"op {op.file_index} {op.name}", *map(_tensor_words, op.outputs)]
        if count := macs.get(op.file_index, 0):
            words.append(f"{count:,} MACs")
        nodes.append(
            _Node(
                f"{op.file_index} {op.name}",
                small + more,
                "\n".join(words),
                op.file_index,
                count,
                int(op.file_index in alarms),
            )
        )
        made.update((tensor.index, here) for tensor in op.outputs)
    for number, tensor in enumerate(subgraph.outputs):
        if tensor.index in made:
            edges.append(_Edge(made[tensor.index], len(nodes), _tensor_words(tensor)))
        nodes.append(_end(f"output {number}", tensor))
    return nodes, edges


def _end(label: str, tensor: Tensor) -> _Node:
    return _Node(label, _shape(tensor), f"{label}\n{_tensor_words(tensor)}", None)


def _shape(tensor: Tensor) -> str:
    return f"{tensor.type_name} {words(tensor.shape)}"


def _tensor_words(tensor: Tensor) -> str:
    return f"tensor {tensor.index} {printable(tensor.name)}, {_shape(tensor)}"


def _lines(edges: Sequence[_Edge], layout: Layout) -> Iterator[str]:
    for edge, corners in zip(edges, layout.edges, strict=True):
        d = _path(corners)
        x, y = corners[-1]
        tip = f" M{x - 4:.1f} {y - 6:.1f} L{x:.1f} {y - 1:.1f} L{x + 4:.1f} {y - 6:.1f}"
        yield element(
            "g",
            element("title", escaped(edge.words, 300)),
            element("path", d=d, class_="mi-edge-wide"),
            element("path", d=d + tip, class_="mi-edge"),
            class_="mi-link",
            data_from=str(edge.start),
            data_to=str(edge.end),
        )


def _path(corners: Sequence[Point]) -> str:
    """Straight where corners share an x or a y, else a curve that starts and ends downwards."""
    parts = [f"M{corners[0][0]:.1f} {corners[0][1]:.1f}"]
    for (x1, y1), (x2, y2) in pairwise(corners):
        if abs(x1 - x2) < 0.5 or abs(y1 - y2) < 0.5:
            parts.append(f"L{x2:.1f} {y2:.1f}")
        else:
            middle = (y1 + y2) / 2
            parts.append(f"C{x1:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {y2:.1f}")
    return " ".join(parts)


def _box(number: int, node: _Node, corner: Point, most: int, subgraph: int) -> str:
    x, y = corner
    parts = [
        element("title", "\n".join(escaped(line, 300) for line in node.words.split("\n"))),
        element("rect", class_="mi-box", x=x, y=y, width=WIDTH, height=HEIGHT, rx=5),
        element("rect", class_="mi-kind", x=x, y=y + 6, width=4, height=HEIGHT - 12, rx=2),
        element("text", escaped(node.title, _LABEL), x=x + 13, y=y + 18),
        element("text", escaped(node.small, _SMALL), class_="mi-small", x=x + 13, y=y + 34),
    ]
    if node.macs and most:
        wide = (WIDTH - 10) * node.macs / most
        parts.append(
            element("rect", class_="mi-share", x=x + 5, y=y + HEIGHT - 4, width=wide, height=3)
        )
    if node.alarms:
        parts.append(element("text", "!", class_="mi-alarm", x=x + WIDTH - 14, y=y + 18))
    inside = "".join(parts)
    if node.op is not None:
        inside = element("a", inside, href=f"#{row_id(subgraph, node.op)}")
    kind = "mi-end" if node.op is None else "mi-sums" if node.macs else ""
    return element(
        "g",
        inside,
        class_=f"mi-node {kind}".strip(),
        data_node=str(number),
        data_op=None if node.op is None else f"{subgraph}:{node.op}",
    )


def row_id(subgraph: int, op: int) -> str:
    """The id of an op's row in the page's table, to link to."""
    return f"mi-op-{subgraph}-{op}"


def is_alarm(found: Mapping[str, Any]) -> bool:
    """True for a finding worse than a note."""
    return bool(found["severity"] != "note")
