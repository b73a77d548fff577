"""What passes cost: multiply-accumulates that are done more than once."""

from __future__ import annotations

from microinterp import macs
from microinterp.model import FileTensor
from microinterp.prepare import Prepared


def file_macs(prepared: Prepared) -> dict[int, int]:
    """Multiply-accumulates of each op of the main subgraph, by its number in the file."""
    model = prepared.graph.model
    source = model.subgraphs[0]

    def tensors(numbers: tuple[int, ...]) -> list[FileTensor | None]:
        return [source.tensors[i] if i >= 0 else None for i in numbers]

    return {
        i: macs.macs_of(model, op, tensors(op.inputs), tensors(op.outputs))
        for i, op in enumerate(source.operators)
    }


def extra_macs(prepared: Prepared) -> float:
    """Multiply-accumulates that a rewritten graph does besides, as a share; 0.05 is 5 %."""
    counts = file_macs(prepared)
    source = prepared.graph.model.subgraphs[0]
    done = dict.fromkeys(counts, 0)
    for item in prepared.subgraphs[0]:
        number = item.node.file_index
        if counts[number]:
            out = source.tensors[source.operators[number].outputs[0]]
            whole = macs.elements_of(out.shape)
            done[number] += counts[number] * item.node.output().elements // whole
    total = sum(counts.values())
    return (sum(done.values()) - total) / total if total else 0.0
