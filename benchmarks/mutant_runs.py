"""Runs an area's mutants, one after the other, each in a fork that has imported what never changes.

    python -m benchmarks.mutant_runs FOLDER    # in the copy of the repository that is FOLDER/tree

A fork saves the second or two that pytest, Hypothesis and NumPy take to import: most mutants are
noticed by the first test that runs them. Results are cosmic-ray's, in its own data base.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.mutant_tests import PYTEST, chosen, file_of

FIRST = (
    *("_pytest.pytester", "flatbuffers", "hypothesis.strategies", "numpy", "numpy.random"),
    *("hypothesis.internal.conjecture.engine", "rich.table", "serial", "threadpoolctl", "tflite"),
    *("typer.testing", "xdist.plugin"),
)
"""Modules that tests import, none of this repository."""
MEMORY = 8 << 30  # bytes of address space, for mutants that ask for more and more
NO_TESTS = 5


def limit(folder: Path, tests: list[str]) -> int:
    """Seconds after which tests count as hanging: five times what they took, and something."""
    seconds: dict[str, float] = json.loads((folder / "seconds.json").read_text())
    usual = sum(took for name, took in seconds.items() if {name, file_of(name)} & set(tests))
    return 30 + round(5 * usual)


def run_tests(folder: Path, job: str) -> bool:
    """Whether the tests pass on what is in the copy now."""
    tests = chosen(folder, job)
    if (child := os.fork()) == 0:
        status = 1  # whatever gets through pytest has been noticed
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            signal.alarm(limit(folder, tests))  # ends the child
            silence = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(silence, number)
            status = int(pytest.main([*PYTEST, *tests]))
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # boards that it has left
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == NO_TESTS:
        raise SystemExit(f"these ran no test: {' '.join(tests)}")
    return status == 0


def main(folder: Path) -> None:
    """Run what is left of an area's mutants."""
    from cosmic_ray.mutating import use_mutation
    from cosmic_ray.plugins import get_operator
    from cosmic_ray.work_db import WorkDB, use_db
    from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult

    for name in FIRST:
        import_module(name)
    with use_db(str(folder / "session.sqlite"), WorkDB.Mode.open) as db:
        for item in db.pending_work_items:
            (mutation,) = item.mutations
            operator = get_operator(mutation.operator_name)(**mutation.operator_args)
            with use_mutation(mutation.module_path, operator, mutation.occurrence):
                change = difference(folder, mutation.module_path)
                passed = run_tests(folder, item.job_id)
            outcome = TestOutcome.SURVIVED if passed else TestOutcome.KILLED
            result = WorkResult(WorkerOutcome.NORMAL, test_outcome=outcome, diff=change)
            db.set_result(item.job_id, result)


def difference(folder: Path, path: Path) -> str:
    """A file's mutant as a diff."""
    from difflib import unified_diff

    before, after = ((folder / name / path).read_text() for name in ("original", "tree"))
    return "\n".join(unified_diff(before.splitlines(), after.splitlines(), lineterm=""))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
