"""The arena over time, as facts and as a text map: one row per op, addresses from left to right.

A row shows what lies in the arena's head while one op runs: what it reads, what it writes, its
scratch, and what is kept for later ops.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeAlias

from microinterp.arena.extents import Extent, Key, extents, schedule
from microinterp.arena.lifetimes import FOLLOWED
from microinterp.arena.plan import Placed, Plan
from microinterp.errors import printable
from microinterp.graph import Node, Tensor
from microinterp.prepare import Prepared, PreparedNode

Keys: TypeAlias = "AbstractSet[tuple[int, int]]"
"""Tensors, by subgraph and index."""
Span: TypeAlias = "tuple[int, int]"
"""Addresses: first byte and the one behind the last."""

INPUTS, OUTPUTS = "inputs", "outputs"
"""Labels of the moments before the first op and, where ops are cut to pieces, after the last."""


@dataclass(frozen=True)
class Moment:
    """One step of the scope counter that lifetimes are counted in.

    Attributes:
        scope: the counter.
        label: the op's place and name, or "inputs".
        node: the op; None for the moment before the first one.
        alive: the buffers that hold something, by rising offset.
        spans: of each of them the addresses in use: first byte and the one behind the last. Whole
            buffers, but where passes have cut ops to pieces: there bytes come and go.
        live_bytes: bytes of the head that they cover together.
    """

    scope: int
    label: str
    node: Node | None
    alive: tuple[Placed, ...] = field(repr=False)
    spans: tuple[Span, ...] = field(repr=False)
    live_bytes: int

    @property
    def place(self) -> str:
        """The label without the op's name: "3", or "inputs" and "subgraph 1" before their ops."""
        return self.label.split()[0] if self.node else self.label.strip()


def timeline(prepared: Prepared, plan: Plan) -> tuple[Moment, ...]:
    """What is alive at each op, in the order of execution; subgraphs where they are called."""
    by_offset = sorted(plan.placed, key=lambda p: (p.offset, p.size))
    in_pieces = plan.bound is not None
    found = extents(schedule(prepared)) if in_pieces else {}
    moments = []
    for scope, label, node in _Walk(prepared, in_pieces).moments():
        held = [
            (placed, _span(placed, scope, found))
            for placed in by_offset
            if placed.request.first <= scope <= placed.request.last
        ]
        alive, spans = tuple(p for p, _ in held), tuple(span for _, span in held)
        moments.append(Moment(scope, label, node, alive, spans, _covered(spans)))
    return tuple(moments)


def _span(placed: Placed, scope: int, found: Mapping[Key, Extent]) -> Span:
    """The addresses that a buffer uses at a moment."""
    extent = found.get(placed.request.tensor or placed.request.scratch or ())
    if extent is None:
        return placed.offset, placed.end
    at = scope - extent.first
    return placed.offset + int(extent.low[at]), placed.offset + int(extent.high[at])


def _covered(spans: Sequence[Span]) -> int:
    """Bytes that lie in any of them."""
    covered = reached = 0
    for start, end in sorted(spans):
        covered += max(0, end - max(reached, start))
        reached = max(reached, end)
    return covered


def peak_bytes(moments: Sequence[Moment]) -> int:
    """The most bytes alive at once: no plan of the same order can have a smaller head."""
    return max((moment.live_bytes for moment in moments), default=0)


def peak_text(moments: Sequence[Moment], most: int = 4) -> str:
    """How many bytes are alive at once at most, and at which ops; `most` of them are named."""
    peak = peak_bytes(moments)
    # The pieces of an op share its label.
    labels = list(dict.fromkeys(m.label.strip() for m in moments if m.live_bytes == peak))
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return f"{peak:,} bytes alive at once: {', '.join(labels[:most])}{more}"


