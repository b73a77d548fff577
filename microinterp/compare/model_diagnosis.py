"""Which known causes reproduce the other side's bytes when the whole model runs with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from microinterp.compare.cause import Bench, Changed, OpCause, RunCause
from microinterp.compare.comparison import Finding
from microinterp.compare.input_causes import INPUT_CAUSES
from microinterp.compare.op_diagnosis import OP_CAUSES, ways
from microinterp.compare.rows import Case
from microinterp.compare.run_causes import RUN_CAUSES
from microinterp.compare.running import AS_USUAL, run_model, with_changes
from microinterp.compare.told import Array, Told
from microinterp.prepare import Prepared
from microinterp.sides import Observed

SECONDS = 20.0
"""How long ops are changed one by one, where only the model's outputs are told."""

Key = tuple[int, int]
_ByDetail = dict[str, dict[Key, Changed]]


class ModelDiagnosis:
    """Runs the model with a cause in it and counts the tensors that are equal then."""

    def __init__(self, case: Case, bench: Bench) -> None:
        self.case = case
        self.bench = bench
        self._told: list[tuple[object, Told]] = [
            *((place, told) for place, told in case.theirs.tensors.items()),
            *((i, told) for i, told in enumerate(case.theirs.outputs) if told is not None),
        ]
        self._places = tuple(case.theirs.tensors)
        self._first = self._first_differing()

    @property
    def of(self) -> int:
        """How many tensors are told, outputs too."""
        return len(self._told)

    def inputs(self) -> Iterator[Finding]:
        """Causes in what goes in."""
        for cause in INPUT_CAUSES:
            for detail, arrays in cause.change(self.case.prepared.graph, self.case.inputs):
                if self._explains(self.case.prepared, arrays):
                    yield Finding(cause.name, cause.text, detail, reproduces=self.of, of=self.of)
                    break

    def runs(self) -> Iterator[Finding]:
        """Causes between samples."""
        for cause in RUN_CAUSES:
            if cause.needs_state and not self.case.prepared.is_stateful:
                continue
            if self._explains(self.case.prepared, self.case.inputs, cause):
                yield Finding(cause.name, cause.text, reproduces=self.of, of=self.of)

    def ops(self, keep_on: Callable[[], bool]) -> list[Finding]:
        """Causes inside ops: in all ops at once, then in each one alone while `keep_on` says so.

        A runtime that computes otherwise does so in all ops, a plain mistake is rather in one.
        """
        changes = [(cause, self._changes(cause)) for cause in OP_CAUSES]
        found = {cause.name: self._whole(cause, by_detail) for cause, by_detail in changes}
        for cause, by_detail in changes:
            whole = found[cause.name]
            if whole is None or (whole.index is None and not cause.source):
                found[cause.name] = self._alone(cause, by_detail, keep_on) or whole
        return [finding for finding in found.values() if finding is not None]

    def _whole(self, cause: OpCause, by_detail: _ByDetail) -> Finding | None:
        for detail, by_op in by_detail.items():
            if self._explains(with_changes(self.case.prepared, by_op), self.case.inputs):
                return self._finding(cause, detail, by_op)
        return None

    def _alone(
        self, cause: OpCause, by_detail: _ByDetail, keep_on: Callable[[], bool]
    ) -> Finding | None:
        for detail, by_op in by_detail.items():
            for key, changed in by_op.items() if len(by_op) > 1 else ():
                if not keep_on():
                    return None
                one = {key: changed}
                if self._explains(with_changes(self.case.prepared, one), self.case.inputs):
                    return self._finding(cause, detail, one)
        return None

    def _finding(self, cause: OpCause, detail: str, by_op: dict[Key, Changed]) -> Finding:
        subgraph, index = min(by_op)
        names = {changed.node.name for changed in by_op.values()}
        return Finding(
            cause.name,
            cause.text,
            detail,
            cause.source,
            subgraph if len(by_op) == 1 else None,
            index if len(by_op) == 1 else None,
            names.pop() if len(names) == 1 else None,
            reproduces=self.of,
            of=self.of,
        )

    def _changes(self, cause: OpCause) -> _ByDetail:
        """The ops that a cause can change, by its detail."""
        found: _ByDetail = {}
        for item in self.case.items():
            key = item.node.subgraph, item.node.index
            for changed in ways(cause, item, self.bench):
                found.setdefault(changed.detail, {})[key] = changed
        return found

    def _explains(
        self, prepared: Prepared, inputs: Sequence[Array], how: RunCause = AS_USUAL
    ) -> bool:
        """Try the first sample that differs first: most causes fail there."""
        count = self.case.theirs.samples
        few = slice(self._first, self._first + 1)
        if how.before is None and (prepared.is_stateful or how is not AS_USUAL):
            few = slice(0, self._first + 1)  # what is kept comes from those before
        every = slice(0, count)
        tries = [few, every] if how.before is None and few != every else [every]
        return all(self._gives(prepared, [a[part] for a in inputs], how, part) for part in tries)

    def _first_differing(self) -> int:
        """The first sample in which anything differs that is told."""
        ours = self.case.ours
        differing = (told.differs(_of(ours, key)) for key, told in self._told)
        rows = [each.reshape(len(each), -1).any(axis=1) for each in differing]
        return int(np.any(rows, axis=0).argmax())

    def _gives(
        self, prepared: Prepared, inputs: Sequence[Array], how: RunCause, samples: slice
    ) -> bool:
        try:
            got = run_model(prepared, inputs, self._places, how)
        except (ValueError, IndexError, TypeError, FloatingPointError):
            return False  # a changed op may ask for what NumPy cannot do
        return got is not None and all(
            told.part(samples).equals(_of(got, key)) for key, told in self._told
        )


def _of(observed: Observed, key: object) -> Array:
    return observed.outputs[key] if isinstance(key, int) else observed.tensors[key]  # type: ignore[index]


def for_seconds(seconds: float) -> Callable[[], bool]:
    """A function that says True until the time is over."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end
