"""Brings two sides together: accounts, rows, diagnosis, and the cause in words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from microinterp.compare.cause import Bench
from microinterp.compare.comparison import Comparison, Finding, FirstOp, OutputRow, Row
from microinterp.compare.diagnosis import Diagnosis, diagnose
from microinterp.compare.rows import Case, outputs_of, rows_of, samples_of
from microinterp.compare.told import Account, Array, Told
from microinterp.errors import InputError
from microinterp.kernels import default_registry
from microinterp.prepare import Prepared
from microinterp.quant.profile import get_profile
from microinterp.registry import Registry
from microinterp.sides import Observed, Place, Side, places_of
from microinterp.sides.choice import AFTER_INVOKE
from microinterp.sides.host import HostSide
from microinterp.sides.side import sample_count


def compare(
    model: bytes,
    other: Side | Account,
    inputs: Sequence[Array],
    profile: str = "tflm",
    registry: Registry | None = None,
    diagnosis: bool = True,
) -> Comparison:
    """Compare this package's interpreter with another side.

    Args:
        model: contents of a .tflite file.
        other: a runtime with the model in it, or what one has told.
        inputs: one array [n, *shape] per input of the model.
        profile, registry: ours, as for Interpreter.
        diagnosis: look for the cause of a difference.

    Raises:
        ModelError, UnsupportedError, PrepareError, ArenaError: the model does not run here.
        InputError: inputs do not fit, or not the other side's samples.
        RuntimeUnavailableError: the other side fails.
    """
    if isinstance(other, Account) and other.samples != sample_count(inputs):
        raise InputError(
            f"{other.version} tells {other.samples} samples, the inputs are {sample_count(inputs)}"
        )
    after_invoke = other.name in AFTER_INVOKE
    host = HostSide(model, profile, registry, preserve=after_invoke)
    prepared = host.interpreter.prepared
    places = places_of(prepared)
    ours = host.run(inputs, places)
    theirs = other if isinstance(other, Account) else account_of(other, inputs, places)
    if after_invoke:
        theirs = _as_written(theirs, ours, host.first_runs)
    else:
        theirs = _without_leftovers(theirs, prepared)
    case = Case(prepared, inputs, ours, theirs)
    rows, outputs = rows_of(case), outputs_of(case)
    bench = Bench(prepared.graph, get_profile(profile), registry or default_registry())
    found = Diagnosis((), tuple(rows), ())
    equal = not any([*(r.differing_samples for r in rows), *(r.differing_samples for r in outputs)])
    if not equal and diagnosis:
        found = diagnose(case, rows, bench)
    first = next((row for row in rows if row.differs), None)
    return Comparison(
        equal=equal,
        differing_elements=_total(case, rows, outputs, "differing"),
        compared_elements=_total(case, rows, outputs, "elements"),
        first_op=None if first is None else FirstOp(first.subgraph, first.index, first.name),
        cause=None if equal else cause_text(found.findings),
        model_sha256=hashlib.sha256(model).hexdigest(),
        ours=host.version,
        other=theirs.version,
        other_name=theirs.name,
        samples=theirs.samples,
        rows=found.rows,
        outputs=tuple(outputs),
        findings=found.findings,
        evidence=found.evidence,
        notes=(*theirs.notes, *_other_inputs(case), *found.notes),
    )


def _other_inputs(case: Case) -> Iterator[str]:
    """Equal outputs of other inputs are no proof of anything."""
    for i, told in enumerate(case.theirs.inputs):
        if told is not None and not Told(told).equals(case.inputs[i]):
            samples = f"{samples_of(Told(told).differs(case.inputs[i]))} of {len(told)} samples"
            yield f"the other side ran other numbers in input {i}, in {samples}"


def account_of(
    side: Side, inputs: Sequence[Array], places: Sequence[tuple[int, int, int]]
) -> Account:
    """What a side that runs now tells of samples."""
    seen = side.run(inputs, places)
    return Account(
        side.name,
        side.version,
        len(inputs[0]) if inputs else 1,
        inputs,
        [Told(array) for array in seen.outputs],
        {place: Told(array) for place, array in seen.tensors.items()},
    )


def _as_written(theirs: Account, ours: Observed, first_runs: Mapping[Place, int]) -> Account:
    """What lies in a tensor before an op writes there is nobody's number: it counts as ours."""
    tensors = {}
    for place, told in theirs.tensors.items():
        first = first_runs.get(place)
        if first is None or told.values is None:
            continue
        values = told.values
        if first:
            values = np.concatenate([ours.tensors[place][:first], values[first:]])
        tensors[place] = replace(told, values=values)
    return replace(theirs, tensors=tensors)


def _without_leftovers(theirs: Account, prepared: Prepared) -> Account:
    """Tensors that keep elements from before the invoke hold whatever memory was there."""
    keeping = {
        (item.node.subgraph, item.node.index)
        for item in prepared.nodes()
        if item.kernel.keeps_outputs
    }
    tensors = {place: told for place, told in theirs.tensors.items() if place[:2] not in keeping}
    return replace(theirs, tensors=tensors)


def _total(case: Case, rows: Sequence[Row], outputs: Sequence[OutputRow], what: str) -> int:
    """Elements of all tensors that are told; an output counts as the op's that writes it."""
    told = [row for row in rows if row.told != "no"]
    written = {row.tensor for row in told if row.subgraph == 0}
    main = case.prepared.graph.main
    others = [
        row for row in outputs if row.told != "no" and main.outputs[row.output].index not in written
    ]
    return sum([*(_count(row, what) for row in told), *(_count(row, what) for row in others)])


def _count(row: Row | OutputRow, what: str) -> int:
    if what == "elements":
        return row.elements
    return (row.differing_samples or 0) if row.differing is None else row.differing


def cause_text(findings: Sequence[Finding]) -> str | None:
    """All findings in one line, the best one first; None if there are none."""
    return "; or: ".join(_one(finding) for finding in findings) or None


def _one(finding: Finding) -> str:
    if finding.op is None:
        who = "the other side"
    elif finding.index is None:
        who = finding.op
    else:
        subgraph = f" of subgraph {finding.subgraph}" if finding.subgraph else ""
        who = f"{finding.op} (op {finding.index}{subgraph})"
    detail = f": {finding.detail}" if finding.detail else ""
    likewise = ""
    if finding.index is not None and finding.of > 1:
        likewise = f"; so do {finding.reproduces} of the {finding.of} ops that differ"
    return f"{who} {finding.text}{detail} [{finding.name}]{likewise}"
