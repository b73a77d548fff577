"""How models are told: types with shapes, quantisation, a table of ops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from microinterp.cli.output import safe, table
from microinterp.graph import Tensor
from microinterp.inspect_model import OpFacts, SubgraphFacts, TensorFacts


def shape_text(type_name: str, shape: Iterable[int] | None) -> str:
    """Type and shape in one word, for example int8[1,8,8,1]."""
    return f"{type_name}[{','.join(map(str, shape)) if shape is not None else '?'}]"


def quantisation_text(scales: Sequence[float], zero_points: Sequence[int]) -> str:
    """Scale and zero point, for example "0.0039 -128"; per-channel ones as a range."""
    if not scales:
        return "-"
    if len(scales) > 1:
        return f"{min(scales):.3g}..{max(scales):.3g} x{len(scales)}"
    return f"{scales[0]:.5g} {zero_points[0]:+d}" if zero_points else f"{scales[0]:.5g}"


def tensor_text(tensor: TensorFacts | Tensor) -> str:
    """Type and shape of a tensor."""
    kind = tensor.type_name if isinstance(tensor, Tensor) else tensor.type
    return shape_text(kind, tensor.shape)


def op_table(
    subgraph: SubgraphFacts, seconds: dict[int, float] | None = None, quantisation: bool = True
) -> Table:
    """The ops of a subgraph, one row each; with `seconds` per op index also their times.

    A column of nothing but dashes would take room from the names, and is left out.
    """
    times = ("time us",) if seconds is not None else ()
    quantisation = quantisation and any(tensor.scales for tensor in subgraph.tensors)
    has_macs = any(op.macs for op in subgraph.ops)
    numbers = ("scale, zero",) if quantisation else ()
    macs = ("MACs",) if has_macs else ()
    columns = ("op", "name", "output", *numbers, *macs, "weights", *times, "runs")
    made = table(*columns, right=("op", "MACs", "weights", "time us"), firm=("output", *numbers))
    for op in subgraph.ops:
        outputs = [subgraph.tensors[i] for i in op.outputs if 0 <= i < len(subgraph.tensors)]
        first = outputs[0] if outputs else None
        more = f" +{len(outputs) - 1}" if len(outputs) > 1 else ""
        took = (f"{1e6 * seconds.get(op.index, 0.0):,.0f}",) if seconds is not None else ()
        made.add_row(
            str(op.index),
            safe(op.name, limit=40),
            safe(tensor_text(first) + more if first else "-", limit=60),
            *((_quantisation_of(first),) if quantisation else ()),
            *((f"{op.macs:,}" if op.macs else "-",) if has_macs else ()),
            f"{op.weight_bytes:,}" if op.weight_bytes else "-",
            *took,
            _support_text(op),
        )
    return made


def _quantisation_of(tensor: TensorFacts | None) -> str:
    return quantisation_text(tensor.scales, tensor.zero_points) if tensor else "-"


def _support_text(op: OpFacts) -> Text:
    if op.supported is None:
        return Text("not checked", style="yellow")
    if not op.supported:
        return safe(f"no: {op.reason}", "red", limit=200)
    return (
        Text("exact", style="green") if op.exactness == "exact" else safe(op.exactness, limit=200)
    )