def number_of(prepared: Prepared, placed: Placed) -> str:
    """A buffer's short name: its tensor's number, with the subgraph's behind the main one.

    Scratch is named by its op in the file, for example "op 3 s0".
    """
    if placed.request.tensor is not None:
        subgraph, index = placed.request.tensor
        return f"{subgraph}:{index}" if subgraph else str(index)
    if placed.request.scratch is None:
        return "?"
    subgraph, op, number = placed.request.scratch
    op = prepared.subgraphs[subgraph][op].node.file_index
    return f"op {f'{subgraph}:' if subgraph else ''}{op} s{number}"


class _Walk:
    """Counts scopes as arena/lifetimes.py does, or steps as extents.py, and names the op of each.

    Steps are those of the main graph alone, with one more for its outputs.
    """

    def __init__(self, prepared: Prepared, in_pieces: bool) -> None:
        self._prepared = prepared
        self._in_pieces = in_pieces
        self._scope = 0
        self._many = len(prepared.subgraphs) > 1

    def moments(self) -> Iterator[tuple[int, str, Node | None]]:
        yield 0, INPUTS, None
        yield from self._subgraph(0)
        if self._in_pieces:
            yield self._scope + 1, OUTPUTS, None

    def _subgraph(self, number: int) -> Iterator[tuple[int, str, Node | None]]:
        for prepared_node in self._prepared.subgraphs[number]:
            yield from self._op(prepared_node)

    def _op(self, prepared_node: PreparedNode) -> Iterator[tuple[int, str, Node | None]]:
        node = prepared_node.node
        place = f"{node.subgraph}:{node.file_index}" if self._many else str(node.file_index)
        self._scope += 1
        yield self._scope, f"{place:>3} {printable(node.name, 40)}", node
        if node.code not in FOLLOWED or self._in_pieces:
            return
        for number in prepared_node.kernel.subgraphs:
            self._scope += 1
            yield self._scope, f"    subgraph {number}", None
            yield from self._subgraph(number)


@dataclass(frozen=True, slots=True)
class Shades:
    """Characters of the map."""

    reads: str
    writes: str
    scratch: str
    kept: str
    free: str
    edge: str


UNICODE = Shades("▒", "█", "▞", "░", " ", "│")
ASCII = Shades("=", "#", "~", "-", " ", "|")

_LABEL, _BYTES, _MIN_BAR = 22, 10, 16
MAX_ROWS = 64
"""Ops that are drawn one by one; of longer models, runs of neighbours share a row."""


def arena_map(prepared: Prepared, plan: Plan, width: int = 100, shades: Shades = UNICODE) -> str:
    """Draw the arena's head over time.

    Each row is one op: its live bytes, then the head from address 0 on the left to its end on the
    right. A buffer shows its tensor's number where there is room. A cell belongs to the buffer
    that has most of it, so a buffer smaller than a cell may hide beside a larger one, and none
    looks like free space. The rows with the most live bytes are marked.

    Args:
        prepared, plan: of one model.
        width: columns of text, 60 at least.
        shades: characters; ASCII for terminals without Unicode.
    """
    moments = timeline(prepared, plan)
    if not plan.head_bytes:
        return "the arena's head is empty"
    groups = list(_folded(moments))
    suffix = len(f" +{len(groups[0]) - 1}") if len(groups[0]) > 1 else 0
    label = min(_LABEL, max(len(m.label) for m in moments) + suffix)
    bar = max(_MIN_BAR, max(width, 60) - label - _BYTES - 8)
    peak = peak_bytes(moments)
    lines = [*_axis(plan.head_bytes, label + _BYTES + 2, bar)]
    for group in groups:
        fullest = max(group, key=lambda m: m.live_bytes)
        more = f" +{len(group) - 1}" if len(group) > 1 else ""
        name = fullest.label[: label - len(more)] + more
        row = _row(fullest, prepared, plan, bar, shades)
        mark = " peak" if fullest.live_bytes == peak else ""
        edge = shades.edge
        lines.append(f"{name:<{label}}{fullest.live_bytes:>{_BYTES},} {edge}{row}{edge}{mark}")
    lines += ["", printable(f"peak: {peak_text(moments, 2)}", max(width, 60) - 3)]
    return "\n".join([*lines, *_legend(shades, len(moments), max(width, 60))])


