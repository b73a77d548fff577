"""Runs a case over many random models, and keeps the smallest model that fails."""

from __future__ import annotations

from dataclasses import dataclass

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.case import Case
from tests.differential.check import Tally, check_model


@dataclass(frozen=True)
class Failure:
    """The smallest model found whose run here is not TFLM's, the seed of its inputs, and why."""

    model: bytes
    seed: int
    reason: str


def run_case(
    tflm: TflmRuntime, case: Case, count: int, seed: int = 0
) -> tuple[Tally, Failure | None]:
    """Check `count` random models of `case`; a failure is shrunk before it is returned."""
    tally = Tally()
    smallest: list[Failure] = []

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(data=case.models, inputs=st.integers(0, 2**32 - 1))
    def check(data: bytes, inputs: int) -> None:
        try:
            check_model(tflm, case, data, inputs, tally)
        except Exception as problem:  # whatever goes wrong is to be made small
            reason = str(problem) if isinstance(problem, AssertionError) else repr(problem)
            smallest[:] = [Failure(data, inputs, reason)]
            raise

    try:
        check()
    except Exception:
        if not smallest:
            raise
        return tally, smallest[0]  # hypothesis ends with the smallest one
    return tally, None
