"""The buffers of a plan as bars in time: their columns, roles and words, for picture and table."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from microinterp.arena.plan import Placed, Plan
from microinterp.arena.report import Moment, number_of, peak_bytes
from microinterp.prepare import Prepared

ROLES = {
    "input": "model input",
    "tensor": "between ops",
    "output": "model output",
    "scratch": "scratch of an op",
    "variable": "variable",
}
"""What a buffer is for, and the words of the legend."""


@dataclass(frozen=True)
class Bar:
    """One buffer.

    Attributes:
        position: its place in plan.placed.
        placed: the buffer itself.
        number: its short name, as in the text map.
        name: the tensor's name in the file, untrusted; "" for scratch.
        kind: element type and shape, or "scratch".
        role: a key of ROLES.
        first, last: columns (moments) from and to which it is alive; last < first: never.
        at_peak: it is alive at a moment with the most live bytes.
    """

    position: int
    placed: Placed
    number: str
    name: str
    kind: str
    role: str
    first: int
    last: int
    at_peak: bool

    @property
    def is_used(self) -> bool:
        """False for a buffer that has a place although no op uses it."""
        return self.last >= self.first


def bars(prepared: Prepared, plan: Plan, moments: Sequence[Moment]) -> tuple[Bar, ...]:
    """A bar for each buffer, in the plan's order."""
    scopes = [moment.scope for moment in moments]
    peak = peak_bytes(moments)
    at_peak = [i for i, moment in enumerate(moments) if moment.live_bytes == peak]
    made = []
    for position, placed in enumerate(plan.placed):
        first = bisect_left(scopes, placed.request.first)
        last = bisect_right(scopes, placed.request.last) - 1
        name, kind = _words(prepared, placed)
        fullest = any(first <= i <= last for i in at_peak)
        role = _role(prepared, placed)
        number = number_of(prepared, placed)
        made.append(Bar(position, placed, number, name, kind, role, first, last, fullest))
    return tuple(made)


def _words(prepared: Prepared, placed: Placed) -> tuple[str, str]:
    if placed.request.tensor is None:
        return "", "scratch"
    subgraph, index = placed.request.tensor
    tensor = prepared.graph.subgraphs[subgraph].tensors[index]
    return tensor.name, f"{tensor.type_name}[{','.join(map(str, tensor.shape))}]"


def _role(prepared: Prepared, placed: Placed) -> str:
    if placed.request.tensor is None:
        return "scratch"
    subgraph, index = placed.request.tensor
    tensor = prepared.graph.subgraphs[subgraph].tensors[index]
    main = prepared.graph.main
    if tensor.is_variable:
        return "variable"
    if any(tensor is other for other in main.outputs):
        return "output"
    return "input" if any(tensor is other for other in main.inputs) else "tensor"


def life_text(bar: Bar, moments: Sequence[Moment]) -> tuple[str, str]:
    """The labels of the first and the last op at which it is alive."""
    if not bar.is_used:
        return "never used", "never used"
    return moments[bar.first].label.strip(), moments[bar.last].label.strip()


def title(bar: Bar, moments: Sequence[Moment]) -> str:
    """All about it in a few lines, unescaped."""
    first, last = life_text(bar, moments)
    life = f"alive at {first}" if first == last else f"alive from {first} to {last}"
    return "\n".join(
        (
            f"{bar.number} {bar.name}".strip(),
            f"{ROLES[bar.role]}, {bar.kind}",
            f"{bar.placed.size:,} bytes at {bar.placed.offset:,} to {bar.placed.end:,}",
            life,
        )
    )
