"""Names the known causes of a difference: those that reproduce the other side's bytes exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from microinterp.compare.cause import Bench, OpCause
from microinterp.compare.comparison import Finding, Row
from microinterp.compare.evidence import evidence_of
from microinterp.compare.input_causes import INPUT_CAUSES
from microinterp.compare.isolated import can_be_isolated, run_op
from microinterp.compare.model_diagnosis import SECONDS, ModelDiagnosis, for_seconds
from microinterp.compare.op_diagnosis import explain_op
from microinterp.compare.rows import Case
from microinterp.compare.tell_causes import explained_form
from microinterp.compare.told import Told
from microinterp.prepare import PreparedNode

_OpFinding = tuple[OpCause, str]
_ENOUGH = 8
"""Differing numbers from which on nothing fits by chance."""
_LIKELY = {"litert": "xnnpack", "litert-noxnn": "ruy", "litert-ref": "litert-ref"}
"""What each side is known for."""


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` finds.

    Attributes:
        findings: causes of the first difference, the best one first.
        rows: the rows with the causes of each op.
        evidence: of what is not explained.
        notes: what was not tried.
    """

    findings: tuple[Finding, ...]
    rows: tuple[Row, ...]
    evidence: tuple[str, ...]
    notes: tuple[str, ...] = ()


def diagnose(case: Case, rows: Sequence[Row], bench: Bench) -> Diagnosis:
    """Find causes for a comparison with differences."""
    found = _diagnosed(case, rows, bench)
    different = _told_to_differ(case)
    if not found.findings or different >= _ENOUGH:
        return found
    told = "1 number is" if different == 1 else f"{different} numbers are"
    note = f"only {told} told to differ: a cause may fit by chance; give more samples"
    return replace(found, notes=(*found.notes, note))


def _told_to_differ(case: Case) -> int:
    """Elements of all that is told, inputs too; a CRC32 counts as the four bytes that it has."""
    ours = case.ours
    pairs = [(told, ours.tensors[place]) for place, told in case.theirs.tensors.items()]
    pairs += [(t, mine) for t, mine in zip(case.theirs.outputs, ours.outputs, strict=False) if t]
    inputs = [(Told(a), b) for a, b in zip(case.theirs.inputs, case.inputs, strict=False)
              if a is not None]  # fmt: skip
    return sum(
        int(told.differs(mine).sum()) * (1 if told.has_values else 4)
        for told, mine in (*pairs, *inputs)
    )


def _diagnosed(case: Case, rows: Sequence[Row], bench: Bench) -> Diagnosis:
    items = {(i.node.subgraph, i.node.index): i for i in case.items()}
    first = next((row for row in rows if row.differs), None)
    if (inputs := _told_inputs(case)) is not None:
        return Diagnosis(inputs, tuple(rows), () if inputs else _input_evidence(case))
    model = ModelDiagnosis(case, bench)
    if first is None:
        return _from_outputs(case, rows, model)
    by_op = _by_op(case, rows, items, bench)
    key = first.subgraph, first.index
    findings = _op_findings(by_op, items[key], case.theirs.name)
    findings += _form(case, first)
    findings += [*model.inputs(), *model.runs()]
    notes: tuple[str, ...] = ()
    if not findings and _may_come_from_before(case, items[key]):
        findings, notes = _ops_of(model)
    evidence = () if findings else _evidence(case, items[key], first)
    return Diagnosis(tuple(findings), _with_causes(rows, by_op), evidence, notes)


def _may_come_from_before(case: Case, item: PreparedNode) -> bool:
    """True if an op that is not told may have made the difference that this one shows first."""
    return not can_be_isolated(item) or case.given_to(item) is None


def _ops_of(model: ModelDiagnosis) -> tuple[list[Finding], tuple[str, ...]]:
    """Causes inside ops for the whole model, and a note where the time was too short."""
    keep_on = for_seconds(SECONDS)
    findings = model.ops(keep_on)
    notes = () if keep_on() else ("not every cause was tried in every op: too many to run",)
    return findings, notes


def _from_outputs(case: Case, rows: Sequence[Row], model: ModelDiagnosis) -> Diagnosis:
    """Only the model's outputs are told to differ: the whole model runs with each cause."""
    findings = [*_output_forms(case), *model.inputs(), *model.runs()]
    of_ops, notes = _ops_of(model)
    findings += of_ops
    return Diagnosis(
        tuple(findings), tuple(rows), () if findings else _output_evidence(case), notes
    )