def _folded(moments: Sequence[Moment]) -> Iterator[Sequence[Moment]]:
    """Groups of neighbours, at most MAX_ROWS of them."""
    size = -(-len(moments) // MAX_ROWS)
    for start in range(0, len(moments), size):
        yield moments[start : start + size]


def _row(moment: Moment, prepared: Prepared, plan: Plan, bar: int, shades: Shades) -> str:
    """The cells at one moment; cell i covers bytes [i * head / bar, (i + 1) * head / bar)."""
    head = plan.head_bytes
    owners: list[int | None] = [None] * bar
    most = [0] * bar
    for number, (start, end) in enumerate(moment.spans):
        if start == end:
            continue
        for cell in range(start * bar // head, -(-end * bar // head)):
            covered = min(end * bar, (cell + 1) * head) - max(start * bar, cell * head)
            if covered > most[cell]:
                owners[cell], most[cell] = number, covered
    roles = _roles(moment, shades)
    cells = [shades.free if owner is None else roles[owner] for owner in owners]
    for number, placed in enumerate(moment.alive):
        name = number_of(prepared, placed).split()[-1]  # the row tells the op of scratch
        if owners.count(number) >= len(name) + 2:
            start = owners.index(number)
            cells[start : start + len(name)] = name
    return "".join(cells)


def _roles(moment: Moment, shades: Shades) -> list[str]:
    """The shade of each buffer that is alive."""
    node = moment.node
    if node is None:  # the inputs appear, or the outputs are taken
        shade = shades.reads if moment.label == OUTPUTS else shades.writes
        return [shade if p.request.tensor else shades.scratch for p in moment.alive]
    written, read = _roots(node.outputs), _roots(node.inputs)
    return [_role(placed, node, written, read, shades) for placed in moment.alive]


def _role(placed: Placed, node: Node, written: Keys, read: Keys, shades: Shades) -> str:
    key = placed.request.tensor
    if key is None:
        own = placed.request.scratch and placed.request.scratch[:2] == (node.subgraph, node.index)
        return shades.scratch if own else shades.kept
    if key in written:
        return shades.writes
    return shades.reads if key in read else shades.kept


def _roots(tensors: Sequence[Tensor | None]) -> Keys:
    """The buffers of an op's tensors: a part touches the one in whose memory it lies."""
    return {(t.subgraph, t.root.index) for t in tensors if t is not None}


def _axis(head: int, indent: int, bar: int) -> list[str]:
    """Byte addresses over the bar's ends and quarters, as far as they have room."""
    numbers, marks = [" "] * (indent + bar + 12), [" "] * (indent + bar + 1)
    free_from = 0
    for quarter in range(5):
        text = f"{head * quarter // 4:,}"
        at = indent + bar * quarter // 4
        start = max(0, at - len(text) // 2)
        if start >= free_from:
            numbers[start : start + len(text)] = text
            marks[at] = "."
            free_from = start + len(text) + 2
    return ["".join(numbers).rstrip(), "".join(marks).rstrip()]


def _legend(shades: Shades, moments: int, width: int) -> list[str]:
    words = (
        (shades.reads, "read"),
        (shades.writes, "written"),
        (shades.scratch, "scratch"),
        (shades.kept, "kept for a later op"),
    )
    lines = ["   ".join(f"{shade * 2} {word}" for shade, word in words)]
    numbers = "numbers are tensors, s0 is scratch"
    if len(lines[0]) + 3 + len(numbers) <= width:
        lines[0] += f"   {numbers}"
    else:
        lines.append(numbers)
    if moments > MAX_ROWS:
        lines.append("+n: stands for n neighbours too, with no more live bytes")
    return lines
