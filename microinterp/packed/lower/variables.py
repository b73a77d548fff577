"""VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE, CALL_ONCE: copies from and to the state."""

from __future__ import annotations

from microinterp.packed.lower.common import Lower, Lowering
from microinterp.packed.steps import CallOnce, Copy, Step


def lower_handle(op: Lowering) -> list[Step]:
    """VAR_HANDLE: nothing to do, the variable's place is known."""
    return []


def lower_read(op: Lowering) -> list[Step]:
    """READ_VARIABLE."""
    out = op.node.output()
    return [Copy(op.source(op.node.input(0)), op.destination(out), out.nbytes)]


def lower_assign(op: Lowering) -> list[Step]:
    """ASSIGN_VARIABLE."""
    value = op.node.input(1)
    if not value.nbytes:
        return []
    return [Copy(op.source(value), op.destination(op.node.input(0)), value.nbytes)]


def lower_call_once(op: Lowering) -> list[Step]:
    """CALL_ONCE."""
    (subgraph,) = op.kernel.subgraphs
    op.require(
        subgraph > op.node.subgraph,
        f"subgraph {op.node.subgraph} runs subgraph {subgraph}, boards only run later ones",
    )
    return [CallOnce(subgraph, op.places.kernel_state(op.node, 0))]


LOWER: dict[str, Lower] = {
    "ASSIGN_VARIABLE": lower_assign,
    "CALL_ONCE": lower_call_once,
    "READ_VARIABLE": lower_read,
    "VAR_HANDLE": lower_handle,
}