def _by_op(
    case: Case,
    rows: Sequence[Row],
    items: dict[tuple[int, int], PreparedNode],
    bench: Bench,
) -> dict[tuple[int, int], list[_OpFinding]]:
    """Causes of each op that differs by itself, in the order in which they run."""
    found: dict[tuple[int, int], list[_OpFinding]] = {}
    first = True
    for row in rows:
        key = row.subgraph, row.index
        differs = row.isolated_differing or (first and row.differs)
        first = first and not row.differs
        if differs and key not in found:
            found[key] = explain_op(case, items[key], bench)
    return found


def _op_findings(
    by_op: dict[tuple[int, int], list[_OpFinding]], item: PreparedNode, side: str
) -> list[Finding]:
    """Those of the first op, the ones that reproduce most of the other ops first.

    Of a cause with several details it is the one that reproduces most. Among equals the one comes
    first that the other side is known for.
    """
    likely = _LIKELY.get(side)
    node = item.node
    found = []
    for cause, detail in by_op.get((node.subgraph, node.index), []):
        likewise = sum((cause, detail) in each for each in by_op.values())
        found.append(
            Finding(
                cause.name,
                cause.text,
                detail,
                cause.source,
                node.subgraph,
                node.index,
                node.name,
                likewise,
                len(by_op),
            )
        )
    found.sort(key=lambda each: (-each.reproduces, each.name != likely))
    return list({each.name: each for each in reversed(found)}.values())[::-1]


def _with_causes(
    rows: Sequence[Row], by_op: dict[tuple[int, int], list[_OpFinding]]
) -> tuple[Row, ...]:
    return tuple(
        replace(row, causes=_names(by_op.get((row.subgraph, row.index), ()))) for row in rows
    )


def _names(found: Sequence[_OpFinding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(cause.name for cause, _ in found))


def _told_inputs(case: Case) -> tuple[Finding, ...] | None:
    """Causes of inputs that are told to differ from ours; None where none differs."""
    pairs = [(i, told) for i, told in enumerate(case.theirs.inputs or ()) if told is not None]
    if all(Told(told).equals(case.inputs[i]) for i, told in pairs):
        return None
    found: dict[str, Finding] = {}
    for cause in INPUT_CAUSES:
        for detail, arrays in cause.change(case.prepared.graph, case.inputs):
            if all(Told(told).equals(arrays[i]) for i, told in pairs):
                finding = Finding(cause.name, cause.text, detail, "", reproduces=len(pairs))
                found.setdefault(cause.name, replace(finding, of=len(pairs)))
    return tuple(found.values())


def _input_evidence(case: Case) -> tuple[str, ...]:
    for i, told in enumerate(case.theirs.inputs):
        if told is not None and not Told(told).equals(case.inputs[i]):
            tensor, mine = case.prepared.graph.main.inputs[i], case.inputs[i]
            return tuple(evidence_of(tensor, mine, told, Told(told).differs(mine)))
    return ()


def _form(case: Case, row: Row) -> list[Finding]:
    place = row.subgraph, row.index, row.tensor
    cause = explained_form(case.tensor(place), case.ours.tensors[place], case.theirs.tensors[place])
    if cause is None:
        return []
    return [Finding(cause.name, cause.text, "", "", row.subgraph, row.index, row.name, 1, 1)]


def _output_forms(case: Case) -> list[Finding]:
    found = []
    for i, told in enumerate(case.theirs.outputs):
        tensor = case.prepared.graph.main.outputs[i]
        cause = None if told is None else explained_form(tensor, case.ours.outputs[i], told)
        if cause is not None:
            found.append(Finding(cause.name, cause.text, f"output {i}", reproduces=1, of=1))
    return found


def _evidence(case: Case, item: PreparedNode, row: Row) -> tuple[str, ...]:
    place = row.subgraph, row.index, row.tensor
    told, mine = case.theirs.tensors[place], case.ours.tensors[place]
    if told.values is None:
        samples = np.flatnonzero(told.differs(mine))
        return (f"the CRC32 differs in {len(samples)} samples, first in sample {samples[0]}",)
    given = case.given_to(item) if row.isolated_differing else None
    alone = run_op(item.node, item.kernel, given) if given is not None else None
    if alone is not None:
        number = [tensor.index for tensor in item.node.outputs].index(row.tensor)
        mine = alone[number]
    return tuple(evidence_of(case.tensor(place), mine, told.values, told.differs(mine)))


def _output_evidence(case: Case) -> tuple[str, ...]:
    for i, told in enumerate(case.theirs.outputs):
        mine = case.ours.outputs[i]
        if told is None or told.equals(mine):
            continue
        if told.values is None:
            return (f"the CRC32 of output {i} differs",)
        tensor = case.prepared.graph.main.outputs[i]
        return tuple(evidence_of(tensor, mine, told.values, told.differs(mine)))
    return ()
