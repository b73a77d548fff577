"""The outcome of `golden check` in words."""

from __future__ import annotations

from rich.text import Text

from microinterp.errors import printable
from microinterp.golden import CheckResult, Difference
from microinterp.golden.results import Value


def many(count: int, what: str) -> str:
    """A number of things."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def verdict(result: CheckResult) -> Text:
    """What was compared and what differs; the first difference with its place."""
    if not result.model_matches and not result.version:
        return Text(
            "the model is another file than the bundle was recorded from: check that file, record "
            "anew, or say --any-model to see where they part",
            "bold red",
        )
    lines = [_headline(result)]
    if result.first is not None:
        lines.append(f"first: {_difference(result.first)}")
    if result.first_output is not None and result.first_output != result.first:
        lines.append(f"then:  {_difference(result.first_output)}")
    elif result.first is not None and result.first_output is None:
        lines.append("the outputs of this sample are as recorded")
    if result.changed_op is not None:
        lines.append(f"not the same model: {result.changed_op}")
    left = result.recorded_crcs - result.compared_crcs
    if left:
        lines.append(f"not compared: {many(left, 'CRC32')} of tensors that it does not tell")
    return Text("\n".join(lines), "green" if result.equal else "bold red")


def _headline(result: CheckResult) -> str:
    by = f"computed by {printable(result.runtime)} ({printable(result.version, 200)})"
    crcs = f", {many(result.compared_crcs, 'CRC32')} of tensors" if result.recorded_crcs else ""
    if result.equal:
        same = "" if result.model_matches else ", though the model is another file"
        samples, size = many(result.samples, "sample"), many(result.compared_bytes, "byte")
        return f"equal: {samples}, {size} of outputs{crcs}, {by}{same}"
    elements = many(result.differing_elements, "element")
    tensors = f", {many(result.differing_tensors, 'tensor')}" if result.recorded_crcs else ""
    return (
        f"different: {result.differing_samples:,} of {many(result.samples, 'sample')}; "
        f"{elements} of outputs{tensors} in all, {by}"
    )


def _difference(first: Difference) -> str:
    place = f"sample {first.sample}, "
    if first.op_index is not None:
        inside = f"subgraph {first.subgraph} " if first.subgraph else ""
        place += f"{inside}op {first.op_index} {first.op_name}, "
    named = f"tensor {first.tensor} '{first.tensor_name}'"
    place += named if first.output is None else f"output {first.output} ({named})"
    if first.element is None:
        return f"{place}: CRC32 {first.wanted_crc:08x} wanted, got {first.got_crc:08x}"
    values: list[Value] = [(first.element, first.wanted or 0, first.got or 0), *first.more]
    told = "; ".join(f"{list(at)} wanted {wanted}, got {got}" for at, wanted, got in values)
    return f"{place}: {first.differing} of {many(first.elements, 'element')} differ: {told}"
